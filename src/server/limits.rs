//! The limits of a listener, and what a ledger says and hears of connections.

use crate::connection::Standing;
use crate::service::Address;

/// How long, in milliseconds, a client may take for its first call after the handshake before its connection counts as unused.
pub(super) const ARRIVAL: u64 = 2_000;

/// A connection, as the ledger sees it.
pub(super) trait Seat {
    /// What the connection does now.
    fn standing(&self) -> Standing;
    /// Tells the connection to complete its calls and to close.
    fn leave(&self);
    /// Tells the connection to close at once.
    fn cut(&self);
}

/// The limits of one listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) per_address: Option<usize>,
    pub(super) handshakes: usize,
}

impl Limits {
    /// How many of the places only connections may take that have had no call yet.
    pub(super) const fn reserve(&self) -> usize {
        self.connections / 50
    }

    /// How many connections may leave at once, and complete calls.
    pub(super) const fn leaving(&self) -> usize {
        self.connections / 16 + 1
    }

    /// How many connections without a place may not have closed yet.
    pub(super) const fn going(&self) -> usize {
        self.connections / 4 + 16
    }

    /// How many handshakes one address may have in progress.
    pub(super) const fn handshakes_of(&self, address: Address) -> usize {
        if address.is_local() {
            self.handshakes
        } else {
            self.handshakes.div_ceil(2)
        }
    }
}

/// The number of connections that have made room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Evicted {
    pub(super) handshakes: u64,
    pub(super) connections: u64,
}
