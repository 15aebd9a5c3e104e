//! Listeners as sources of connections, and how an accepted TCP socket is set.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use crate::connection;
use crate::service::PeerInfo;

/// A source of connections.
pub(super) trait Accept {
    /// The byte stream of a connection.
    type Io;

    /// Waits for the next connection.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Io, PeerInfo)>> + Send;

    /// The next connection that has arrived already, also if tokio has not heard of it yet. `WouldBlock` if there is none.
    fn arrived(&self) -> io::Result<(Self::Io, PeerInfo)>;
}

impl Accept for TcpListener {
    type Io = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, PeerInfo)> {
        let (io, addr) = Self::accept(self).await?;
        let peer = peer(&io, addr);
        Ok((io, peer))
    }

    fn arrived(&self) -> io::Result<(TcpStream, PeerInfo)> {
        let (socket, addr) = SockRef::from(self).accept()?;
        socket.set_nonblocking(true)?;
        let io = TcpStream::from_std(socket.into())?;
        // The socket itself does not tell the address of a client that has reset the connection.
        let addr = addr.as_socket().ok_or(ErrorKind::ConnectionAborted)?;
        let peer = peer(&io, addr);
        Ok((io, peer))
    }
}

fn peer(io: &TcpStream, addr: SocketAddr) -> PeerInfo {
    let mut peer = PeerInfo::from(addr);
    // Not the listener's: that may be bound to all addresses.
    peer.local_addr = io.local_addr().ok();
    peer
}

/// Sets what is to be set of a TCP socket. Where that fails the connection is slower, or found dead later, and no worse.
pub(super) fn prepare(io: &TcpStream, config: &connection::Config) {
    // Replies are small and written once per turn: there is nothing to wait for.
    let _ = io.set_nodelay(true);
    // The kernel gives up on unacknowledged bytes when an unanswered PING would end the connection: gRFC A18.
    #[cfg(target_os = "linux")]
    if config.keepalive_interval.is_some() {
        let timeout = Some(config.keepalive_timeout);
        let _ = SockRef::from(io).set_tcp_user_timeout(timeout);
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn unacknowledged_bytes_end_a_connection_when_a_ping_would() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        for interval in [None, Some(Duration::from_secs(60))] {
            let io = TcpStream::connect(addr).await.unwrap();
            let config = connection::Config {
                keepalive_interval: interval,
                keepalive_timeout: Duration::from_secs(7),
                ..connection::Config::default()
            };
            prepare(&io, &config);
            assert!(io.nodelay().unwrap());
            let set = SockRef::from(&io).tcp_user_timeout().unwrap();
            assert_eq!(set, interval.map(|_| Duration::from_secs(7)));
        }
    }
}
