//! Application services: a router's handlers behind a whole server, and a scripted client in front of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod answers;
mod backpressure;
mod cancel;
mod drain;
mod fairness;
mod fixture;
mod half_closed;
mod intercept;
mod kinds;
mod limits;
mod messages;
mod nested;
mod panics;
mod requests;
mod spawned;
#[path = "../support/mod.rs"]
mod support;
mod window;
