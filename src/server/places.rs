//! Admission: how many connections a server may have, and how many it has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::config::Config;

/// The places for connections of a server.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Taken>);

/// The places that are taken: by all connections, by those in their handshake, and by each address.
#[derive(Debug, Default)]
struct Taken {
    total: usize,
    handshakes: usize,
    /// Empty unless the number for each address is limited.
    by_ip: HashMap<IpAddr, usize>,
}

impl Places {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a connection from `ip`, until the result is dropped. `None` if there is no place left.
    pub(super) fn take(self: &Arc<Self>, config: &Config, ip: Option<IpAddr>) -> Option<Place> {
        let mut taken = self.taken();
        if taken.total >= config.max_connections || taken.handshakes >= config.max_handshakes {
            return None;
        }
        let limited = config.max_connections_per_ip.zip(ip);
        if let Some((max, ip)) = limited {
            let from_ip = taken.by_ip.entry(ip).or_default();
            if *from_ip >= max {
                return None;
            }
            *from_ip += 1;
        }
        taken.total += 1;
        taken.handshakes += 1;
        Some(Place {
            places: Arc::clone(self),
            ip: limited.map(|(_, ip)| ip),
            settled: false,
        })
    }
}

/// One connection's place.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    ip: Option<IpAddr>,
    settled: bool,
}

impl Place {
    /// Tells that the connection's handshake is done.
    pub(super) fn settle(&mut self) {
        self.places.taken().settle(&mut self.settled);
    }
}

impl Taken {
    fn settle(&mut self, settled: &mut bool) {
        if !std::mem::replace(settled, true) {
            self.handshakes = self.handshakes.saturating_sub(1);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.settle(&mut self.settled);
        taken.total = taken.total.saturating_sub(1);
        if let Some(ip) = self.ip {
            let left = taken.by_ip.get_mut(&ip).map(|from_ip| {
                *from_ip = from_ip.saturating_sub(1);
                *from_ip
            });
            if left == Some(0) {
                taken.by_ip.remove(&ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_in_all_and_for_each_address_and_are_given_back() {
        let config = Config {
            max_connections: 3,
            max_connections_per_ip: Some(2),
            ..Config::default()
        };
        let (one, two) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let places = Arc::new(Places::default());
        let first = places.take(&config, Some(one)).expect("a place");
        let _second = places.take(&config, Some(one)).expect("a place");
        assert!(places.take(&config, Some(one)).is_none());
        // Not counted for the address that was refused.
        drop(first);
        let _third = places.take(&config, Some(one)).expect("a place");
        let fourth = places.take(&config, None).expect("a place");
        assert!(places.take(&config, Some(two)).is_none());
        drop(fourth);
        drop(places.take(&config, Some(two)).expect("a place"));
        assert_eq!(places.taken().by_ip.len(), 1);
    }

    #[test]
    fn handshakes_are_limited_until_they_are_done() {
        let config = Config {
            max_handshakes: 1,
            ..Config::default()
        };
        let places = Arc::new(Places::default());
        let mut first = places.take(&config, None).expect("a place");
        assert!(places.take(&config, None).is_none());
        first.settle();
        drop(places.take(&config, None).expect("a place"));
        drop(first);
        let taken = places.taken();
        assert_eq!((taken.total, taken.handshakes), (0, 0));
    }
}
