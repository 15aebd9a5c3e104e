//! The gRPC Health Checking Protocol, served by a minimal gRPC layer over raw `h2`.
//!
//! A [`Registry`] holds serving statuses, a [`HealthService`] answers Check, List and Watch for it, and a [`Server`] serves that on TCP,
//! TLS and Unix sockets:
//!
//! ```no_run
//! use grpc_health::{HealthService, Registry, Server, ServingStatus};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new();
//! registry.set_service_status("shop.Cart", ServingStatus::Serving)?;
//!
//! let service = HealthService::new(registry.clone());
//! let server = Server::builder().service(service).bind("127.0.0.1:50051").await?;
//! server.serve().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A [`Router`] serves an application's own methods on the same port.
//!
//! # Modules
//!
//! | module | what is in it |
//! |---|---|
//! | [`registry`] | serving statuses: set from any thread, in or outside a runtime |
//! | [`health`] | the health service |
//! | [`server`] | listeners, connections and their limits, the way down |
//! | [`router`] | application methods of all four kinds, with typed messages or bytes |
//! | [`service`] | what a server serves: the trait, for services written by hand |
//! | [`wire`] | codes, statuses, metadata, envelopes: pure functions |
//! | [`proto`] | the messages of `grpc.health.v1` |
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | adds |
//! |---|---|
//! | `build` | the module `build`: typed servers from .proto files, for build scripts |
//! | `client` | the module `client`: a minimal client for Check, Watch and List |
//! | `cli` | the `grpc-health` command (implies `client`, `reflection` and `tls`) |
//! | `gzip` | requests compressed with gzip, and replies for methods that [ask for it](router::Route::compress) |
//! | `reflection` | the module `reflection`: server reflection, `v1` and `v1alpha` |
//! | `tls` | the module `tls`: TLS and mutual TLS by rustls with ring, for the server and the client |
//! | `tower` | the module `tower`: services inside tonic, axum or hyper |
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

    pub use crate::server::guard::{
        Step, huffman_decoded, huffman_encoded, program as guard, repaired,
    };

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
