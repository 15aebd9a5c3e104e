//! What calls are given while they are polled.

use super::super::host::Host;
use super::super::tally::Tally;
use crate::service::{PeerInfo, contain};

/// What calls need while they are polled.
pub(in crate::connection) struct Turn<'a, S> {
    pub(in crate::connection) host: &'a Host<S>,
    pub(in crate::connection) peer: &'a PeerInfo,
    pub(in crate::connection) tally: &'a mut Tally,
    pub(in crate::connection) conditions: Conditions,
}

/// Drops something of the service's, which may panic as its handlers may.
pub(in crate::connection) fn discard<T>(value: T, panics: &mut u64) {
    if contain(|| drop(value)).is_err() {
        *panics += 1;
    }
}

/// What the connection's state means to its streams.
#[derive(Debug, Clone, Copy)]
pub(in crate::connection) struct Conditions {
    /// The socket takes no more: no stream of the service is polled.
    pub(in crate::connection) write_blocked: bool,
    /// Calls of methods that a drain ends are ended.
    pub(in crate::connection) ending: bool,
}
