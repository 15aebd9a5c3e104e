//! The counters of `Check` and `Watch` calls.

use std::sync::OnceLock;

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

use super::observer::Checked;
use super::prober::Prober;

const CHECKS: &str = "grpc_health.checks";
const WATCHES: &str = "grpc_health.watches";

/// The counters of checks.
#[derive(Debug)]
pub(super) struct Checks {
    counters: [[OnceLock<Counter>; Checked::ALL.len()]; Prober::COUNT],
    watches: Gauge,
}

impl Checks {
    pub(super) fn new() -> Self {
        Self {
            counters: Default::default(),
            watches: gauge!(WATCHES),
        }
    }

    #[inline]
    pub(super) fn count(&self, prober: Prober, result: Checked) {
        let row = self.counters.get(prober as usize);
        if let Some(counter) = row.and_then(|row| row.get(result as usize)) {
            let register =
                || counter!(CHECKS, "prober" => prober.name(), "result" => result.name());
            counter.get_or_init(register).increment(1);
        }
    }

    pub(super) fn open_watches(&self, change: f64) {
        self.watches.increment(change);
    }
}

/// Describes the counters to the recorder.
pub(super) fn describe() {
    describe_counter!(
        CHECKS,
        "Check and Watch calls, by the status they are answered with first"
    );
    describe_gauge!(WATCHES, "Open Watch calls");
}
