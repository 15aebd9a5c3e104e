//! What `sliced` has, without feature `gzip`: no message is compressed.

use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::wire::encoding::{DecompressError, Encoding};

/// Permission to decompress messages.
#[derive(Debug, Clone)]
pub(crate) struct Turns;

impl Turns {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) const fn of_connection(&self) -> Self {
        Self
    }
}

/// A message that is being decompressed: none.
#[derive(Debug)]
pub(crate) struct Inflating(Infallible);

impl Inflating {
    pub(crate) fn begin(
        _: &Turns,
        _: Bytes,
        encoding: Encoding,
        _: usize,
    ) -> Result<Result<Bytes, DecompressError>, Self> {
        match encoding {
            Encoding::Identity => Ok(Err(DecompressError::Identity)),
        }
    }

    pub(crate) fn poll(&mut self, _: &mut Context<'_>) -> Poll<Result<Bytes, DecompressError>> {
        match self.0 {}
    }
}
