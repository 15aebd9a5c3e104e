//! The connections of one address, in the order in which they make room for others.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::connection::Standing;

/// A connection over loopback or a Unix socket counts as a sixteenth: a proxy beside the server carries the calls of many.
const LOCAL: usize = 16;

/// Which address makes room first: the one with the most, and of those the one with the connection that does the least.
pub(super) type Rank = (usize, Reverse<(Standing, u64)>);

/// The connections of one address that have a place.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    is_local: bool,
    /// What each does, and its key in the ledger. Keys are in the order of arrival.
    seats: BTreeSet<(Standing, u64)>,
    /// Those of them whose handshake is not complete.
    handshakes: BTreeSet<(Standing, u64)>,
}

impl Crowd {
    pub(super) fn new(is_local: bool) -> Self {
        Self {
            is_local,
            ..Self::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.seats.len()
    }

    pub(super) fn handshakes(&self) -> usize {
        self.handshakes.len()
    }

    /// How much `n` connections of this address count.
    pub(super) const fn weight(&self, n: usize) -> usize {
        if self.is_local { n / LOCAL } else { n }
    }

    pub(super) fn insert(&mut self, standing: Standing, key: u64, is_handshake: bool) {
        self.seats.insert((standing, key));
        if is_handshake {
            self.handshakes.insert((standing, key));
        }
    }

    pub(super) fn remove(&mut self, standing: Standing, key: u64) {
        self.seats.remove(&(standing, key));
        self.handshakes.remove(&(standing, key));
    }

    /// The connection that does the least for the longest.
    pub(super) fn first(&self) -> Option<(Standing, u64)> {
        self.seats.first().copied()
    }

    /// The oldest handshake.
    pub(super) fn first_handshake(&self) -> Option<(Standing, u64)> {
        self.handshakes.first().copied()
    }

    /// The connections, those that do the most first.
    pub(super) fn busiest(&self) -> impl Iterator<Item = u64> + '_ {
        self.seats.iter().rev().map(|&(_, key)| key)
    }

    /// The address's rank among all that have places.
    pub(super) fn rank(&self) -> Option<Rank> {
        let first = self.first()?;
        Some((self.weight(self.len()), Reverse(first)))
    }

    /// The address's rank among all that have handshakes in progress.
    pub(super) fn handshake_rank(&self) -> Option<Rank> {
        let first = self.first_handshake()?;
        Some((self.weight(self.handshakes()), Reverse(first)))
    }
}
