//! The health plane: what makes a status true by itself, with a clock and a runtime.
//!
//! Its functions are methods of [`Registry`](crate::Registry) and [`ServiceHandle`](crate::ServiceHandle):
//! [`lease`](crate::Registry::lease), [`set_hysteresis`](crate::Registry::set_hysteresis),
//! [`report`](crate::ServiceHandle::report), [`record_history`](crate::Registry::record_history).
//!
//! A [`Plane`] is the future that does the work, next to the server's calls. A server with a
//! [`HealthService`](crate::HealthService) runs the plane of the service's registry.

mod history;
mod hysteresis;
mod jobs;
mod lease;
#[allow(clippy::module_inception)]
mod plane;
mod rings;
mod runtime;

pub use hysteresis::Hysteresis;
pub use lease::Lease;
pub use plane::Plane;
pub use runtime::{RuntimeWatch, watch_runtime};
