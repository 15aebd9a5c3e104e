//! The arguments that calls get when the connection polls them.

use super::super::host::Host;
use super::super::sending::Sending;
use super::super::tally::Tally;
use super::requests::Bodies;
use crate::call::Turns;
use crate::observe::{Limit, Observer};
use crate::service::{PeerInfo, contain};

/// The connection's state that calls need when they are polled.
pub(in crate::connection) struct Turn<'a, S> {
    pub(in crate::connection) host: &'a Host<S>,
    pub(in crate::connection) peer: &'a PeerInfo,
    pub(in crate::connection) turns: &'a Turns,
    pub(in crate::connection) tally: &'a mut Tally,
    pub(in crate::connection) bodies: &'a mut Bodies,
    pub(in crate::connection) sending: &'a mut Sending,
    pub(in crate::connection) conditions: Conditions,
}

impl<S> Turn<'_, S> {
    /// Tells the observers which limit refuses or ends a call.
    pub(in crate::connection) fn refused_by(&self, limit: Limit) {
        let observers = &self.host.observers;
        observers.call_refused(self.peer.remote_addr, limit);
    }
}

/// Drops a value of the service's. The drop may panic, as the service's handlers may.
pub(in crate::connection) fn discard<T>(value: T, panics: &mut u64) {
    if contain(|| drop(value)).is_err() {
        *panics += 1;
    }
}

/// The conditions of the connection that its streams have to follow.
#[derive(Debug, Clone, Copy)]
pub(in crate::connection) struct Conditions {
    /// The socket takes no bytes: the connection polls no stream of the service.
    pub(in crate::connection) write_blocked: bool,
    /// The connection ends the calls of methods that a drain ends.
    pub(in crate::connection) ending: bool,
}
