//! Decompresses the messages of requests so that no message keeps others waiting.

#[cfg(not(feature = "gzip"))]
mod absent;
#[cfg(feature = "gzip")]
mod sliced;

#[cfg(not(feature = "gzip"))]
pub(crate) use absent::{Inflating, Turns};
#[cfg(feature = "gzip")]
pub(crate) use sliced::{Inflating, Turns};
