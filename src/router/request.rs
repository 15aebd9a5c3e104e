//! What handlers are given.

use std::time::{Duration, Instant};

use crate::service::{Head, PeerInfo};
use crate::wire::metadata::Metadata;

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
