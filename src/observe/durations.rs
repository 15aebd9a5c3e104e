//! The durations of the calls to one method.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::{Histogram, SharedString, histogram};

use super::checks::Checks;
use crate::wire::code::Code;

const DURATION: &str = "rpc.server.call.duration";

/// OpenTelemetry's name for a method that is not told apart.
pub(super) const OTHER: &str = "_OTHER";

/// gRPC's codes are 0 to 16.
const CODES: usize = 17;

/// What is measured of one method.
#[derive(Debug)]
pub(super) struct Method {
    name: SharedString,
    checks: Arc<Checks>,
    durations: [OnceLock<Histogram>; CODES],
}

impl Method {
    pub(super) fn new(name: SharedString, checks: Arc<Checks>) -> Self {
        Self {
            name,
            checks,
            durations: Default::default(),
        }
    }

    #[inline]
    pub(super) fn checks(&self) -> &Arc<Checks> {
        &self.checks
    }

    /// Measures a call that has ended.
    #[inline]
    pub(super) fn ended(&self, code: Code, after: Duration) {
        // gRPC reads an unknown code as UNKNOWN.
        let at = usize::try_from(code.value()).ok().filter(|at| *at < CODES);
        let (at, code) = at.map_or((2, Code::UNKNOWN), |at| (at, code));
        if let Some(durations) = self.durations.get(at) {
            let histogram = durations.get_or_init(|| self.register(code));
            histogram.record(after.as_secs_f64());
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
