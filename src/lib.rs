//! The gRPC Health Checking Protocol, served by a minimal gRPC layer over raw `h2`.
#![forbid(unsafe_code)]
// Nothing that a peer says may end the process. Tests may assert.
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[cfg(feature = "build")]
pub mod build;
mod call;
#[cfg(feature = "client")]
pub mod client;
pub mod health;
pub mod proto;
#[cfg(feature = "reflection")]
pub mod reflection;
pub mod registry;
pub mod router;
pub mod server;
pub mod service;
mod sync;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "tower")]
pub mod tower;
pub mod wire;

pub use health::HealthService;
pub use registry::{Registry, ServiceHandle, ServingStatus};
pub use router::Router;
pub use server::Server;
pub use wire::code::Code;
pub use wire::status::Status;

/// The crate's own tests, benches and fuzz targets reach inside through this. No promise of stability.
#[cfg(feature = "__internals")]
#[doc(hidden)]
pub mod __internals {
    pub use prost::DecodeError;

    pub use crate::server::guard::{Step, program as guard};

    /// The health service's decoder of `HealthCheckRequest`.
    ///
    /// # Errors
    ///
    /// As prost's.
    pub fn check_request(message: &[u8]) -> Result<std::borrow::Cow<'_, str>, DecodeError> {
        crate::health::request::decode(message)
    }
}

/// README.md's examples are doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
