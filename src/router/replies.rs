//! The replies of a handler that answers with a stream, and when the response's head is sent.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use atomic_waker::AtomicWaker;
use futures_core::Stream;

use super::codec::{Block, Encode, Format};
use super::response::{Ends, Response};
use crate::service::{Message, Part, Reply, Requests};
use crate::wire::encoding::Encoding;
use crate::wire::status::Status;

/// The replies of a handler that answers with a stream.
///
/// The head normally waits for the first reply: an error in place of the first reply is sent without a head, so that a client may retry.
/// The head is sent earlier if the handler asks for that, or waits for a message of the client, since the client may be waiting for the
/// head.
pub(super) struct Replies<Fut, St> {
    state: State<Fut, St>,
    format: Format,
    block: Block,
    waits: Option<Arc<Waits>>,
}

enum State<Fut, St> {
    /// The handler's future has not completed.
    Opening(Pin<Box<Fut>>),
    /// The head has not been sent.
    First(Pin<Box<St>>, Option<Box<Ends>>),
    Open(Pin<Box<St>>),
    /// All is sent but this error. A stream that has ended is never polled again.
    Over(Option<Status>),
}

/// The status that is sent in place of the head and all replies.
fn refuse(ends: Option<Box<Ends>>, status: Status) -> Status {
    let Some(ends) = ends.filter(|ends| !ends.is_empty()) else {
        return status;
    };
    let mut metadata = status.metadata().unwrap_or(&ends.trailing).clone();
    metadata.absorb(&ends.initial);
    status.with_metadata(metadata)
}

/// A part with the head alone, which is sent at once.
fn head_alone(ends: Option<Box<Ends>>, encoding: Encoding) -> Part {
    let Ends { initial, trailing } = ends.map_or_else(Ends::default, |ends| *ends);
    with_encoding(Part::default(), encoding)
        .with_initial(initial)
        .with_trailing(trailing)
}

impl<T> Response<T> {
    /// Sends the response's head at once, before the first reply: for clients that wait for the head or its metadata. An error in place of
    /// the first reply is then sent in trailers, after which most clients do not retry.
    ///
    /// Only for a stream of replies. Default: the head is sent with the first reply, or when the handler waits for a message of the client.
    #[must_use]
    pub fn with_head_first(mut self) -> Self {
        self.head_first = true;
        self
    }
}

impl<Fut, St> Replies<Fut, St> {
    pub(super) fn new(
        opening: Result<Fut, Status>,
        format: Format,
        waits: Option<Arc<Waits>>,
    ) -> Self {
        let state = match opening {
            Ok(opening) => State::Opening(Box::pin(opening)),
            Err(status) => State::Over(Some(status)),
        };
        Self {
            state,
            format,
            block: Block::default(),
            waits,
        }
    }
}

impl<Fut, St, U> Replies<Fut, St>
where
    U: Encode,
    Fut: Future<Output = Result<Response<St>, Status>>,
    St: Stream<Item = Result<U, Status>>,
{
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        let format = self.format;
        loop {
            match &mut self.state {
                State::Opening(opening) => {
                    let response = ready!(opening.as_mut().poll(cx))?;
                    let at_once = response.head_first;
                    let (stream, ends) = response.split();
                    if at_once {
                        self.state = State::Open(Box::pin(stream));
                        return Poll::Ready(Some(Ok(head_alone(ends, format.encoding))));
                    }
                    self.state = State::First(Box::pin(stream), ends);
                }
                State::First(stream, _) => {
                    let first = stream.as_mut().poll_next(cx);
                    if first.is_pending() && !self.waits.as_ref().is_some_and(|w| w.poll(cx)) {
                        return Poll::Pending;
                    }
                    let state = std::mem::replace(&mut self.state, State::Over(None));
                    let State::First(stream, ends) = state else {
                        return Poll::Ready(None);
                    };
                    let first = first.map(|first| {
                        first.map(|first| first.and_then(|message| format.envelope(&message)))
                    });
                    let part = match first {
                        Poll::Ready(Some(Ok(envelope))) => {
                            dress(envelope.into(), format.encoding, ends)
                        }
                        Poll::Ready(Some(Err(status))) => {
                            return Poll::Ready(Some(Err(refuse(ends, status))));
                        }
                        // Nothing follows the head.
                        Poll::Ready(None) => {
                            return Poll::Ready(Some(Ok(head_alone(ends, format.encoding))));
                        }
                        Poll::Pending => head_alone(ends, format.encoding),
                    };
                    self.state = State::Open(stream);
                    return Poll::Ready(Some(Ok(part)));
                }
                State::Open(stream) => {
                    let Poll::Ready(next) = stream.as_mut().poll_next(cx) else {
                        // A stream that waits keeps no memory.
                        self.block.clear();
                        return Poll::Pending;
                    };
                    let next = next.transpose()?;
                    let block = &mut self.block;
                    return Poll::Ready(next.map(|message| {
                        let envelope = format.envelope_in(&message, block);
                        envelope.map(Part::from)
                    }));
                }
                State::Over(status) => return Poll::Ready(status.take().map(Err)),
            }
        }
    }
}

impl<Fut, St, U> Stream for Replies<Fut, St>
where
    U: Encode,
    Fut: Future<Output = Result<Response<St>, Status>>,
    St: Stream<Item = Result<U, Status>>,
{
    type Item = Reply;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        let next = ready!(self.poll_part(cx));
        if !matches!(next, Some(Ok(_))) {
            self.state = State::Over(None);
        }
        Poll::Ready(next)
    }
}

/// Whether a handler, on whatever task, waits for a message of its client.
#[derive(Default)]
pub(super) struct Waits {
    waits: AtomicBool,
    head: AtomicWaker,
}

impl Waits {
    /// Returns whether the handler waits. If the handler does not wait yet, `cx` is woken when the handler begins to.
    fn poll(&self, cx: &Context<'_>) -> bool {
        self.head.register(cx.waker());
        // The setter stores the flag and then wakes; the reader registers its waker and then loads: one of the two sees the other. The flag
        // orders no other memory.
        self.waits.load(Ordering::Acquire)
    }

    fn set(&self) {
        // Only the first wait costs more than a load.
        if !self.waits.load(Ordering::Relaxed) {
            self.waits.store(true, Ordering::Release);
            self.head.wake();
        }
    }
}

/// Requests that record whether the handler waits for a message.
struct Watched {
    requests: Requests,
    waits: Arc<Waits>,
}

impl Stream for Watched {
    type Item = Result<Message, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.requests).poll_next(cx);
        if next.is_pending() {
            self.waits.set();
        }
        next
    }
}

/// Wraps requests, so that `Waits` tells from now on whether the handler waits for a message.
pub(super) fn watch(requests: Requests) -> (Requests, Arc<Waits>) {
    let waits = Arc::<Waits>::default();
    let watched = Watched {
        requests,
        waits: Arc::clone(&waits),
    };
    (Requests::new(watched), waits)
}

/// Adds the encoding and the metadata to a part of an answer, if there are any.
pub(super) fn dress(part: Part, encoding: Encoding, ends: Option<Box<Ends>>) -> Part {
    let part = with_encoding(part, encoding);
    match ends.filter(|ends| !ends.is_empty()) {
        None => part,
        Some(ends) => part.with_initial(ends.initial).with_trailing(ends.trailing),
    }
}

/// An answer without `grpc-encoding` is not compressed, so identity is left out.
fn with_encoding(part: Part, encoding: Encoding) -> Part {
    match encoding {
        Encoding::Identity => part,
        #[cfg(feature = "gzip")]
        Encoding::Gzip => part.with_encoding(encoding),
    }
}
