//! A check: a question with a period, a timeout, and what its answers do to a service.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use super::Probe;
use super::outcome::Outcome;
use super::schedule::{LONGEST, SHORTEST};
use crate::registry::ServingStatus;

type Observer = Box<dyn FnMut(&Outcome) + Send>;

/// A question that is asked every period, and decides the status of a service; for
/// [`Registry::check`](crate::Registry::check).
///
/// ```
/// use std::time::Duration;
///
/// use grpc_health::Registry;
/// use grpc_health::plane::Check;
/// use grpc_health::registry::Reason;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::new();
/// let check = Check::new(Duration::from_secs(10), Duration::from_secs(1), || async {
///     // Asks the database here.
///     Ok::<(), Reason>(())
/// });
/// registry.check("shop.Db", check.rise(2).fall(3))?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a check runs once it is given to a registry"]
pub struct Check<P> {
    pub(super) probe: P,
    pub(super) period: Duration,
    pub(super) timeout: Duration,
    pub(super) rise: NonZeroU32,
    pub(super) fall: NonZeroU32,
    pub(super) first: Option<ServingStatus>,
    pub(super) observer: Option<Observer>,
}

impl<P: Probe> Check<P> {
    /// Makes a check that asks `probe` every `period`, and takes a missing answer for a failure after `timeout`.
    ///
    /// Both times are at least 1 ms and at most 24 hours; a time outside the range becomes the nearest one inside. Runs of one check never
    /// overlap: a run that takes longer than the period leaves runs out. The first run begins at a random moment within a tenth of the
    /// period.
    pub fn new(period: Duration, timeout: Duration, probe: P) -> Self {
        Self {
            probe,
            period: period.clamp(SHORTEST, LONGEST),
            timeout: timeout.clamp(SHORTEST, LONGEST),
            rise: NonZeroU32::MIN,
            fall: NonZeroU32::MIN,
            first: Some(ServingStatus::Unknown),
            observer: None,
        }
    }

    /// Sets how many successes in a row make the service `Serving`. Default: 1. 0 means 1.
    pub const fn rise(mut self, successes: u32) -> Self {
        self.rise = at_least_one(successes);
        self
    }

    /// Sets how many failures in a row make the service `NotServing`. Default: 1. 0 means 1.
    pub const fn fall(mut self, failures: u32) -> Self {
        self.fall = at_least_one(failures);
        self
    }

    /// Shows the service as `NotServing` until the check has decided. Default: `Unknown`.
    pub const fn starts_not_serving(mut self) -> Self {
        self.first = Some(ServingStatus::NotServing);
        self
    }

    /// Leaves the status of the service as it is until the check has decided, for a check that replaces another one. A new name is
    /// `Unknown`. Default: the service is `Unknown`.
    pub const fn keeps_status(mut self) -> Self {
        self.first = None;
        self
    }

    /// Calls `observer` after each run, for example to log failures. A panic of the observer ends nothing. Default: no observer.
    pub fn observe(mut self, observer: impl FnMut(&Outcome) + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }
}

const fn at_least_one(count: u32) -> NonZeroU32 {
    match NonZeroU32::new(count) {
        Some(count) => count,
        None => NonZeroU32::MIN,
    }
}

impl<P> fmt::Debug for Check<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("period", &self.period)
            .field("timeout", &self.timeout)
            .field("rise", &self.rise)
            .field("fall", &self.fall)
            .finish_non_exhaustive()
    }
}
