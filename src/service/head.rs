//! What is known of a call before its message.

use std::net::SocketAddr;
use std::time::Duration;

/// A method that a [`Service`](super::Service) serves, and how the host is to treat its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    id: u32,
    max_request: usize,
    drain: Drain,
}

impl Method {
    /// A method that the service knows as `id`, whose request message may have up to 4 MiB (4,194,304 bytes), and whose calls a
    /// drain waits for.
    #[must_use]
    pub const fn new(id: u32) -> Self {
        Self {
            id,
            max_request: 4 << 20,
            drain: Drain::Finish,
        }
    }

    /// Sets the size, in bytes, of the largest request message. A larger one is answered with `RESOURCE_EXHAUSTED` (8) as soon as
    /// its prefix has arrived, and is not read.
    #[must_use]
    pub const fn max_request(mut self, bytes: usize) -> Self {
        self.max_request = bytes;
        self
    }

    /// Sets what a drain does to calls of this method.
    #[must_use]
    pub const fn drain(mut self, drain: Drain) -> Self {
        self.drain = drain;
        self
    }

    /// The number that the service gave this method.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    pub(crate) const fn request_limit(&self) -> usize {
        self.max_request
    }

    pub(crate) const fn on_drain(&self) -> Drain {
        self.drain
    }
}

/// What a drain does to an open call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drain {
    /// Waits until it completes, at most until the drain's deadline.
    Finish,
    /// Ends it with `UNAVAILABLE` (14) once the client has been told to go away and at least one reply was sent: for streams that
    /// have no end of their own.
    End,
}

/// Why there is no method at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The peer's address; `None` for a stream that has none, such as an in-memory pipe.
    pub remote_addr: Option<SocketAddr>,
}

impl From<SocketAddr> for PeerInfo {
    fn from(addr: SocketAddr) -> Self {
        Self {
            remote_addr: Some(addr),
        }
    }
}

/// A validated call, without its message.
#[derive(Debug)]
pub struct Head<'a> {
    method: u32,
    timeout: Option<Duration>,
    peer: &'a PeerInfo,
}

impl<'a> Head<'a> {
    /// A call of the method `id` from `peer`, with the client's `grpc-timeout`.
    #[must_use]
    pub const fn new(id: u32, timeout: Option<Duration>, peer: &'a PeerInfo) -> Self {
        Self {
            method: id,
            timeout,
            peer,
        }
    }

    /// The [`id`](Method::id) of the method called.
    #[must_use]
    pub const fn method(&self) -> u32 {
        self.method
    }

    /// The client's `grpc-timeout`, counted from the request's arrival. The host enforces it.
    #[must_use]
    pub const fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Who calls.
    #[must_use]
    pub const fn peer(&self) -> &PeerInfo {
        self.peer
    }
}
