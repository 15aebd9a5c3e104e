//! A request that is a stream of messages.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use h2::RecvStream;

use crate::call::{Call, Messages};
use crate::service::Message;
use crate::wire::code::Code;
use crate::wire::status::Status;

/// The body of such a request, read as far as it is asked for.
pub(super) struct Body {
    body: RecvStream,
    messages: Messages,
    /// What has been read and not been looked at.
    chunk: Bytes,
    /// How much of the window `chunk` took. The peer gets it back when all of it has been taken.
    held: usize,
    over: bool,
}

impl Body {
    pub(super) fn new(body: RecvStream, call: &Call) -> Self {
        Self {
            body,
            messages: Messages::new(call),
            chunk: Bytes::new(),
            held: 0,
            over: false,
        }
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Status>> {
        loop {
            if let Some(message) = self.messages.next(&mut self.chunk)? {
                return Poll::Ready(Ok(Some(message)));
            }
            // An error means that the stream is gone, which the next poll tells.
            let _ = self.body.flow_control().release_capacity(self.held);
            self.held = 0;
            match ready!(self.body.poll_data(cx)) {
                Some(Ok(chunk)) => {
                    self.held = chunk.len();
                    self.chunk = chunk;
                }
                Some(Err(_)) => {
                    let gone = Status::new(Code::CANCELLED, "the client has gone");
                    return Poll::Ready(Err(gone));
                }
                // Trailers, if there are any, say nothing to a server.
                None => return Poll::Ready(self.messages.finish().map(|()| None)),
            }
        }
    }
}

/// The rest of the request is refused. What was read of it would otherwise be missing in the connection's window while the call goes on.
impl Drop for Body {
    fn drop(&mut self) {
        let _ = self.body.flow_control().release_capacity(self.held);
    }
}

impl Stream for Body {
    type Item = Result<Message, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll_message(cx)).transpose();
        self.over = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}
