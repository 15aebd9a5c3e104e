//! The body of an answer that has begun.

use std::convert::Infallible;
use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http::Response;
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep, sleep_until};

use super::host::{Closed, Host};
use crate::call::{self, Call, Tail};
use crate::service::{Drain, Part, Reply, Service, contain, panicked};
use crate::wire::metadata::Metadata;
use crate::wire::status::Status;

/// The body of a [`Mount`](super::Mount)'s response: envelopes, and trailers with the status. The body is empty if the status is in the
/// response's head.
pub struct ResponseBody<S: Service>(pub(super) Option<Open<S>>);

/// An answer that is not complete.
pub(super) struct Open<S: Service> {
    host: Arc<Host<S>>,
    source: Source<S>,
    /// The reply that came with the head.
    first: Bytes,
    trailing: Option<Box<Metadata>>,
    deadline: Option<Instant>,
    /// Fires at `deadline`; made when the call first waits.
    sleep: Option<Pin<Box<Sleep>>>,
    /// Completes when the mount is closed. `None` for calls that a closed mount does not end.
    closed: Option<Closed>,
    closing: Closing,
    /// Dropped with the call.
    tail: Tail,
}

/// Where replies come from.
pub(super) enum Source<S: Service> {
    Stream(S::Stream),
    Future(S::Future),
    /// The only reply, until it is taken.
    Now(Option<Reply>),
}

/// How far a closed mount has ended the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// The mount sends one more reply, if there is one.
    Last,
    Over,
}

impl<S: Service> Open<S> {
    pub(super) fn new(
        host: Arc<Host<S>>,
        source: Source<S>,
        call: Call,
        deadline: Option<Instant>,
    ) -> Self {
        let ends = call.method.on_drain() == Drain::End && matches!(source, Source::Stream(_));
        Self {
            closed: ends.then(|| host.closed()),
            host,
            source,
            first: Bytes::new(),
            trailing: None,
            deadline,
            sleep: None,
            closing: Closing::No,
            tail: call.tail,
        }
    }

    /// Makes the head when the first reply or its metadata is there. An error in place of the first reply gets a head of its own.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<()>, Status>> {
        let reply = match self.poll_reply(cx) {
            // No reply is due.
            Poll::Pending if self.is_closed(cx) => return Poll::Ready(Err(call::going_away())),
            reply => ready!(reply),
        };
        let head = match reply.transpose()? {
            None => self.tail.head(&self.host.prebuilt, None),
            Some(part) if part.is_plain() && part.envelope().is_empty() => return again(cx),
            Some(part) => {
                let head = self.tail.head(&self.host.prebuilt, Some(&part));
                self.first = self.take(part);
                head
            }
        };
        Poll::Ready(Ok(head))
    }

    /// The whole answer of a call that ends before its first reply.
    pub(super) fn refuse(&mut self, status: &Status) -> Response<()> {
        self.tail.trailers_only(status)
    }

    /// The next frame; the last frame is trailers.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Frame<Bytes>> {
        if !self.first.is_empty() {
            return Poll::Ready(Frame::data(std::mem::take(&mut self.first)));
        }
        if self.is_closed(cx) {
            self.closed = None;
            self.closing = Closing::Last;
        }
        let reply = match self.closing {
            Closing::Over => Poll::Pending,
            _ => self.poll_reply(cx),
        };
        let status = match reply {
            Poll::Ready(Some(Ok(part))) => {
                if self.closing == Closing::Last {
                    self.closing = Closing::Over;
                }
                let envelope = self.take(part);
                return if envelope.is_empty() {
                    again(cx)
                } else {
                    Poll::Ready(Frame::data(envelope))
                };
            }
            Poll::Ready(Some(Err(status))) => Some(status),
            Poll::Ready(None) => None,
            Poll::Pending if self.closing == Closing::No => return Poll::Pending,
            Poll::Pending => Some(call::going_away()),
        };
        let trailing = self.trailing.as_deref();
        let prebuilt = &self.host.prebuilt;
        Poll::Ready(Frame::trailers(self.tail.trailers(
            prebuilt,
            status.as_ref(),
            trailing,
        )))
    }

    /// Whether the mount is closed and a closed mount ends this call.
    fn is_closed(&mut self, cx: &mut Context<'_>) -> bool {
        let closed = self.closed.as_mut();
        closed.is_some_and(|closed| closed.as_mut().poll(cx).is_ready())
    }

    /// Takes the envelope of a part, and keeps the part's trailing metadata.
    fn take(&mut self, mut part: Part) -> Bytes {
        let envelope = part.take_envelope();
        if let Some(trailing) = part.into_trailing() {
            self.trailing = Some(trailing);
        }
        envelope
    }

    /// Drops the service's stream or future, which may panic as handlers may.
    fn end(&mut self) {
        let source = std::mem::replace(&mut self.source, Source::Now(None));
        let _ = contain(|| drop(source));
    }

    /// Asks the service for the next reply, until the deadline.
    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        // A stream that always has a reply is not asked after the deadline.
        let late = self.deadline.is_some_and(|at| at <= Instant::now());
        if late && matches!(self.source, Source::Stream(_)) {
            return Poll::Ready(Some(Err(call::deadline_exceeded())));
        }
        let polled = contain(|| match &mut self.source {
            Source::Stream(stream) => Pin::new(stream).poll_next(cx),
            Source::Future(future) => Pin::new(future).poll(cx).map(Some),
            Source::Now(reply) => Poll::Ready(reply.take()),
        });
        let Ok(reply) = polled else {
            return Poll::Ready(Some(Err(panicked())));
        };
        if reply.is_ready() {
            if matches!(self.source, Source::Future(_)) {
                self.end();
            }
            return reply;
        }
        let Some(at) = self.deadline else {
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        let passed = sleep.as_mut().poll(cx);
        passed.map(|()| Some(Err(call::deadline_exceeded())))
    }
}

impl<S: Service> Drop for Open<S> {
    fn drop(&mut self) {
        self.end();
    }
}

/// There is nothing to send yet; a stream of empty parts must not hold the task.
fn again<T>(cx: &mut Context<'_>) -> Poll<T> {
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl<S: Service> Body for ResponseBody<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(open) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let frame = ready!(open.poll_frame(cx));
        if frame.is_trailers() {
            self.0 = None;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

impl<S: Service> fmt::Debug for ResponseBody<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.0.is_some();
        f.debug_struct("ResponseBody")
            .field("open", &open)
            .finish_non_exhaustive()
    }
}
