//! A server of one [`Service`](crate::service::Service): its listeners, the admission of connections, its limits and its shutdown.
//!
//! Each connection is one task, which serves the connection to its end.

mod accept_loop;
mod accepting;
mod arrival;
mod bind;
#[cfg(unix)]
mod bind_unix;
mod build;
mod builder;
mod config;
mod crowd;
mod drain;
mod fair_queue;
mod handle;
mod ledger;
mod limits;
mod listener;
mod listeners;
mod places;
#[allow(clippy::module_inception)]
mod server;
mod shared;
mod stats;
mod thread;
mod thread_config;
#[cfg(unix)]
mod unix;
mod waits;

pub use builder::{Builder, NoService};
pub use handle::DrainHandle;
pub use server::Server;
pub use stats::Stats;
pub use thread::ServerThread;

pub use crate::service::ListenOptions;
