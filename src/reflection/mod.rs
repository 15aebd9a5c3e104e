//! Server reflection: tells clients that were built without the server's `.proto` files which services and messages the server has.
//!
//! Both versions of the [protocol](https://github.com/grpc/grpc/blob/master/doc/server-reflection.md) are served, `grpc.reflection.v1` and
//! `grpc.reflection.v1alpha`.

mod answer;
mod builder;
mod descriptor;
mod error;
mod index;
mod service;
#[cfg(test)]
mod tests;

pub use builder::Builder;
pub use error::DescriptorError;
pub use index::Index;
pub use service::{Answers, MAX_REQUEST, Reflection};
