//! Admission: which connections a listener takes, and which ones make room for them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::config::Config;
use super::ledger::Ledger;
use super::limits::{Evicted, Limits, Seat};
use crate::connection::{Link, Standing};
use crate::service::Address;

impl Seat for Link {
    fn standing(&self) -> Standing {
        Self::standing(self)
    }

    fn leave(&self) {
        Self::leave(self);
    }

    fn cut(&self) {
        Self::cut(self);
    }
}

/// The places for connections of one listener.
#[derive(Debug)]
pub(super) struct Places(Mutex<Ledger<Link>>);

impl Places {
    pub(super) fn new(config: &Config) -> Self {
        Self(Mutex::new(Ledger::new(Limits {
            connections: config.max_connections,
            per_address: config.max_connections_per_ip,
            handshakes: config.max_handshakes,
        })))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger<Link>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for the connection `link` from `address`, until the result is dropped, and makes room if there is none. `None` if
    /// there can be no place. The times are in milliseconds of the server's life.
    pub(super) fn take(
        self: &Arc<Self>,
        now: u64,
        address: Address,
        link: Arc<Link>,
    ) -> (Option<Place>, Evicted) {
        let mut ledger = self.ledger();
        let key = ledger.admit(now, address, link);
        let evicted = ledger.take_evicted();
        drop(ledger);
        let place = key.map(|key| Place {
            places: Arc::clone(self),
            key,
        });
        (place, evicted)
    }

    /// Whether at least `enough` connections from `address` have had a call.
    pub(super) fn are_used(&self, address: Address, enough: usize) -> bool {
        self.ledger().used(address, enough) >= enough
    }
}

/// One connection's place.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    key: u64,
}

impl Place {
    /// Tells that the connection's handshake is done.
    pub(super) fn settle(&self, now: u64) {
        self.places.ledger().settle(now, self.key);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.ledger().remove(self.key);
    }
}
