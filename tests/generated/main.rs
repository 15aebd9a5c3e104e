//! Servers from .proto files: generated, compiled, implemented and called.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod calls;
#[cfg(feature = "build")]
mod golden;
mod names;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "of generated messages, not all are used here"
)]
mod protos;
