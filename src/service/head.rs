//! What is known of a call before its message.

use std::time::{Duration, Instant};

use http::uri::Authority;

use super::context::RequestContext;
use super::kept::{CallEnd, Kept, Step};
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
    context: Option<RequestContext>,
    /// What the host keeps until the call is over.
    kept: Option<&'a mut Kept>,
}

impl<'a> Head<'a> {
    /// A call of `method` from `peer` that may take `timeout`. Calls that are served come from the host; a test of a service makes its own.
    #[must_use]
    pub const fn new(method: Method, timeout: Option<Duration>, peer: &'a PeerInfo) -> Self {
        Self {
            method: method.id(),
            route: method.route(),
            timeout,
            peer,
            context: None,
            kept: None,
        }
    }

    /// The same call of a method that needs metadata, with this metadata.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        self.changed(|context| context.with_metadata(metadata))
    }

    /// The same call of a method that needs metadata, with this path: `/package.Service/Method`. What is no path of a URI is an empty one.
    #[must_use]
    pub fn with_path(self, path: &str) -> Self {
        self.changed(|context| context.with_path(path))
    }

    fn changed(mut self, change: impl FnOnce(RequestContext) -> RequestContext) -> Self {
        let context = self.context.take();
        let new = || RequestContext::default().with_peer(self.peer.clone());
        self.context = Some(change(context.unwrap_or_else(new)));
        self
    }

    pub(crate) fn with_context(self, context: Option<RequestContext>, kept: &'a mut Kept) -> Self {
        Self {
            context,
            kept: Some(kept),
            ..self
        }
    }

    /// The same call, to a service within the one it was for.
    pub(crate) fn routed(mut self, route: u32) -> Self {
        self.route = route;
        self
    }

    /// Shows the call to a service within the one it is for.
    pub(crate) fn within<R>(&mut self, route: u32, show: impl FnOnce(&mut Self) -> R) -> R {
        let here = std::mem::replace(&mut self.route, route);
        let shown = show(self);
        self.route = here;
        shown
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
        self.context.as_ref().map_or("", RequestContext::path)
    }

    /// The name by which the client calls the server: the request's `:authority`, or else its `host`. For a service inside another HTTP
    /// server, `:authority` is the authority of the request's URI. Only for methods that [need metadata](Method::needs_metadata).
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.context.as_ref()?.authority()
    }

    /// The client's `user-agent`, such as `grpc-go/1.80.0`. Only for methods that [need metadata](Method::needs_metadata).
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.context.as_ref()?.user_agent()
    }

    /// How often the client has tried this call before, as it says in `grpc-previous-rpc-attempts` ([gRFC A6][spec]): 0 for a first
    /// attempt, and where the client does not say. Only for methods that [need metadata](Method::needs_metadata).
    ///
    /// [spec]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md#exposed-retry-metadata
    #[must_use]
    pub fn previous_attempts(&self) -> u32 {
        self.context
            .as_ref()
            .map_or(0, RequestContext::previous_attempts)
    }

    /// When the call's [timeout](Self::timeout) is over. Only for methods that [need metadata](Method::needs_metadata).
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.context.as_ref()?.deadline()
    }

    /// The request's metadata. Only for methods that [need metadata](Method::needs_metadata).
    #[must_use]
    pub fn metadata(&self) -> Option<&Metadata> {
        Some(self.context.as_ref()?.metadata())
    }

    /// Takes the request's metadata out.
    pub fn take_metadata(&mut self) -> Option<Metadata> {
        Some(self.context.as_mut()?.take_metadata())
    }

    /// The request's `:authority`.
    pub(crate) fn authority_of_uri(&self) -> Option<Authority> {
        self.context.as_ref()?.authority_of_uri()
    }

    /// All that is known of the request. Only for methods that [need metadata](Method::needs_metadata).
    #[must_use]
    pub const fn context(&self) -> Option<&RequestContext> {
        self.context.as_ref()
    }

    /// The same, to be added to.
    pub const fn context_mut(&mut self) -> Option<&mut RequestContext> {
        self.context.as_mut()
    }

    /// Takes it out: for [a decision that is waited for](super::Admission::later), which gives it back.
    pub fn take_context(&mut self) -> Option<RequestContext> {
        let context = self.context.take()?;
        if let Some(kept) = &mut self.kept {
            kept.say(context.response_metadata());
        }
        Some(context)
    }

    pub(crate) fn into_context(self) -> Option<RequestContext> {
        self.context
    }

    /// Has the host keep `permit` until the call is over, beside those it keeps already. Only for methods that
    /// [need metadata](Method::needs_metadata): it is dropped at once for others.
    pub fn keep(&mut self, permit: Permit) {
        if let Some(kept) = &mut self.kept {
            kept.keep(permit);
        }
    }

    /// Has the host tell `observer` when the call is over, and how. Only for methods that [need metadata](Method::needs_metadata): of others
    /// nothing is told. A panic of `observer` ends nothing.
    pub fn on_end(&mut self, observer: impl FnOnce(&CallEnd<'_>) + Send + 'static) {
        if let Some(kept) = &mut self.kept {
            kept.observe(self.context.as_ref(), Box::new(observer));
        }
    }

    /// What the host keeps of the call.
    pub(crate) fn permit(&self) -> Option<Permit> {
        self.kept.as_ref()?.permit()
    }

    /// How far a router is with the call's admission, and whether it only begins.
    pub(crate) fn step(&mut self, router: u64) -> Option<(&mut Step, bool)> {
        Some(self.kept.as_mut()?.step(router))
    }

    /// Whether this router has admitted the call.
    pub(crate) fn is_admitted(&self, router: u64) -> bool {
        self.kept
            .as_ref()
            .is_some_and(|kept| kept.is_admitted(router))
    }

    /// Whether the client reads replies of this encoding. Only for methods that [need metadata](Method::needs_metadata).
    #[must_use]
    pub fn accepts(&self, encoding: Encoding) -> bool {
        self.metadata()
            .is_some_and(|metadata| metadata.accepts(encoding))
    }
}
