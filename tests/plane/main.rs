//! The health plane: leases, reports and history on a paused clock, and what of them goes over the wire.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod history;
mod leases;
mod runtimes;
mod standby;
#[cfg(feature = "client")]
mod wire;
