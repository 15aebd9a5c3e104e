//! The durations of the calls to one method.

use std::sync::{Arc, OnceLock};

use metrics::{Histogram, SharedString, histogram};
use tokio::time::Instant;

use super::checks::Checks;
use crate::wire::code::Code;

const DURATION: &str = "rpc.server.call.duration";

/// OpenTelemetry's name for a method that is not told apart.
pub(super) const OTHER: &str = "_OTHER";

/// gRPC's codes are 0 to 16.
const CODES: usize = 17;

const NANOS: u64 = 1_000_000_000;

/// A time, in nanoseconds of a [`Clock`]: half as large as an `Instant`, since every call carries one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(u64);

/// Tells the time since the server was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    #[inline]
    pub(super) fn now(self) -> Moment {
        let age = self.0.elapsed();
        // Wraps after 584 years.
        Moment((age.as_secs() * NANOS).wrapping_add(u64::from(age.subsec_nanos())))
    }

    /// The seconds since `begun`.
    #[inline]
    fn since(self, begun: Moment) -> f64 {
        let nanos = self.now().0.saturating_sub(begun.0);
        // The error for a call of a hundred days is a nanosecond.
        nanos as f64 / NANOS as f64
    }
}

/// What is measured of one method.
#[derive(Debug)]
pub(super) struct Method {
    name: SharedString,
    checks: Arc<Checks>,
    clock: Clock,
    durations: [OnceLock<Histogram>; CODES],
}

impl Method {
    pub(super) fn new(name: SharedString, checks: Arc<Checks>, clock: Clock) -> Self {
        Self {
            name,
            checks,
            clock,
            durations: Default::default(),
        }
    }

    #[inline]
    pub(super) fn checks(&self) -> &Arc<Checks> {
        &self.checks
    }

    /// Measures a call that has arrived at `begun` and has ended now.
    #[inline]
    pub(super) fn ended(&self, code: Code, begun: Moment) {
        // gRPC reads an unknown code as UNKNOWN.
        let at = usize::try_from(code.value()).ok().filter(|at| *at < CODES);
        let (at, code) = at.map_or((2, Code::UNKNOWN), |at| (at, code));
        if let Some(durations) = self.durations.get(at) {
            let histogram = durations.get_or_init(|| self.register(code));
            histogram.record(self.clock.since(begun));
        }
    }

    #[cold]
    fn register(&self, code: Code) -> Histogram {
        histogram!(
            DURATION,
            "rpc.system.name" => "grpc",
            "rpc.method" => self.name.clone(),
            "rpc.response.status_code" => code.name(),
        )
    }
}

/// Describes the histogram to the recorder.
pub(super) fn describe() {
    metrics::describe_histogram!(
        DURATION,
        metrics::Unit::Seconds,
        "Calls, from the request's arrival to the end of the answer"
    );
}
