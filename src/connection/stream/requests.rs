//! The body of a request that is a stream of messages.

use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;

use crate::call::{Chunks, gone};
use crate::wire::status::Status;

/// How much of the window is given back at once while there is more to read, in bytes: less would be asked of h2 for every frame.
const HELD: usize = 4 << 10;

/// h2's side of such a body.
pub(super) struct Body {
    body: RecvStream,
    /// How much of the window the last chunks took. The peer gets it back when they have been taken and there is no other, or a few KiB
    /// of them.
    held: usize,
}

impl Body {
    pub(super) const fn new(body: RecvStream) -> Self {
        Self { body, held: 0 }
    }

    /// Gives the peer its window back. An error means that the stream is gone, which the next poll tells.
    fn release(&mut self) {
        let _ = self.body.flow_control().release_capacity(self.held);
        self.held = 0;
    }
}

/// The rest of the request is refused. What was read of it would otherwise be missing in the connection's window while the call goes on.
impl Drop for Body {
    fn drop(&mut self) {
        self.release();
    }
}

impl Chunks for Body {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        if self.held >= HELD {
            self.release();
        }
        let polled = self.body.poll_data(cx);
        if let Poll::Ready(Some(Ok(chunk))) = &polled {
            self.held += chunk.len();
        } else {
            self.release();
        }
        // Trailers, if there are any, say nothing to a server.
        polled.map_err(|_| gone())
    }
}
