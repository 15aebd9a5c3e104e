//! Servers from .proto files: generated, compiled, implemented and called.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[cfg(feature = "build")]
mod golden;
