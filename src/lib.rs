//! The gRPC Health Checking Protocol, served by a minimal gRPC layer over raw `h2`.
//!
//! A [`Registry`] holds serving statuses. A [`HealthService`] answers `Check`, `List` and `Watch` from the registry. A [`Server`] serves
//! the health service over TCP, TLS and Unix sockets:
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
//! A [`Router`] serves an application's own methods on the same port. The crate `grpc-health-build` generates typed servers for it from
//! `.proto` files, in a build script.
//!
//! # Guides
//!
//! The module [`guide`] has pages that lead from a Cargo.toml to a running server: [in a tokio program](guide::embed),
//! [in tonic](guide::tonic) or [axum](guide::axum), [on a thread of its own](guide::thread),
//! [liveness versus readiness](guide::probes), [behind a balancer](guide::balancers), [over TLS](guide::tls),
//! [an RPC of your own](guide::rpcs), [every limit](guide::limits); and for those who come from [Python](guide::from_python),
//! [tonic-health](guide::from_tonic_health), [grpc-go](guide::from_grpc_go) or [`grpc_health_probe`](guide::from_grpc_health_probe).
//!
//! **Before production, set the linger**: [`shutdown_linger`](server::Builder::shutdown_linger) is 0 s by default, and a server that
//! leaves before its balancers have noticed loses requests. [The guide to the drain](guide::kubernetes) says how long the linger must be.
//!
//! # Modules
//!
//! | module | contents |
//! |---|---|
//! | [`guide`] | how to do one thing, from Cargo.toml to a running server |
//! | [`registry`] | serving statuses, which any thread may set, inside or outside a runtime |
//! | [`health`] | the health service |
//! | [`plane`] | leases, hysteresis and history: what makes statuses true by themselves |
//! | [`observe`] | the events and metrics of a server (features `tracing` and `metrics`) |
//! | [`server`] | listeners, limits, statistics and shutdown |
//! | [`router`] | application methods of all four kinds, with typed messages or bytes |
//! | [`service`] | the trait that a server serves, for services written by hand |
//! | [`wire`] | codes, statuses, metadata and envelopes: types and pure functions without I/O |
//! | [`proto`] | the messages of `grpc.health.v1` |
//!
//! # Features
//!
//! No feature is on by default. A feature adds modules and never changes what other modules do. Only `gzip` changes what peers see; `http1`
//! does so on listeners that ask for it.
//!
//! | feature | adds |
//! |---|---|
//! | `client` | the module `client`: a minimal client for Check, Watch and List, and a monitor of many servers |
//! | `checks` | the module `plane::probes`: checks of TCP, gRPC, HTTP, a command and a file's age (implies `client`) |
//! | `control` | `plane::ControlService`, which sets statuses from outside the process, and with `client` the `plane::ControlClient` |
//! | `affinity` | `server::Builder::thread_cpu`: the CPU of a server's own thread (Linux) |
//! | `cli` | the command (implies `checks`, `control`, `http1`, `metrics`, `probe` and `reflection`) |
//! | `probe` | the command `grpc_health_probe` (implies `client`, `gzip`, `native-roots` and `tls`) |
//! | `gzip` | requests compressed with gzip (otherwise UNIMPLEMENTED), and replies for methods that [ask for it](router::Route::compress) |
//! | `http1` | `server::ListenOptions::http1`: listeners that answer health probes over HTTP/1.1, too |
//! | `metrics` | counters, gauges and histograms for the recorder of the application; see [`observe`] |
//! | `native-roots` | a client that trusts the authorities of the machine (implies `client` and `tls`) |
//! | `reflection` | the module `reflection`: server reflection, `v1` and `v1alpha` |
//! | `tls` | the module `tls`: TLS and mutual TLS by rustls with ring, for the server and the client |
//! | `tracing` | events for the subscriber of the application; see [`observe`] |
//! | `tower` | the module `tower`: services inside tonic, axum or hyper |
//!
//! `regenerate` is for work on this crate's own `.proto` files. An application gains nothing from it.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
// No input of a peer may end the process. Tests may assert.
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod buffers;
mod call;
#[cfg(feature = "client")]
pub mod client;
mod connection;
pub mod guide;
pub mod health;
#[cfg(feature = "http1")]
mod http1;
mod inflating;
pub mod observe;
pub mod plane;
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

/// Private items for the crate's own tests, benches and fuzz targets. They may change in any release.
#[cfg(feature = "__internals")]
#[doc(hidden)]
pub mod __internals {
    pub use prost::DecodeError;

    pub use crate::connection::guard::{
        Step, huffman_decoded, huffman_encoded, program as guard, repaired,
    };

    /// Decodes a `HealthCheckRequest` as the health service does, and returns the service's name.
    ///
    /// # Errors
    ///
    /// If `message` is not a valid `HealthCheckRequest`.
    pub fn check_request(message: &[u8]) -> Result<std::borrow::Cow<'_, str>, DecodeError> {
        crate::health::request::decode(message)
    }
}
