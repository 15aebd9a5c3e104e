//! The health plane: what makes a status true by itself, with a clock and a runtime.
//!
//! A [`Plane`] is the future that does the work, next to the server's calls. A server with a
//! [`HealthService`](crate::HealthService) runs the plane of the service's registry.

mod hysteresis;
mod jobs;
#[allow(clippy::module_inception)]
mod plane;

pub use hysteresis::Hysteresis;
pub use plane::Plane;
