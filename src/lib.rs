//! The gRPC Health Checking Protocol.
#![forbid(unsafe_code)]

#[cfg(feature = "client")]
pub mod client;
pub mod proto;
pub mod registry;
mod sync;
pub mod wire;
