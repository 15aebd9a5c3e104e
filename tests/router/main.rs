//! Application services: a router's handlers behind a whole server, and a scripted client in front of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod admission;
mod answers;
mod backpressure;
mod cancel;
mod codec;
mod content_type;
mod delivery;
mod details;
mod drain;
mod echo;
mod errors;
mod fairness;
mod fixture;
#[cfg(feature = "gzip")]
mod gzip;
mod intercept;
mod interceptors;
mod kinds;
mod limits;
mod messages;
mod metadata;
mod nested;
mod observers;
mod panics;
mod peers;
mod requests;
mod sizes;
mod spawned;
mod stages;
#[path = "../support/mod.rs"]
mod support;
mod timeouts;
mod times;
mod unexpected;
mod unit;
mod window;
