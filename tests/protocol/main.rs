//! The protocol, input by input.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod peer;
#[path = "../support/mod.rs"]
mod support;
