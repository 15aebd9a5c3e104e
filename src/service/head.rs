//! What is known of a call before its message.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::PathAndQuery;

use super::method::Method;
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

/// The other end of a connection, as far as the host knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The peer's address; `None` for a stream that has none, such as an in-memory pipe.
    pub remote_addr: Option<SocketAddr>,
    /// The certificates that the peer has shown, each in DER; `None` without mutual TLS. The first is its own: verified, and the peer has
    /// the key to it. The others are what it sent to have that one verified, and no more than its word for who vouches for it.
    pub certificates: Option<Arc<[Bytes]>>,
}

impl PeerInfo {
    /// The same peer with these certificates: for connections secured elsewhere, and given to
    /// [`serve_connection_with`](crate::Server::serve_connection_with).
    #[must_use]
    pub fn with_certificates(mut self, certificates: impl Into<Arc<[Bytes]>>) -> Self {
        self.certificates = Some(certificates.into());
        self
    }
}

impl From<SocketAddr> for PeerInfo {
    fn from(addr: SocketAddr) -> Self {
        Self {
            remote_addr: Some(addr),
            certificates: None,
        }
    }
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
#[derive(Debug, Clone)]
pub(crate) struct RequestContext {
    pub(crate) path: Option<PathAndQuery>,
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
    /// A call of `method` from `peer`, with the client's `grpc-timeout`.
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
