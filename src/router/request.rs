//! What handlers are given.

use std::time::{Duration, Instant};

use http::uri::Authority;
use http::{Extensions, HeaderValue};

use crate::service::{Head, PeerInfo, RequestContext};
use crate::wire::content_type;
use crate::wire::metadata::Metadata;

/// A call: its message, or the [stream](super::Streaming) of its messages, and what came with it.
#[derive(Debug, Clone)]
pub struct Request<T> {
    message: T,
    parts: RequestParts,
}

/// What comes with a call.
#[derive(Debug, Clone, Default)]
pub(super) struct RequestParts {
    metadata: Metadata,
    authority: Option<Authority>,
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    peer: PeerInfo,
    /// What is not protobuf's.
    content_type: Option<HeaderValue>,
    extensions: Extensions,
}

impl RequestParts {
    pub(super) fn new(mut head: Head<'_>) -> Self {
        Self {
            timeout: head.timeout(),
            deadline: head.deadline(),
            authority: head.authority_of_uri(),
            content_type: head
                .context()
                .and_then(RequestContext::content_type)
                .cloned(),
            extensions: head
                .context_mut()
                .map(RequestContext::take_extensions)
                .unwrap_or_default(),
            metadata: head.take_metadata().unwrap_or_default(),
            peer: head.peer().clone(),
        }
    }
}

impl<T> Request<T> {
    /// A call with nothing but its message, to give to a handler in a test. The calls that are served come from the router.
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
        Self::arrived(message, RequestParts::default())
    }

    pub(super) const fn arrived(message: T, parts: RequestParts) -> Self {
        Self { message, parts }
    }

    /// Replaces the call's metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.parts.metadata = metadata;
        self
    }

    /// Sets the call's timeout, and its deadline to that time from now, as if the client had sent `grpc-timeout`. Only a server enforces
    /// the deadline: a handler that a test calls runs on.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.parts.timeout = Some(timeout);
        self.parts.deadline = Instant::now().checked_add(timeout);
        self
    }

    /// Sets the call's deadline, and its timeout to the time left until then (zero if the deadline has passed). Only a server enforces
    /// the deadline: a handler that a test calls runs on.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.parts.timeout = Some(deadline.saturating_duration_since(Instant::now()));
        self.parts.deadline = Some(deadline);
        self
    }

    /// Sets the name by which the client calls the server, `"shop.example:443".parse()` for example.
    #[must_use]
    pub fn with_authority(mut self, authority: Authority) -> Self {
        self.parts.authority = Some(authority);
        self
    }

    /// Replaces what is known of the other end of the connection.
    #[must_use]
    pub fn with_peer(mut self, peer: PeerInfo) -> Self {
        self.parts.peer = peer;
        self
    }

    /// The message.
    #[must_use]
    pub const fn get_ref(&self) -> &T {
        &self.message
    }

    /// The message, to be changed.
    pub const fn get_mut(&mut self) -> &mut T {
        &mut self.message
    }

    /// The message alone.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.message
    }

    /// The same call with another message.
    #[must_use]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Request<U> {
        Request {
            message: f(self.message),
            parts: self.parts,
        }
    }

    /// The client's metadata.
    #[must_use]
    pub const fn metadata(&self) -> &Metadata {
        &self.parts.metadata
    }

    /// The client's metadata, to be changed.
    pub const fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.parts.metadata
    }

    /// The client's `grpc-timeout`, counted from the request's arrival. The call ends with it, whatever the handler does.
    #[must_use]
    pub const fn timeout(&self) -> Option<Duration> {
        self.parts.timeout
    }

    /// When the client's `grpc-timeout` is over, to be passed on to calls made on the way.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.parts.deadline
    }

    /// The name by which the client calls the server, with a port if the client gives one: the request's `:authority`, or else its
    /// `host`. For a router inside another HTTP server, `:authority` is the authority of the request's URI.
    ///
    /// The client chooses the name: it is no proof of anything.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        let authority = self.parts.authority.as_ref().map(Authority::as_str);
        authority.or_else(|| self.parts.metadata.host())
    }

    /// The client's `user-agent`, such as `grpc-go/1.80.0`.
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.parts.metadata.get("user-agent")
    }

    /// How often the client has tried this call before, as it says in `grpc-previous-rpc-attempts` ([gRFC A6][spec]): 0 for a first
    /// attempt, and where the client does not say.
    ///
    /// [spec]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md#exposed-retry-metadata
    #[must_use]
    pub fn previous_attempts(&self) -> u32 {
        self.parts.metadata.previous_attempts()
    }

    /// Who calls: the address, the credentials over a Unix socket, and the certificates in mutual TLS.
    #[must_use]
    pub const fn peer(&self) -> &PeerInfo {
        &self.parts.peer
    }

    /// What interceptors, or the layers around a mounted router, have found out about the call: one value of each type.
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
    pub const fn extensions(&self) -> &Extensions {
        &self.parts.extensions
    }

    /// The extensions, to be changed.
    pub const fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.parts.extensions
    }

    /// The subtype of the request's `content-type`, in lower case: `json` for `application/grpc+json`. `None` for `application/grpc` and
    /// `application/grpc+proto`. The answer has the same. Only methods whose codec [takes](super::Decode::SUBTYPE) it see another one.
    #[must_use]
    pub fn content_subtype(&self) -> Option<&str> {
        content_type::subtype(self.parts.content_type.as_ref()?)
    }
}
