//! The body of a stream of requests.

use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;

use crate::call::{Chunks, gone};
use crate::wire::status::Status;

/// How many bytes of the window are returned at once while there is more to read. A smaller number would cost a call of h2 for every frame.
const HELD: usize = 4 << 10;

/// The body as h2 gives it.
pub(super) struct Body {
    body: RecvStream,
    /// How many bytes of the window the last chunks took. The peer gets these bytes back when no other chunk is ready, or when they are
    /// [`HELD`] or more.
    held: usize,
}

impl Body {
    pub(super) const fn new(body: RecvStream) -> Self {
        Self { body, held: 0 }
    }

    /// Returns the window to the peer. An error means that the stream is gone. The next poll reports the stream's end.
    fn release(&mut self) {
        let _ = self.body.flow_control().release_capacity(self.held);
        self.held = 0;
    }
}

/// Returns the window of the bytes that were read. The connection would otherwise miss this window until the call's end.
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
        // A server ignores trailers.
        polled.map_err(|_| gone())
    }
}
