//! What a registry remembers of a service beside its status: why, since when, and the changes before.

use std::collections::VecDeque;
use std::time::{Instant, SystemTime};

use super::{Reason, ServingStatus};

/// A moment in time, by both clocks of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moment {
    /// The time of day. The clock may be set back or forward.
    pub wall: SystemTime,
    /// The time by the clock that never goes back.
    pub monotonic: Instant,
}

/// Reads the clock. The registry has no clock of its own.
pub(crate) type Clock = fn() -> Moment;

/// One change of the status that clients were shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// The status that clients were shown from then on.
    pub status: ServingStatus,
    /// Why, if a reason was given.
    pub reason: Option<Reason>,
    /// When.
    pub at: Moment,
}

/// The status of one service, why the service has it, and since when; from
/// [`Registry::status_of`](super::Registry::status_of).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusDetails {
    /// The status that clients are shown.
    pub status: ServingStatus,
    /// Why the service has the status, if a reason was given. For a group that does not serve: the first
    /// critical member that does not serve, and that member's reason.
    pub reason: Option<Reason>,
    /// When the service took the status. `None` unless the registry
    /// [records history](super::Registry::record_history), and if the service has not changed since the
    /// recording began.
    pub since: Option<Moment>,
}

/// The changes of one service that are remembered, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Past {
    since: Option<Moment>,
    transitions: VecDeque<Transition>,
}

impl Past {
    /// Remembers a change, and forgets the oldest changes over `keep`.
    pub(super) fn push(&mut self, transition: Transition, keep: usize) {
        self.since = Some(transition.at);
        while self.transitions.len() >= keep.max(1) {
            self.transitions.pop_front();
        }
        if keep > 0 {
            self.transitions.push_back(transition);
        }
    }

    pub(super) const fn since(&self) -> Option<Moment> {
        self.since
    }

    pub(super) fn transitions(&self) -> Vec<Transition> {
        self.transitions.iter().cloned().collect()
    }
}
