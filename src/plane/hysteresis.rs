//! Reports: good and bad results of one service, and how many of them change the service's status.

use std::time::Duration;

use tokio::time::Instant;

use crate::registry::{Reason, Registry, RegistryError, ServiceHandle};

/// How many equal results in a row change a service's status; see [`Registry::set_hysteresis`].
///
/// Hysteresis applies to [`ServiceHandle::report`] and to checks. It never applies to
/// [`ServiceHandle::set`], which sets the status at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hysteresis {
    /// How many good results in a row show the service as SERVING. Range: from 1; 0 means 1. Default: 1.
    pub rise: u32,
    /// How many bad results in a row show the service as NOT_SERVING. Range: from 1; 0 means 1. Default: 1, so
    /// the first bad result counts.
    pub fall: u32,
    /// How long the service stays NOT_SERVING at least, once bad results have shown it as NOT_SERVING. The
    /// first good result after this time that completes `rise` shows SERVING. Default: 0.
    pub dwell: Duration,
}

impl Hysteresis {
    /// The defaults: each result counts at once.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            rise: 1,
            fall: 1,
            dwell: Duration::ZERO,
        }
    }

    /// Sets [`rise`](Self#structfield.rise), the good results in a row that show SERVING. Default: 1.
    #[must_use]
    pub const fn rise(mut self, results: u32) -> Self {
        self.rise = results;
        self
    }

    /// Sets [`fall`](Self#structfield.fall), the bad results in a row that show NOT_SERVING. Default: 1.
    #[must_use]
    pub const fn fall(mut self, results: u32) -> Self {
        self.fall = results;
        self
    }

    /// Sets [`dwell`](Self#structfield.dwell), the least time of NOT_SERVING. Default: 0.
    #[must_use]
    pub const fn dwell(mut self, time: Duration) -> Self {
        self.dwell = time;
        self
    }
}

impl Default for Hysteresis {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    /// Sets how many results in a row change the status of a service, for [`ServiceHandle::report`] and for
    /// checks. Registers the name if the name is new, as [`pin`](Self::pin) does.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] if the name is new and exceeds the registry's [`Limits`](crate::registry::Limits).
    pub fn set_hysteresis(&self, name: &str, hysteresis: Hysteresis) -> Result<(), RegistryError> {
        let Hysteresis { rise, fall, dwell } = hysteresis;
        self.set_damper(name, rise, fall, dwell)
    }
}

impl ServiceHandle {
    /// Reports a good or a bad result of the service. The service's [`Hysteresis`] decides whether the result
    /// changes the status to SERVING or to NOT_SERVING.
    ///
    /// Callable from any thread, inside or outside a runtime, and in `Drop`.
    pub fn report(&self, ok: bool) {
        self.report_at(ok, None, Instant::now().into_std());
    }

    /// Reports a result as [`report`](Self::report) does, with the reason of the status that the result leads
    /// to. The reason replaces that of earlier results that led to the same status.
    pub fn report_with_reason(&self, ok: bool, reason: impl Into<Reason>) {
        self.report_at(ok, Some(reason.into()), Instant::now().into_std());
    }
}
