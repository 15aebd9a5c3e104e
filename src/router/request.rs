//! What handlers are given and what they answer.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;

use super::codec::Decode;
use crate::service::{Head, PeerInfo, Requests};
use crate::wire::metadata::Metadata;
use crate::wire::status::Status;

/// A call: its message, or the [stream](Streaming) of its messages, and what came with it.
#[derive(Debug, Clone)]
pub struct Request<T> {
    message: T,
    parts: RequestParts,
}

/// What comes with a call.
#[derive(Debug, Clone, Default)]
pub(super) struct RequestParts {
    metadata: Metadata,
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    peer: PeerInfo,
}

impl RequestParts {
    pub(super) fn new(mut head: Head<'_>) -> Self {
        Self {
            timeout: head.timeout(),
            deadline: head.deadline(),
            metadata: head.take_metadata().unwrap_or_default(),
            peer: head.peer().clone(),
        }
    }
}

impl<T> Request<T> {
    /// A call with nothing but its message, to give to a handler in a test. Those that are served come from the router.
    ///
    /// ```
    /// use grpc_health::router::{Raw, Request};
    ///
    /// let request = Request::new(Raw("hello".into()));
    /// assert_eq!(request.timeout(), None);
    /// assert_eq!(request.into_inner().0, "hello");
    /// ```
    pub fn new(message: T) -> Self {
        Self::arrived(message, RequestParts::default())
    }

    pub(super) const fn arrived(message: T, parts: RequestParts) -> Self {
        Self { message, parts }
    }

    /// The same call with this metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.parts.metadata = metadata;
        self
    }

    /// The message.
    pub const fn get_ref(&self) -> &T {
        &self.message
    }

    /// The message, to be changed.
    pub const fn get_mut(&mut self) -> &mut T {
        &mut self.message
    }

    /// The message alone.
    pub fn into_inner(self) -> T {
        self.message
    }

    /// The same call with another message.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Request<U> {
        Request {
            message: f(self.message),
            parts: self.parts,
        }
    }

    /// The client's metadata.
    pub const fn metadata(&self) -> &Metadata {
        &self.parts.metadata
    }

    /// The client's `grpc-timeout`, counted from the request's arrival. The call ends with it, whatever the handler does.
    pub const fn timeout(&self) -> Option<Duration> {
        self.parts.timeout
    }

    /// When the client's `grpc-timeout` is over, to be passed on to calls made on the way.
    pub const fn deadline(&self) -> Option<Instant> {
        self.parts.deadline
    }

    /// Who calls: address, and certificates where there are any.
    pub const fn peer(&self) -> &PeerInfo {
        &self.parts.peer
    }
}

/// An answer: its message, or the stream of its messages, and what goes with it.
#[derive(Debug, Clone)]
pub struct Response<T> {
    message: T,
    initial: Metadata,
    trailing: Metadata,
    pub(super) head_first: bool,
}

impl<T> Response<T> {
    /// An answer without metadata.
    pub fn new(message: T) -> Self {
        Self {
            message,
            initial: Metadata::new(),
            trailing: Metadata::new(),
            head_first: false,
        }
    }

    /// The same answer with this metadata in its head.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.initial = metadata;
        self
    }

    /// The same answer with this metadata in its trailers. What a stream knows only at its end it says with its last item: an error, of
    /// code OK if it is none, [with metadata](Status::with_metadata).
    #[must_use]
    pub fn with_trailers(mut self, metadata: Metadata) -> Self {
        self.trailing = metadata;
        self
    }

    /// The message.
    pub const fn get_ref(&self) -> &T {
        &self.message
    }

    /// The message alone.
    pub fn into_inner(self) -> T {
        self.message
    }

    pub(super) fn into_parts(self) -> (T, Metadata, Metadata) {
        (self.message, self.initial, self.trailing)
    }
}

impl<T> From<T> for Response<T> {
    fn from(message: T) -> Self {
        Self::new(message)
    }
}

/// A stream of replies of any type: what a handler with several answers, in one type that can be written down.
pub type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The messages of a streaming request, in their order.
///
/// It ends when the client ends its side of the call, and after an error: a message over the limit, one that cannot be decoded, or
/// [`CANCELLED`](crate::Code::CANCELLED) when the client is gone. A handler that passes the error on (`?`) ends the call as it should.
pub struct Streaming<T> {
    requests: Requests,
    failed: bool,
    messages: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").finish_non_exhaustive()
    }
}

impl<T: Decode> Streaming<T> {
    pub(super) const fn new(requests: Requests) -> Self {
        Self {
            requests,
            failed: false,
            messages: PhantomData,
        }
    }

    /// The next message; `None` at the end.
    ///
    /// # Errors
    ///
    /// The status with which the call is to end. There is nothing after it.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has taken no message.
    pub async fn message(&mut self) -> Result<Option<T>, Status> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx))
            .await
            .transpose()
    }
}

impl<T: Decode> Stream for Streaming<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.failed {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.requests).poll_next(cx).map(|next| {
            let message = next?.and_then(T::decode);
            self.failed = message.is_err();
            Some(message)
        })
    }
}
