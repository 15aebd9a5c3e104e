//! The request that a handler is given.

use std::time::{Duration, Instant};

use http::Extensions;
use http::uri::Authority;

use crate::service::{PeerInfo, RequestContext};
use crate::wire::metadata::Metadata;

/// A call as its handler sees it: the request message, or the [stream](super::Streaming) of request messages, with metadata, deadline, peer
/// and extensions.
#[derive(Debug, Clone)]
pub struct Request<T> {
    message: T,
    context: RequestContext,
}

impl<T> Request<T> {
    /// Makes a request with a message and nothing else, for tests of handlers. The router makes the requests of served calls.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use grpc_health::router::{Metadata, PeerInfo, Raw, Request};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut metadata = Metadata::new();
    /// metadata.append("shop", "main")?;
    /// let request = Request::new(Raw("hello".into()))
    ///     .with_metadata(metadata)
    ///     .with_timeout(Duration::from_secs(5))
    ///     .with_peer(PeerInfo::from(std::net::SocketAddr::from(([192, 0, 2, 7], 4321))));
    /// assert_eq!(request.metadata().get("shop"), Some("main"));
    /// assert!(request.deadline().is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(message: T) -> Self {
        Self::arrived(message, RequestContext::default())
    }

    pub(super) const fn arrived(message: T, context: RequestContext) -> Self {
        Self { message, context }
    }

    /// Replaces the request's metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.context = self.context.with_metadata(metadata);
        self
    }

    /// Sets the request's timeout, and its deadline to now plus `timeout`, as if the client had sent `grpc-timeout`. Only a server enforces
    /// deadlines: a handler that a test calls runs on after the deadline.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        let deadline = Instant::now().checked_add(timeout);
        self.context = self.context.with_time(Some(timeout), deadline);
        self
    }

    /// Sets the request's deadline, and its timeout to the time left until then (zero if the deadline has passed). Only a server enforces
    /// deadlines: a handler that a test calls runs on after the deadline.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        let timeout = deadline.saturating_duration_since(Instant::now());
        self.context = self.context.with_time(Some(timeout), Some(deadline));
        self
    }

    /// Sets the name by which the client calls the server, for example `"shop.example:443".parse()`.
    #[must_use]
    pub fn with_authority(mut self, authority: Authority) -> Self {
        self.context = self.context.with_authority(authority);
        self
    }

    /// Replaces what is known of the connection's other end.
    #[must_use]
    pub fn with_peer(mut self, peer: PeerInfo) -> Self {
        self.context = self.context.with_peer(peer);
        self
    }

    /// The request's message, or its stream of messages.
    #[must_use]
    pub const fn get_ref(&self) -> &T {
        &self.message
    }

    /// The request's message, or its stream of messages, for changes.
    pub const fn get_mut(&mut self) -> &mut T {
        &mut self.message
    }

    /// Takes the message, or the stream of messages, out of the request and drops the rest.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.message
    }

    /// Replaces the message with the result of `f`, and keeps the rest of the request.
    #[must_use]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Request<U> {
        Request {
            message: f(self.message),
            context: self.context,
        }
    }

    /// The metadata that the client sent.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        self.context.metadata()
    }

    /// The metadata that the client sent, for changes.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        self.context.metadata_mut()
    }

    /// How long the call may take, counted from the request's arrival: the client's `grpc-timeout` or
    /// [`Route::timeout`](super::Route::timeout), whichever is shorter. `None` without either. The server ends the call with
    /// `DEADLINE_EXCEEDED` (4) when the time is over.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.context.timeout()
    }

    /// The time at which the call's [timeout](Self::timeout) is over. Pass the deadline on to calls that the handler makes.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.context.deadline()
    }

    /// The name by which the client calls the server, with a port if the client sent one: the request's `:authority`, or else its `host`.
    /// For a router inside another HTTP server, the `:authority` is the authority of the request's URI.
    ///
    /// The client chooses the name, so the name proves nothing.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.context.authority()
    }

    /// The client's `user-agent`, such as `grpc-go/1.80.0`.
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.context.user_agent()
    }

    /// How many times the client has tried this call before, as the client says in `grpc-previous-rpc-attempts` ([gRFC A6][spec]). 0 for a
    /// first attempt, and if the client says nothing.
    ///
    /// [spec]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md#exposed-retry-metadata
    #[must_use]
    pub fn previous_attempts(&self) -> u32 {
        self.context.previous_attempts()
    }

    /// The client at the other end of the connection: its address, its credentials on a Unix socket, and its certificates in mutual TLS.
    #[must_use]
    pub fn peer(&self) -> &PeerInfo {
        self.context.peer()
    }

    /// Values that interceptors, or the layers around a mounted router, have added to the request: at most one of each type.
    ///
    /// ```
    /// use grpc_health::router::{Raw, Request};
    ///
    /// #[derive(Clone, Debug, PartialEq)]
    /// struct User(&'static str);
    ///
    /// let mut request = Request::new(Raw::default());
    /// request.extensions_mut().insert(User("ada"));
    /// assert_eq!(request.extensions().get(), Some(&User("ada")));
    /// ```
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        self.context.extensions()
    }

    /// The request's [extensions](Self::extensions), for changes.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        self.context.extensions_mut()
    }

    /// The subtype of the request's `content-type`, in lower case: `json` for `application/grpc+json`. `None` for `application/grpc` and
    /// `application/grpc+proto`. The response has the same subtype. Handlers see only the subtypes that their codec
    /// [accepts](super::Decode::SUBTYPE).
    #[must_use]
    pub fn content_subtype(&self) -> Option<&str> {
        self.context.content_subtype()
    }
}
