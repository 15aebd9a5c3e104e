//! Decompresses the messages of replies in steps, so that the other tasks of the runtime, and the call's time limit, have their turn.

use bytes::Bytes;
use tokio::task::yield_now;

use crate::wire::{gzip::Inflater, status::Status};

/// The bytes that a step reads and writes: at most some 60 µs, whatever the message.
const INPUT: usize = 512;
const OUTPUT: usize = 32 << 10;

/// How many steps there are between two turns of the runtime.
const STEPS: u32 = 8;

/// A compressed message of a reply.
#[derive(Debug)]
pub(super) struct Inflating {
    inflater: Inflater<Bytes>,
    steps: u32,
}

impl Inflating {
    /// Begins with a message of at most `limit` bytes after decompression.
    pub(super) fn new(compressed: Bytes, limit: usize) -> Result<Self, Status> {
        let inflater = Inflater::new(compressed, limit)
            .map_err(|error| Status::new(error.code(), error.to_string()))?;
        Ok(Self { inflater, steps: 0 })
    }

    /// Waits for the whole message.
    ///
    /// Cancel safe: what is decompressed stays in `self`.
    pub(super) async fn message(&mut self) -> Result<Bytes, Status> {
        loop {
            match self.inflater.step(INPUT, OUTPUT) {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(error) => return Err(Status::new(error.code(), error.to_string())),
            }
            self.steps += 1;
            if self.steps == STEPS {
                self.steps = 0;
                yield_now().await;
            }
        }
    }
}
