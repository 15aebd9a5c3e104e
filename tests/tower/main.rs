//! Services mounted in other people's servers: the same answers as from our own, row by row and client by client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod calls;
mod clients;
mod echo;
mod hosts;
mod intercept;
mod lifecycle;
mod rows;
mod script;
#[path = "../support/mod.rs"]
mod support;
mod toy;
