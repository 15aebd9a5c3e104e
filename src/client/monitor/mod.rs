//! Follows the statuses of any number of services on any number of servers, and connects again after failures.
//!
//! A [`Monitor`] is what a balancer in a client, a sidecar or a dashboard builds on:
//!
//! ```
//! use grpc_health::client::{Monitor, ReportedStatus, monitor::State};
//! use grpc_health::{HealthService, Registry, Server, ServingStatus};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new();
//! let cart = registry.register("shop.Cart", ServingStatus::Serving)?;
//! let service = HealthService::new(registry.clone());
//! let server = Server::builder().service(service).bind("127.0.0.1:0").await?;
//! let address = server.local_addr().ok_or("no address")?;
//! tokio::spawn(async move { server.serve().await });
//!
//! let monitor = Monitor::new();
//! let id = monitor.add(address, "shop.Cart")?;
//!
//! let mut changes = monitor.changes();
//! while let Some(pair) = changes.next().await {
//!     println!("{} {}: {}", pair.target, pair.service, pair.state);
//!     if pair.state.is_serving() {
//!         cart.set_not_serving();
//!     } else if pair.state == State::Reported(ReportedStatus::NOT_SERVING) {
//!         break;
//!     }
//! }
//! assert!(monitor.remove(id));
//! # Ok(())
//! # }
//! ```

mod backoff;
mod builder;
mod chance;
mod changes;
mod crowd;
mod dial;
mod dialling;
mod endpoint;
mod follow;
mod handle;
mod keepalive;
mod line;
mod pace;
mod settings;
mod state;
mod table;

pub use builder::Builder;
pub use changes::Changes;
pub use endpoint::Endpoint;
pub use handle::{AddError, Monitor};
pub use state::{Pair, PairId, State, Unreachable};

#[cfg(test)]
mod tests;
