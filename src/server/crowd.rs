//! The connections of one address, in the order in which they make room for others.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::connection::{Doing, Standing};

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

    /// At most `enough` of the connections that work, of those that have had a call and do less, and of those that arrive. In three parts:
    /// a crowd that arrives hides nobody. Of those that arrive, the oldest have most likely had a call since.
    pub(super) fn callers(&self, enough: usize) -> impl Iterator<Item = u64> + '_ {
        let (arriving, working) = (from(Doing::Arriving), from(Doing::Working));
        let work = self.seats.range(working..).take(enough);
        let rest = self.seats.range(..arriving).rev().take(enough);
        let arrive = self.seats.range(arriving..working).take(enough);
        work.chain(rest).chain(arrive).map(|&(_, key)| key)
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

/// Where the connections that do this begin.
const fn from(doing: Doing) -> (Standing, u64) {
    (Standing::new(doing, 0), 0)
}
