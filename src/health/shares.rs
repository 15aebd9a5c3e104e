//! How the places for `Watch` calls are shared between peers.
//!
//! While there are many places left, anyone may have them. The last eighth is for addresses that have less than an equal share, and its
//! first half also for connections that have few Watches: a proxy may bring a thousand users over one address, and a client that opens
//! Watches on many connections takes none of what is left.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::service::{Address, PeerInfo};

/// A connection with fewer Watches has few.
const FEW: usize = 4;

/// The places of one service.
#[derive(Debug, Clone, Default)]
pub(super) struct Shares(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    total: usize,
    addresses: HashMap<Address, usize>,
    connections: HashMap<SocketAddr, usize>,
}

/// One place, held until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    of: Shares,
    remote: Option<SocketAddr>,
}

impl Shares {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one of `max` places for a call of `peer`. `None` if there is none for the peer.
    ///
    /// A peer without an address, such as one on a Unix socket, has no share: only `max` limits it.
    pub(super) fn open(&self, max: usize, peer: &PeerInfo) -> Option<Share> {
        let mut held = self.held();
        let remote = peer.remote_addr;
        if held.total >= max || remote.is_some_and(|remote| !held.may(max, remote)) {
            return None;
        }
        held.total += 1;
        if let Some(remote) = remote {
            *held
                .addresses
                .entry(Address::of_ip(remote.ip()))
                .or_default() += 1;
            *held.connections.entry(remote).or_default() += 1;
        }
        drop(held);
        Some(Share {
            of: self.clone(),
            remote,
        })
    }
}

impl Held {
    fn may(&self, max: usize, remote: SocketAddr) -> bool {
        if self.total < max - max / 8 {
            return true;
        }
        let few = || self.connections.get(&remote).is_none_or(|&held| held < FEW);
        if self.total < max - max / 16 && few() {
            return true;
        }
        let held = self.addresses.get(&Address::of_ip(remote.ip()));
        // One address more may come.
        held.is_none_or(|&held| held < max / (self.addresses.len() + 1))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.of.held();
        held.total = held.total.saturating_sub(1);
        if let Some(remote) = self.remote {
            give_back(&mut held.addresses, Address::of_ip(remote.ip()));
            give_back(&mut held.connections, remote);
        }
    }
}

fn give_back<K: Eq + Hash>(held: &mut HashMap<K, usize>, key: K) {
    if let Entry::Occupied(mut entry) = held.entry(key) {
        match entry.get().checked_sub(1) {
            None | Some(0) => {
                entry.remove();
            }
            Some(left) => {
                entry.insert(left);
            }
        }
    }
    // A crowd that has gone leaves no memory.
    if held.is_empty() {
        held.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(host: u8, port: usize) -> PeerInfo {
        let port = u16::try_from(port).unwrap();
        PeerInfo::from(SocketAddr::from(([192, 0, 2, host], port)))
    }

    /// Opens Watches on connections of one address, `each` on every connection, until one is refused.
    fn hoard(shares: &Shares, max: usize, host: u8, each: usize) -> Vec<Share> {
        (0..)
            .map_while(|n| shares.open(max, &peer(host, 1 + n / each)))
            .collect()
    }

    #[test]
    fn one_address_leaves_an_eighth_to_others_and_a_sixteenth_to_connections_with_few() {
        let (shares, max) = (Shares::default(), 1_600);
        // 256 on a connection, as many as it can have.
        let hoard = hoard(&shares, max, 1, 256);
        assert_eq!(hoard.len(), 1_400);
        // A neighbour behind the same address, and clients of others.
        assert!(shares.open(max, &peer(1, 9_999)).is_some());
        let others: Vec<_> = (2..152)
            .map(|host| shares.open(max, &peer(host, 1)).expect("a place"))
            .collect();
        drop((hoard, others));
        let held = shares.held();
        let left = (held.total, held.addresses.len(), held.connections.len());
        assert_eq!(left, (0, 0, 0));
    }

    #[test]
    fn connections_with_few_from_one_address_leave_a_sixteenth() {
        let (shares, max) = (Shares::default(), 1_600);
        let hoard = hoard(&shares, max, 1, 1);
        assert_eq!(hoard.len(), 1_500);
        let others: Vec<_> = (2..102)
            .map_while(|host| shares.open(max, &peer(host, 1)))
            .collect();
        assert_eq!(others.len(), 100);
        assert!(shares.open(max, &peer(200, 1)).is_none());
    }

    #[test]
    fn many_addresses_share_equally_once_places_are_scarce() {
        let (shares, max) = (Shares::default(), 1_600);
        let hoard: Vec<_> = (0..1_400)
            .map(|_| shares.open(max, &peer(1, 1)).expect("a place"))
            .collect();
        assert!(shares.open(max, &peer(1, 1)).is_none());
        // The second address has less than a third, and so has what is left.
        let second: Vec<_> = (0..).map_while(|_| shares.open(max, &peer(2, 1))).collect();
        assert_eq!(second.len(), 200);
        drop(hoard);
        assert!(shares.open(max, &peer(1, 1)).is_some());
    }

    #[test]
    fn peers_without_an_address_have_all_places() {
        let shares = Shares::default();
        let nobody = PeerInfo::default();
        let open: Vec<_> = (0..).map_while(|_| shares.open(16, &nobody)).collect();
        assert_eq!(open.len(), 16);
    }
}
