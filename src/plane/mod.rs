//! The health plane: what makes a status true by itself, with a clock and a runtime.
//!
//! Its functions are methods of [`Registry`](crate::Registry) and [`ServiceHandle`](crate::ServiceHandle):
//! [`lease`](crate::Registry::lease), [`set_hysteresis`](crate::Registry::set_hysteresis),
//! [`report`](crate::ServiceHandle::report), [`record_history`](crate::Registry::record_history).
//!
//! A [`Plane`] is the future that does the work, next to the server's calls. A server with a
//! [`HealthService`](crate::HealthService) runs the plane of the service's registry.

mod check;
mod check_handle;
mod check_run;
#[cfg(test)]
mod check_tests;
#[cfg(feature = "control")]
mod control;
#[cfg(all(feature = "control", feature = "client"))]
mod control_client;
mod history;
mod hysteresis;
mod jobs;
mod lease;
mod outcome;
#[allow(clippy::module_inception)]
mod plane;
mod probe;
#[cfg(feature = "checks")]
pub mod probes;
mod rings;
mod runtime;
mod schedule;
mod seen;
mod told;

pub use check::Check;
pub use check_handle::CheckHandle;
#[cfg(feature = "control")]
pub use control::{ControlService, Controlled, MAX_CONTROL_REQUEST};
#[cfg(all(feature = "control", feature = "client"))]
pub use control_client::ControlClient;
pub use hysteresis::Hysteresis;
pub use lease::Lease;
pub use outcome::{CheckStats, Outcome};
pub use plane::Plane;
pub use probe::Probe;
pub use runtime::{RuntimeWatch, watch_runtime};
pub(crate) use seen::tell;
