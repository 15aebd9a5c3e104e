//! What a host knows of the two ends of a connection.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::listen::ListenOptions;
#[cfg(feature = "http1")]
use super::listen::Protocol;

/// The two ends of a connection, as far as the host knows the ends. All calls of a connection have the same `PeerInfo`.
///
/// A test, or a host that accepts connections itself, makes a `PeerInfo` from what it knows:
///
/// ```
/// use std::net::SocketAddr;
///
/// use grpc_health::service::{PeerInfo, UnixCredentials, UnixPeer};
///
/// let remote = SocketAddr::from(([192, 0, 2, 7], 4321));
/// let local = SocketAddr::from(([192, 0, 2, 1], 50051));
/// let tcp = PeerInfo::from(remote).with_local_addr(local);
/// assert_eq!(tcp.local_addr, Some(local));
///
/// let unix = PeerInfo::from(UnixPeer::from(UnixCredentials::new(1000, 1000)));
/// assert_eq!(unix.credentials().map(|user| user.uid), Some(1000));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The client's address. `None` for a stream without addresses, such as a Unix socket or an in-memory pipe.
    pub remote_addr: Option<SocketAddr>,
    /// The server's address on this connection: the address that the client has reached, even if the listener is bound to all addresses.
    /// `None` for a stream without addresses, such as a Unix socket or an in-memory pipe.
    pub local_addr: Option<SocketAddr>,
    /// The ends of a Unix socket. `None` for every other connection.
    pub unix: Option<Arc<UnixPeer>>,
    /// The certificates that the client has shown, each in DER. `None` without mutual TLS. The first certificate is the client's own: the
    /// server has verified the certificate, and the client has proved that it has the key. The other certificates are what the client sent
    /// to help with the verification, and prove nothing by themselves.
    pub certificates: Option<Arc<[Bytes]>>,
    /// The options of the listener that has accepted the connection.
    pub(crate) options: Option<Arc<ListenOptions>>,
    #[cfg(feature = "http1")]
    pub(crate) protocol: Protocol,
}

impl PeerInfo {
    /// Sets the server's address on this connection.
    #[must_use]
    pub const fn with_local_addr(mut self, addr: SocketAddr) -> Self {
        self.local_addr = Some(addr);
        self
    }

    /// Sets the client's certificates, each in DER, the client's own first. For connections whose TLS ends outside of this crate and that
    /// are given to [`serve_connection_with`](crate::Server::serve_connection_with).
    #[must_use]
    pub fn with_certificates(mut self, certificates: impl Into<Arc<[Bytes]>>) -> Self {
        self.certificates = Some(certificates.into());
        self
    }

    /// Whether the listener has HTTP/1.
    #[cfg(feature = "tls")]
    pub(crate) fn may_speak_http1(&self) -> bool {
        #[cfg(feature = "http1")]
        if let Some(options) = &self.options {
            return options.has_http1();
        }
        false
    }

    /// Sets the version of HTTP that both ends have agreed on.
    #[cfg(feature = "tls")]
    pub(crate) fn agreed(self, is_http2: bool) -> Self {
        #[cfg(not(feature = "http1"))]
        let _ = is_http2;
        Self {
            #[cfg(feature = "http1")]
            protocol: if is_http2 {
                Protocol::Http2
            } else {
                Protocol::Http1
            },
            ..self
        }
    }

    pub(crate) fn is_mirror(&self) -> bool {
        self.options
            .as_ref()
            .is_some_and(|options| options.is_mirror())
    }

    /// The user, group and process that connected over a Unix socket, as the kernel says. `None` for every other connection.
    #[must_use]
    pub fn credentials(&self) -> Option<UnixCredentials> {
        self.unix.as_ref()?.credentials
    }
}

impl From<SocketAddr> for PeerInfo {
    /// Makes the peer of a client at this address.
    fn from(addr: SocketAddr) -> Self {
        Self {
            remote_addr: Some(addr),
            ..Self::default()
        }
    }
}

impl From<UnixPeer> for PeerInfo {
    /// Makes the peer of a client on a Unix socket.
    fn from(unix: UnixPeer) -> Self {
        Self {
            unix: Some(Arc::new(unix)),
            ..Self::default()
        }
    }
}

/// The two ends of a connection over a Unix socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnixPeer {
    /// The user, group and process that connected. `None` if the system does not tell.
    pub credentials: Option<UnixCredentials>,
    /// The path of the client's socket. `None` for a socket without a path, as nearly all clients have. Names in Linux's abstract namespace
    /// begin with `@`.
    pub remote_path: Option<Arc<Path>>,
    /// The path of the server's socket, as the kernel reports the path. Names in Linux's abstract namespace begin with `@`.
    pub local_path: Option<Arc<Path>>,
}

impl UnixPeer {
    /// Sets the path of the client's socket.
    #[must_use]
    pub fn with_remote_path(mut self, path: impl Into<Arc<Path>>) -> Self {
        self.remote_path = Some(path.into());
        self
    }

    /// Sets the path of the server's socket.
    #[must_use]
    pub fn with_local_path(mut self, path: impl Into<Arc<Path>>) -> Self {
        self.local_path = Some(path.into());
        self
    }
}

impl From<UnixCredentials> for UnixPeer {
    fn from(credentials: UnixCredentials) -> Self {
        Self {
            credentials: Some(credentials),
            ..Self::default()
        }
    }
}

/// The user, group and process that connected to a Unix socket, as the kernel recorded them at that moment.
///
/// The process may have ended since, and another process may have its number now: decide by the user or the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UnixCredentials {
    /// The effective user's number.
    pub uid: u32,
    /// The effective group's number.
    pub gid: u32,
    /// The process's number. `None` if the system does not tell, or if the process is in a PID namespace that the server cannot see.
    pub pid: Option<i32>,
}

impl UnixCredentials {
    /// Makes credentials from a user and a group, without a process.
    #[must_use]
    pub const fn new(uid: u32, gid: u32) -> Self {
        Self {
            uid,
            gid,
            pid: None,
        }
    }

    /// Sets the process.
    #[must_use]
    pub const fn with_pid(mut self, pid: i32) -> Self {
        self.pid = Some(pid);
        self
    }
}
