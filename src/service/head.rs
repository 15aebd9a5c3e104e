//! What is known of a call before its message.

use std::time::{Duration, Instant};

use http::uri::{Authority, PathAndQuery};

use super::method::Method;
use super::peer::PeerInfo;
use super::request::Permit;
use crate::wire::encoding::Encoding;
use crate::wire::metadata::Metadata;

/// Why there is no method at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unimplemented {
    /// The path names no service of this server.
    Service,
    /// The service has no such method.
    Method,
}

/// Where a server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lifecycle {
    /// The server is about to go: tell whoever asks.
    Announce,
    /// The server stays after all: take the announcement back.
    Resume,
    /// Connections are being told to go away. There is no way back.
    Closing,
}

/// A validated call, without its messages.
#[derive(Debug)]
pub struct Head<'a> {
    method: u32,
    route: u32,
    timeout: Option<Duration>,
    peer: &'a PeerInfo,
    details: Details<'a>,
}

/// What only calls of methods that need metadata keep of their request.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestContext {
    pub(crate) path: Option<PathAndQuery>,
    pub(crate) authority: Option<Authority>,
    pub(crate) metadata: Metadata,
    pub(crate) deadline: Option<Instant>,
    /// For a handler that may outlast the call.
    pub(crate) permit: Option<Permit>,
}

/// Whose it is: the head's own, or another's that it is a view of.
#[derive(Debug)]
enum Details<'a> {
    Owned(Option<Box<RequestContext>>),
    Seen(Option<&'a RequestContext>),
}

impl<'a> Head<'a> {
    /// A call of `method` from `peer`, with the client's `grpc-timeout`. Calls that are served come from the host; a test of a service or of
    /// an interceptor makes its own:
    ///
    /// ```
    /// use grpc_health::Status;
    /// use grpc_health::router::{Head, Metadata, PeerInfo};
    /// use grpc_health::service::Method;
    ///
    /// fn authorize(head: &Head<'_>) -> Result<(), Status> {
    ///     match head.metadata().and_then(|metadata| metadata.get("authorization")) {
    ///         Some("Bearer s3cret") => Ok(()),
    ///         _ => Err(Status::unauthenticated("a token is needed")),
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Status> {
    /// let peer = PeerInfo::default();
    /// let head = Head::new(Method::new(0), None, &peer).with_path("/shop.Shop/Price");
    /// assert_eq!(head.path(), "/shop.Shop/Price");
    /// assert_eq!(authorize(&head), Err(Status::unauthenticated("a token is needed")));
    ///
    /// let mut metadata = Metadata::new();
    /// metadata.append("authorization", "Bearer s3cret")?;
    /// assert_eq!(authorize(&head.with_metadata(metadata)), Ok(()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn new(method: Method, timeout: Option<Duration>, peer: &'a PeerInfo) -> Self {
        Self {
            method: method.id(),
            route: method.route(),
            timeout,
            peer,
            details: Details::Owned(None),
        }
    }

    /// The same call of a method that needs metadata, with this metadata.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        self.changed(|context| context.metadata = metadata)
    }

    /// The same call of a method that needs metadata, with this path: `/package.Service/Method`. What is no path of a URI is an empty one.
    #[must_use]
    pub fn with_path(self, path: &str) -> Self {
        self.changed(|context| context.path = path.parse().ok())
    }

    fn changed(mut self, change: impl FnOnce(&mut RequestContext)) -> Self {
        let details = std::mem::replace(&mut self.details, Details::Seen(None));
        let mut context = Self { details, ..self }.into_context().unwrap_or_default();
        change(&mut context);
        self.with_context(Some(context))
    }

    pub(crate) fn with_context(self, context: Option<Box<RequestContext>>) -> Self {
        Self {
            details: Details::Owned(context),
            ..self
        }
    }

    pub(crate) fn into_context(self) -> Option<Box<RequestContext>> {
        match self.details {
            Details::Owned(context) => context,
            Details::Seen(context) => context.cloned().map(Box::new),
        }
    }

    fn context(&self) -> Option<&RequestContext> {
        match &self.details {
            Details::Owned(context) => context.as_deref(),
            Details::Seen(context) => *context,
        }
    }

    /// The same call, to a service within the one it was for.
    pub(crate) const fn routed(mut self, route: u32) -> Self {
        self.route = route;
        self
    }

    /// A view of the same call.
    pub(crate) fn view(&self) -> Head<'_> {
        Head {
            details: Details::Seen(self.context()),
            ..*self
        }
    }

    pub(crate) const fn route(&self) -> u32 {
        self.route
    }

    /// The [`id`](Method::id) of the method called.
    #[must_use]
    pub const fn method(&self) -> u32 {
        self.method
    }

    /// How long the call may take, counted from the request's arrival: the client's `grpc-timeout` or the method's own, whichever is
    /// shorter. The host enforces it.
    #[must_use]
    pub const fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Who calls.
    #[must_use]
    pub const fn peer(&self) -> &PeerInfo {
        self.peer
    }

    /// The path called, `/package.Service/Method`. Only for methods that [need metadata](Method::needs_metadata): empty for others.
    #[must_use]
    pub fn path(&self) -> &str {
        let path = self.context().and_then(|call| call.path.as_ref());
        path.map_or("", PathAndQuery::path)
    }

    /// The name by which the client calls the server: the request's `:authority`, or else its `host`. For a service inside another HTTP
    /// server, `:authority` is the authority of the request's URI. Only for methods that [need metadata](Method::needs_metadata).
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        let context = self.context()?;
        let authority = context.authority.as_ref().map(Authority::as_str);
        authority.or_else(|| context.metadata.host())
    }

    /// The client's `user-agent`, such as `grpc-go/1.80.0`. Only for methods that [need metadata](Method::needs_metadata).
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.metadata()?.get("user-agent")
    }

    /// How often the client has tried this call before, as it says in `grpc-previous-rpc-attempts` ([gRFC A6][spec]): 0 for a first
    /// attempt, and where the client does not say. Only for methods that [need metadata](Method::needs_metadata).
    ///
    /// [spec]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md#exposed-retry-metadata
    #[must_use]
    pub fn previous_attempts(&self) -> u32 {
        self.metadata().map_or(0, Metadata::previous_attempts)
    }

    /// When the call's [timeout](Self::timeout) is over. Only for methods that [need metadata](Method::needs_metadata).
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.context()?.deadline
    }

    /// The request's metadata. Only for methods that [need metadata](Method::needs_metadata).
    #[must_use]
    pub fn metadata(&self) -> Option<&Metadata> {
        Some(&self.context()?.metadata)
    }

    /// What [`admit`](super::Service::admit) gave for the call, once it has.
    pub(crate) fn permit(&self) -> Option<Permit> {
        self.context()?.permit.clone()
    }

    /// The request's `:authority`.
    pub(crate) fn authority_of_uri(&self) -> Option<Authority> {
        self.context()?.authority.clone()
    }

    /// Takes the request's metadata out.
    pub fn take_metadata(&mut self) -> Option<Metadata> {
        match &mut self.details {
            Details::Owned(context) => Some(std::mem::take(&mut context.as_mut()?.metadata)),
            Details::Seen(context) => Some(context.as_ref()?.metadata.clone()),
        }
    }

    /// Whether the client reads replies of this encoding. Only for methods that [need metadata](Method::needs_metadata).
    #[must_use]
    pub fn accepts(&self, encoding: Encoding) -> bool {
        self.metadata()
            .is_some_and(|metadata| metadata.accepts(encoding))
    }
}
