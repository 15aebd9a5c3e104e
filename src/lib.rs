//! The gRPC Health Checking Protocol.
#![forbid(unsafe_code)]

pub mod proto;
pub mod registry;
mod sync;
pub mod wire;
