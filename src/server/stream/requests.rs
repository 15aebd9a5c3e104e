//! The body of a request that is a stream of messages.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;

use crate::call::{Chunks, gone};
use crate::wire::status::Status;

/// h2's side of such a body.
pub(super) struct Body {
    body: RecvStream,
    /// How much of the window the last chunk took. The peer gets it back when all of it has been taken.
    held: usize,
}

impl Body {
    pub(super) const fn new(body: RecvStream) -> Self {
        Self { body, held: 0 }
    }
}

/// The rest of the request is refused. What was read of it would otherwise be missing in the connection's window while the call goes on.
impl Drop for Body {
    fn drop(&mut self) {
        let _ = self.body.flow_control().release_capacity(self.held);
    }
}

impl Chunks for Body {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        // An error means that the stream is gone, which the next poll tells.
        let _ = self.body.flow_control().release_capacity(self.held);
        self.held = 0;
        // Trailers, if there are any, say nothing to a server.
        let chunk = ready!(self.body.poll_data(cx));
        if let Some(Ok(chunk)) = &chunk {
            self.held = chunk.len();
        }
        Poll::Ready(chunk.map(|chunk| chunk.map_err(|_| gone())))
    }
}
