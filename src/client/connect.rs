//! The connection.

use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::uri::{Authority, Scheme};
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, ToSocketAddrs},
};

use super::ConnectError;
#[cfg(feature = "tls")]
use crate::tls::ClientTls;

/// The longest header list we take in. Our own calls need a few hundred bytes.
const MAX_HEADER_LIST_SIZE: u32 = 16 * 1024;

/// What the frames of unread messages may cost, by h2's count of at most 256 bytes each. Its own
/// choice is spent by 130 of our 7-byte messages, as many watches or calls at a time bring at once.
const DATA_FRAME_BUDGET: usize = 4 * 1024 * 1024;

/// A client of one server's health service, over one HTTP/2 connection.
///
/// Clones are cheap and share the connection, which is closed when the last clone and the last
/// [`Watch`](super::Watch) are gone. A connection that broke stays broken: every later call fails
/// with UNAVAILABLE.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) send: SendRequest<Bytes>,
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    pub(super) timeout: Option<Duration>,
}

impl Client {
    /// Connects over TCP (without TLS), and spawns the connection's task on the current runtime.
    ///
    /// Returns once the TCP connection stands. Whether there is an HTTP/2 server behind it shows
    /// at the first call.
    ///
    /// # Errors
    ///
    /// When the address resolves to nothing, or none of what it resolves to can be reached.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in one without I/O enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt.
    pub async fn connect(addr: impl ToSocketAddrs) -> Result<Self, ConnectError> {
        let tcp = dial(addr).await?;
        let authority = tcp
            .peer_addr()
            .ok()
            .and_then(|peer| peer.to_string().parse().ok());
        let client = Self::handshake(tcp).await?;
        Ok(match authority {
            Some(authority) => client.with_authority(authority),
            None => client,
        })
    }

    /// Connects as [`connect`](Self::connect) does, to the Unix domain socket `path`. One that begins with `@` or with a NUL is a name
    /// in Linux's abstract namespace.
    ///
    /// # Errors
    ///
    /// When nobody listens there, or nobody who takes us.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in one without I/O enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt.
    #[cfg(unix)]
    pub async fn connect_unix(path: impl AsRef<std::path::Path>) -> Result<Self, ConnectError> {
        use std::os::unix::ffi::OsStrExt;

        let mut path = path.as_ref().as_os_str().as_bytes().to_vec();
        if cfg!(any(target_os = "linux", target_os = "android")) {
            if let Some(first @ b'@') = path.first_mut() {
                *first = 0;
            }
        }
        let unix = UnixStream::connect(std::ffi::OsStr::from_bytes(&path))
            .await
            .map_err(ConnectError::socket)?;
        Self::handshake(unix).await
    }

    /// Connects over TLS, and spawns the connection's task on the current runtime.
    ///
    /// The server's certificate must be for `server_name`, a host name or an IP address, which is also the `:authority` of calls.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect), when either side refuses the other's certificate, when the server does not speak HTTP/2,
    /// or when `server_name` is none. A server that refuses the client's certificate may say so only after this has returned: then
    /// the first call is UNAVAILABLE.
    ///
    /// # Panics
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt.
    #[cfg(feature = "tls")]
    pub async fn connect_tls(
        addr: impl ToSocketAddrs,
        server_name: &str,
        tls: &ClientTls,
    ) -> Result<Self, ConnectError> {
        let tcp = dial(addr).await?;
        let io = tls
            .connect(server_name, tcp)
            .await
            .map_err(ConnectError::tls)?;
        let mut client = Self::handshake(io).await?;
        client.scheme = Scheme::HTTPS;
        Ok(match server_name.parse() {
            Ok(authority) => client.with_authority(authority),
            Err(_) => client,
        })
    }

    /// Makes a client of any byte stream, and spawns the connection's task on the current runtime.
    ///
    /// # Errors
    ///
    /// When the stream fails as the HTTP/2 preface is written.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the stream.
    pub async fn handshake<T>(io: T) -> Result<Self, ConnectError>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (send, connection) = h2::client::Builder::new()
            .enable_push(false)
            .max_header_list_size(MAX_HEADER_LIST_SIZE)
            .data_frame_budget(DATA_FRAME_BUDGET)
            .handshake(io)
            .await
            .map_err(ConnectError::handshake)?;
        // Its error reaches every call that is open; h2 ends it when nobody holds it any more.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self {
            send,
            scheme: Scheme::HTTP,
            authority: Authority::from_static("localhost"),
            timeout: None,
        })
    }

    /// Limits each call made by this handle, from its first byte to its last: the server is told
    /// (`grpc-timeout`), and the call ends here with DEADLINE_EXCEEDED whether or not the server
    /// keeps to it. Without this, calls wait for ever.
    ///
    /// Calls then need a runtime with time enabled.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Replaces the `:authority` of each call made by this handle: by default the address
    /// connected to, and `localhost` where that is no TCP address.
    #[must_use]
    pub fn with_authority(mut self, authority: Authority) -> Self {
        self.authority = authority;
        self
    }
}

async fn dial(addr: impl ToSocketAddrs) -> Result<TcpStream, ConnectError> {
    let tcp = TcpStream::connect(addr)
        .await
        .map_err(ConnectError::socket)?;
    // Calls are smaller than a segment; Nagle's algorithm would only delay them.
    tcp.set_nodelay(true).map_err(ConnectError::socket)?;
    Ok(tcp)
}
