//! How one run of a check ended, and the counts of all runs.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::registry::Reason;

/// How one run of a [`Check`](super::Check) ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The probe succeeded.
    Passed,
    /// The probe failed, for this reason.
    Failed(Reason),
    /// The probe has not answered within the check's timeout.
    TimedOut(Duration),
    /// The probe panicked. The panic hook has reported the message.
    Panicked,
}

impl Outcome {
    /// Whether the probe succeeded.
    #[must_use]
    pub const fn passed(&self) -> bool {
        matches!(self, Self::Passed)
    }

    /// The reason that the registry keeps for a failure. `None` for a success.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Passed => None,
            Self::Failed(reason) => Some(reason.clone()),
            Self::TimedOut(limit) => Some(Reason::from(format!("no answer within {limit:?}"))),
            Self::Panicked => Some(Reason::from("the check panicked")),
        }
    }
}

/// Writes `passed`, or the reason of the failure.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            None => f.write_str("passed"),
            Some(reason) => reason.fmt(f),
        }
    }
}

/// How often a [`Check`](super::Check) has run, and how the runs ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckStats {
    /// Runs that succeeded.
    pub passed: u64,
    /// Runs that failed, for any reason.
    pub failed: u64,
    /// Failed runs that had no answer within the timeout.
    pub timed_out: u64,
    /// Failed runs that panicked.
    pub panicked: u64,
}

/// The counts of one check. Nothing is ordered by them, so relaxed loads and stores do.
#[derive(Debug, Default)]
pub(super) struct Counters {
    passed: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
    panicked: AtomicU64,
}

impl Counters {
    pub(super) fn count(&self, outcome: &Outcome) {
        let add = |counter: &AtomicU64| {
            counter.fetch_add(1, Relaxed);
        };
        match outcome {
            Outcome::Passed => return add(&self.passed),
            Outcome::Failed(_) => {}
            Outcome::TimedOut(_) => add(&self.timed_out),
            Outcome::Panicked => add(&self.panicked),
        }
        add(&self.failed);
    }

    pub(super) fn stats(&self) -> CheckStats {
        CheckStats {
            passed: self.passed.load(Relaxed),
            failed: self.failed.load(Relaxed),
            timed_out: self.timed_out.load(Relaxed),
            panicked: self.panicked.load(Relaxed),
        }
    }
}
