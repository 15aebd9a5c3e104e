//! A small client of the health service: one HTTP/2 connection, no load balancing, over TLS with feature `tls`. A [`Monitor`] follows many
//! services on many servers, and connects again.
//!
//! ```no_run
//! # async fn probe() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use grpc_health::client::{Client, ReportedStatus};
//!
//! let client = Client::connect("127.0.0.1:50051").await?.with_timeout(Duration::from_secs(1));
//! assert_eq!(client.check("").await?, ReportedStatus::SERVING);
//!
//! let mut watch = client.watch("shop.Cart").await?;
//! while let Some(status) = watch.next().await {
//!     println!("{}", status?);
//! }
//! # Ok(())
//! # }
//! ```

mod call;
mod connect;
mod connection;
mod connector;
mod details;
mod error;
mod flood;
mod head;
#[cfg(feature = "gzip")]
mod inflating;
mod limit;
mod link;
mod messages;
pub mod monitor;
mod names;
mod opening;
mod place;
mod probe;
mod reach;
#[cfg(feature = "tls")]
mod recorded;
mod reported;
mod target;
mod watch;
mod watched;

pub use connect::Client;
pub use connector::Connector;
pub use details::CheckDetails;
pub use error::ConnectError;
pub use monitor::Monitor;
#[cfg(all(test, feature = "checks"))]
pub(crate) use names::table;
pub use probe::{ProbeError, ProbeOptions, probe};
pub use reported::ReportedStatus;
pub use target::{InvalidTarget, Target};
pub use watch::Watch;
#[cfg(feature = "checks")]
pub(crate) use {connector::Origin, names::Lookup, place::port, reach::reach};
