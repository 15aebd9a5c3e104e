//! The client, and its ways to connect.

use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use tokio::io::{AsyncRead, AsyncWrite};

use super::connector::{Connected, Origin, TIMEOUT, Within};
use super::link::Link;
use super::{ConnectError, Connector, Target};
#[cfg(feature = "tls")]
use crate::tls::ClientTls;

/// A client of one server's health service, over one HTTP/2 connection.
///
/// Clones are cheap and share the connection, which is closed when the last clone and the last
/// [`Watch`](super::Watch) are gone.
///
/// A call that the server sends away before it has processed it (RST_STREAM with REFUSED_STREAM, or a GOAWAY that leaves it out) is
/// [tried again once](https://github.com/grpc/proposal/blob/master/A6-client-retries.md#transparent-retries) on a new connection to the
/// same target, which is the client's from then on. A connection that broke in any other way stays broken: every later call fails with
/// UNAVAILABLE.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) link: Arc<Link>,
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    pub(super) timeout: Option<Duration>,
}

impl Connector {
    /// Connects, and spawns the connection's task on the current runtime.
    ///
    /// Returns when the server has shown that it speaks HTTP/2, by the first frame of its preface.
    ///
    /// # Errors
    ///
    /// When `target` is malformed, resolves to nothing, or cannot be reached; when it is no HTTP/2 server; when either side refuses the
    /// other's certificate; and when the time is over. The text says which, in words for the user of a program.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in one without I/O or time enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt.
    pub async fn connect<T>(&self, target: T) -> Result<Client, ConnectError>
    where
        T: TryInto<Target>,
        ConnectError: From<T::Error>,
    {
        let target = target.try_into()?;
        let origin = Origin {
            connector: self.clone(),
            target,
        };
        let Connected {
            connection,
            scheme,
            authority,
        } = origin.connect().await?;
        Ok(Client {
            link: Arc::new(Link::new(connection, Some(origin))),
            scheme,
            authority: authority.unwrap_or_else(localhost),
            timeout: None,
        })
    }
}

impl Client {
    /// Connects without TLS, within 20 seconds; see [`Connector::connect`].
    ///
    /// `target` is a [`Target`], or what can be made one: a text such as `localhost:50051`, a `SocketAddr`, an IP address with a port.
    ///
    /// # Errors
    ///
    /// Those of [`Connector::connect`].
    ///
    /// # Panics
    ///
    /// As [`Connector::connect`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt.
    pub async fn connect<T>(target: T) -> Result<Self, ConnectError>
    where
        T: TryInto<Target>,
        ConnectError: From<T::Error>,
    {
        Connector::new().connect(target).await
    }

    /// Connects as [`connect`](Self::connect) does, to the Unix domain socket `path`. One that begins with `@` or with a NUL is a name
    /// in Linux's abstract namespace.
    ///
    /// # Errors
    ///
    /// When nobody listens there, or nobody who takes us; and those of [`connect`](Self::connect).
    ///
    /// # Panics
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt.
    #[cfg(unix)]
    pub async fn connect_unix(path: impl AsRef<std::path::Path>) -> Result<Self, ConnectError> {
        Self::connect(Target::unix(path)).await
    }

    /// Connects over TLS, within 20 seconds.
    ///
    /// The server's certificate must be for `server_name`, a host name or an IP address, which is also the `:authority` of calls.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect), when either side refuses the other's certificate, when the server does not speak HTTP/2,
    /// or when `server_name` is none.
    ///
    /// # Panics
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt.
    #[cfg(feature = "tls")]
    pub async fn connect_tls<T>(
        target: T,
        server_name: &str,
        tls: &ClientTls,
    ) -> Result<Self, ConnectError>
    where
        T: TryInto<Target>,
        ConnectError: From<T::Error>,
    {
        let connector = Connector::new().tls(tls).server_name(server_name);
        connector.connect(target).await
    }

    /// Makes a client of any byte stream, and spawns the connection's task on the current runtime. Returns when the server has shown
    /// that it speaks HTTP/2. There is no other connection to try a call again on.
    ///
    /// # Errors
    ///
    /// When the stream fails, when the peer is no HTTP/2 server, or when it has said nothing for 20 seconds.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in one without time enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the stream.
    pub async fn handshake<T>(io: T) -> Result<Self, ConnectError>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = Within::new(TIMEOUT).open(io).await?;
        Ok(Self {
            link: Arc::new(Link::new(connection, None)),
            scheme: Scheme::HTTP,
            authority: localhost(),
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

    /// Replaces the `:authority` of each call made by this handle: by default the target as it was given, the address that was reached
    /// where that is none, and `localhost` on a Unix domain socket.
    #[must_use]
    pub fn with_authority(mut self, authority: Authority) -> Self {
        self.authority = authority;
        self
    }
}

/// What a server is called that has no address.
fn localhost() -> Authority {
    Authority::from_static("localhost")
}
