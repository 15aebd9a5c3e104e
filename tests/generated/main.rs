//! Servers from .proto files, compiled, implemented and called. grpc-health-build's tests hold them to what is generated.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod calls;
mod coded;
mod modules;
mod names;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "of generated messages, not all are used here"
)]
mod protos;
