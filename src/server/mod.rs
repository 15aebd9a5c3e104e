//! An HTTP/2 server of one [`Service`](crate::service::Service): listeners, connections, limits and the way down.
//!
//! Each connection is one task, which owns its h2 connection and answers calls itself.

mod arrival;
mod bind;
mod builder;
mod config;
mod connection;
mod drain;
pub(crate) mod guard;
mod handle;
mod host;
mod lifetime;
mod link;
mod listener;
mod patience;
#[allow(clippy::module_inception)]
mod server;
mod stats;
mod stream;
mod timers;
#[cfg(unix)]
mod unix;
mod waiting;

pub use builder::{Builder, NoService};
pub use handle::DrainHandle;
pub use server::Server;
pub use stats::Stats;
