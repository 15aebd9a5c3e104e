//! What a host knows of a call before the call's message.

use std::time::{Duration, Instant};

use super::context::RequestContext;
use super::kept::{CallEnd, Kept, Step};
use super::method::Method;
use super::peer::PeerInfo;
use super::request::Permit;
use crate::observe::Metering;
use crate::wire::encoding::Encoding;
use crate::wire::metadata::Metadata;

/// Why a service has no method at a path. The client gets `UNIMPLEMENTED` (12) with a text that names the missing service or method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unimplemented {
    /// The path names no service of this server.
    Service,
    /// The service has no such method.
    Method,
}

/// A step in the life of a server, told to [`Service::lifecycle`](super::Service::lifecycle).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lifecycle {
    /// The server will shut down soon. Health checks should say so.
    Announce,
    /// The server stays up after all: takes [`Announce`](Self::Announce) back.
    Resume,
    /// The server tells connections to go away. No step follows.
    Closing,
}

/// A validated call without its messages.
#[derive(Debug)]
pub struct Head<'a> {
    method: u32,
    route: u32,
    timeout: Option<Duration>,
    mirror: bool,
    peer: &'a PeerInfo,
    context: Option<RequestContext>,
    /// What the host keeps until the call is over.
    kept: Option<&'a mut Kept>,
    metering: Metering<'a>,
}

impl<'a> Head<'a> {
    /// Makes the head of a call to `method` from `peer` that may take `timeout`, for tests of a service. Hosts make the heads of served
    /// calls.
    #[must_use]
    pub const fn new(method: Method, timeout: Option<Duration>, peer: &'a PeerInfo) -> Self {
        Self {
            method: method.id(),
            route: method.route(),
            timeout,
            mirror: false,
            peer,
            context: None,
            kept: None,
            metering: Metering::none(),
        }
    }

    pub(crate) fn metered(self, metering: Metering<'a>) -> Self {
        Self { metering, ..self }
    }

    /// What measures the call.
    pub(crate) const fn metering(&self) -> Metering<'a> {
        self.metering
    }

    /// Sets the call's metadata, and makes the call one of a method that needs metadata.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        self.changed(|context| context.with_metadata(metadata))
    }

    /// Sets the call's path (`/package.Service/Method`), and makes the call one of a method that needs metadata. A `path` that is not a
    /// valid path of a URI becomes an empty path.
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

    pub(crate) const fn mirrored(mut self, mirror: bool) -> Self {
        self.mirror = mirror;
        self
    }

    /// Whether the client reads only the code of a health check's answer, not the answer's message; see
    /// [`ListenOptions::mirror`](crate::server::ListenOptions::mirror).
    #[must_use]
    pub const fn is_mirrored(&self) -> bool {
        self.mirror
    }

    /// The same call, for a service nested in the called service.
    pub(crate) fn routed(mut self, route: u32) -> Self {
        self.route = route;
        self
    }

    /// Shows the call to a service nested in the called service.
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

    /// How long the call may take, counted from the request's arrival: the client's `grpc-timeout` or the method's timeout, whichever is
    /// shorter. `None` means no limit. The host enforces the limit.
    #[must_use]
    pub const fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The client at the other end of the connection.
    #[must_use]
    pub const fn peer(&self) -> &PeerInfo {
        self.peer
    }

    /// The path of the called method, `/package.Service/Method`. Empty for methods that do not [need metadata](Method::needs_metadata).
    #[must_use]
    pub fn path(&self) -> &str {
        self.context.as_ref().map_or("", RequestContext::path)
    }

    /// The name by which the client calls the server: the request's `:authority`, or else its `host`. For a service inside another HTTP
    /// server, the `:authority` is the authority of the request's URI. `None` for methods that do not [need
    /// metadata](Method::needs_metadata).
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.context.as_ref()?.authority()
    }

    /// The client's `user-agent`, such as `grpc-go/1.80.0`. `None` for methods that do not [need metadata](Method::needs_metadata).
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.context.as_ref()?.user_agent()
    }

    /// How many times the client has tried this call before, as the client says in `grpc-previous-rpc-attempts` ([gRFC A6][spec]). 0 for a
    /// first attempt, if the client says nothing, and for methods that do not [need metadata](Method::needs_metadata).
    ///
    /// [spec]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md#exposed-retry-metadata
    #[must_use]
    pub fn previous_attempts(&self) -> u32 {
        self.context
            .as_ref()
            .map_or(0, RequestContext::previous_attempts)
    }

    /// The time at which the call's [timeout](Self::timeout) is over. `None` for methods that do not [need
    /// metadata](Method::needs_metadata).
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.context.as_ref()?.deadline()
    }

    /// The metadata that the client sent. `None` for methods that do not [need metadata](Method::needs_metadata).
    #[must_use]
    pub fn metadata(&self) -> Option<&Metadata> {
        Some(self.context.as_ref()?.metadata())
    }

    /// Takes the request's metadata out of the head. `None` for methods that do not [need metadata](Method::needs_metadata).
    pub fn take_metadata(&mut self) -> Option<Metadata> {
        Some(self.context.as_mut()?.take_metadata())
    }

    /// All that the host knows of the request. `None` for methods that do not [need metadata](Method::needs_metadata).
    #[must_use]
    pub const fn context(&self) -> Option<&RequestContext> {
        self.context.as_ref()
    }

    /// The request's [context](Self::context), for changes.
    pub const fn context_mut(&mut self) -> Option<&mut RequestContext> {
        self.context.as_mut()
    }

    /// Takes the request's [context](Self::context) out of the head, for [`Admission::later`](super::Admission::later), whose future
    /// returns the context.
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

    /// All that the handler of the call learns of the request.
    pub(crate) fn into_request(self) -> RequestContext {
        let (timeout, peer) = (self.timeout, self.peer);
        let new = || {
            let context = RequestContext::default().with_peer(peer.clone());
            context.with_time(timeout, None)
        };
        self.context.unwrap_or_else(new)
    }

    /// Makes the host keep `permit` until the call is over, next to the permits that the host keeps already. For methods that do not [need
    /// metadata](Method::needs_metadata), `permit` is dropped at once.
    pub fn keep(&mut self, permit: Permit) {
        if let Some(kept) = &mut self.kept {
            kept.keep(permit);
        }
    }

    /// Makes the host call `observer` when the call is over. A panic of `observer` is caught. For methods that do not [need
    /// metadata](Method::needs_metadata), `observer` is never called.
    pub fn on_end(&mut self, observer: impl FnOnce(&CallEnd<'_>) + Send + 'static) {
        if let Some(kept) = &mut self.kept {
            kept.observe(self.context.as_ref(), Box::new(observer));
        }
    }

    /// What the host keeps of the call.
    pub(crate) fn permit(&self) -> Option<Permit> {
        self.kept.as_ref()?.permit()
    }

    /// How far a router has come with the call's admission, and whether the router has only begun.
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
