//! What is known of the other end of a connection.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

/// The two ends of a connection, as far as the host knows them. All calls of a connection have the same.
///
/// A test, or a host that accepts connections itself, makes one of what it knows:
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
    /// The client's address; `None` for a stream that has none, such as a Unix socket or an in-memory pipe.
    pub remote_addr: Option<SocketAddr>,
    /// The server's own address on this connection: the address that the client has reached, also where the listener is bound to all
    /// addresses. `None` for a stream that has none, such as a Unix socket or an in-memory pipe.
    pub local_addr: Option<SocketAddr>,
    /// What is known of a connection over a Unix socket; `None` for every other connection.
    pub unix: Option<Arc<UnixPeer>>,
    /// The certificates that the peer has shown, each in DER; `None` without mutual TLS. The first is its own: verified, and the peer has
    /// the key to it. The others are what it sent to have that one verified, and no more than its word for who vouches for it.
    pub certificates: Option<Arc<[Bytes]>>,
}

impl PeerInfo {
    /// The same peer with this address of the server's own.
    #[must_use]
    pub const fn with_local_addr(mut self, addr: SocketAddr) -> Self {
        self.local_addr = Some(addr);
        self
    }

    /// The same peer with these certificates: for connections secured elsewhere, and given to
    /// [`serve_connection_with`](crate::Server::serve_connection_with).
    #[must_use]
    pub fn with_certificates(mut self, certificates: impl Into<Arc<[Bytes]>>) -> Self {
        self.certificates = Some(certificates.into());
        self
    }

    /// Who has connected over a Unix socket, as the kernel says; `None` for every other connection.
    #[must_use]
    pub fn credentials(&self) -> Option<UnixCredentials> {
        self.unix.as_ref()?.credentials
    }
}

impl From<SocketAddr> for PeerInfo {
    /// A client at this address.
    fn from(addr: SocketAddr) -> Self {
        Self {
            remote_addr: Some(addr),
            ..Self::default()
        }
    }
}

impl From<UnixPeer> for PeerInfo {
    /// A client that is connected over a Unix socket.
    fn from(unix: UnixPeer) -> Self {
        Self {
            unix: Some(Arc::new(unix)),
            ..Self::default()
        }
    }
}

/// What is known of a connection over a Unix socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnixPeer {
    /// Who has connected; `None` where the system does not tell.
    pub credentials: Option<UnixCredentials>,
    /// The path of the client's socket; `None` for a socket without one, as nearly every client's is. Names in Linux's abstract namespace
    /// begin with `@`.
    pub remote_path: Option<Arc<Path>>,
    /// The path of the server's socket, as the kernel has it. Names in Linux's abstract namespace begin with `@`.
    pub local_path: Option<Arc<Path>>,
}

impl UnixPeer {
    /// The same peer, whose socket has this path.
    #[must_use]
    pub fn with_remote_path(mut self, path: impl Into<Arc<Path>>) -> Self {
        self.remote_path = Some(path.into());
        self
    }

    /// The same peer, connected to the server's socket at this path.
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

/// The user, the group and the process that have connected a Unix socket: those of the moment at which they connected, on the kernel's
/// word.
///
/// The process may have ended since, and its number may be another's by now: decide by the user or the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UnixCredentials {
    /// The effective user.
    pub uid: u32,
    /// The effective group.
    pub gid: u32,
    /// The process; `None` where the system does not tell, and where the process is out of the server's sight, in a PID namespace of its
    /// own.
    pub pid: Option<i32>,
}

impl UnixCredentials {
    /// The credentials of a user and a group.
    #[must_use]
    pub const fn new(uid: u32, gid: u32) -> Self {
        Self {
            uid,
            gid,
            pid: None,
        }
    }

    /// The same credentials with a process.
    #[must_use]
    pub const fn with_pid(mut self, pid: i32) -> Self {
        self.pid = Some(pid);
        self
    }
}
