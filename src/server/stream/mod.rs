//! One call on one HTTP/2 stream: reading its request, and writing its replies.

mod reading;
mod replying;
mod requests;
mod sink;

pub(super) use reading::{Finished, Reading, begin};
pub(super) use replying::{Progress, Replying};
pub(super) use sink::{refuse, send_refusal};

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::host::Host;
use super::stats::Tally;
use crate::service::PeerInfo;

/// What calls need while they are polled.
pub(super) struct Turn<'a, S> {
    pub(super) host: &'a Host<S>,
    pub(super) peer: &'a PeerInfo,
    pub(super) tally: &'a mut Tally,
    pub(super) conditions: Conditions,
}

/// Drops something of the service's, which may panic as its handlers may.
pub(super) fn discard<T>(value: T, panics: &mut u64) {
    if catch_unwind(AssertUnwindSafe(|| drop(value))).is_err() {
        *panics += 1;
    }
}

/// What the connection's state means to its streams.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conditions {
    /// The socket takes no more: no stream of the service is polled.
    pub(super) write_blocked: bool,
    /// Calls of methods that a drain ends are ended.
    pub(super) ending: bool,
}
