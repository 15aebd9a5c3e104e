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
mod details;
mod drain;
mod fairness;
mod fixture;
mod intercept;
mod interceptors;
mod kinds;
mod limits;
mod messages;
mod nested;
mod observers;
mod panics;
mod payloads;
mod peers;
mod requests;
mod spawned;
#[path = "../support/mod.rs"]
mod support;
mod times;
mod unit;
mod window;
