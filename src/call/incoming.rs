//! A request that is a stream of messages.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;

use super::accepted::Call;
use super::messages::Messages;
use crate::inflating::Turns;
use crate::service::Message;
use crate::wire::code::Code;
use crate::wire::status::Status;

/// A request's body, as a transport has it.
pub(crate) trait Chunks {
    /// The next piece of the body; `None` at the end. The caller is done with the piece before, except for `partial`: how many bytes of a
    /// message have arrived, and how long the message is.
    fn poll_chunk(
        &mut self,
        partial: Option<(usize, usize)>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Status>>>;

    /// Called when a message is whole that was `partial`.
    fn end_message(&mut self) {}
}

/// The status that a service sees when the client is gone before the end of the request.
pub(crate) fn gone() -> Status {
    Status::new(Code::CANCELLED, "the client has gone")
}

/// The messages of a body. Reads the body only as far as the service asks for messages.
pub(crate) struct Incoming<B> {
    body: B,
    messages: Messages,
    /// The bytes that are read and not decoded yet.
    chunk: Bytes,
    turns: Turns,
    /// Whether a part of a message has arrived.
    torn: bool,
    over: bool,
}

impl<B: Chunks> Incoming<B> {
    pub(crate) fn new(body: B, call: &Call, turns: Turns) -> Self {
        Self {
            body,
            messages: Messages::new(call),
            chunk: Bytes::new(),
            turns,
            torn: false,
            over: false,
        }
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Status>> {
        loop {
            // Many messages end with their chunk: the decoder has nothing to look at then.
            if !self.chunk.is_empty() || self.messages.is_inflating() {
                let next = self.messages.poll_next(cx, &mut self.chunk, &self.turns);
                if let Some(message) = ready!(next)? {
                    if std::mem::take(&mut self.torn) {
                        self.body.end_message();
                    }
                    return Poll::Ready(Ok(Some(message)));
                }
            }
            let partial = self.messages.partial();
            self.torn = partial.is_some();
            match ready!(self.body.poll_chunk(partial, cx)) {
                Some(chunk) => self.chunk = chunk?,
                None => return Poll::Ready(self.messages.finish().map(|()| None)),
            }
        }
    }
}

impl<B: Chunks + Unpin> Stream for Incoming<B> {
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
