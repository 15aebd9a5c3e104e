//! What is known of the other end of a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

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
