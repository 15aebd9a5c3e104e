//! The client, and its ways to connect.

use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::Driver;
use super::connector::{Connected, Origin, TIMEOUT, Within};
use super::head::Manner;
use super::limit::FIRST_ANSWER;
use super::link::Link;
use super::messages::MAX_MESSAGE_LEN;
use super::{ConnectError, Connector, Target};
#[cfg(feature = "tls")]
use crate::tls::ClientTls;
use crate::wire::metadata::Metadata;

/// A client of one server's health service, over one HTTP/2 connection.
///
/// Clones are cheap and share the connection. The connection is closed when the last clone and the last [`Watch`](super::Watch) are
/// dropped.
///
/// If the server says that it has not processed a call (RST_STREAM with REFUSED_STREAM, or a GOAWAY for a lower stream), the client
/// [retries the call once](https://github.com/grpc/proposal/blob/master/A6-client-retries.md#transparent-retries) on a new connection to
/// the same target, and uses the new connection from then on. If the connection breaks in any other way, every later call fails with
/// `UNAVAILABLE` (14): connect again.
///
/// The client closes a connection on which the server sends more than 1,000 frames in 30 seconds that answer nothing, such as PINGs and
/// interim responses (1xx). Each call and each reply allows eight more such frames.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) link: Arc<Link>,
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    pub(super) timeout: Option<Duration>,
    pub(super) first_answer: Duration,
    /// The longest message that the client accepts, in bytes.
    pub(super) max_message: usize,
    pub(super) manner: Manner,
}

impl Connector {
    /// Connects to `target`, and spawns the connection's task on the current runtime. Returns when the server has shown that it speaks
    /// HTTP/2, with the first frame of its preface.
    ///
    /// `target` is a [`Target`](super::Target), or a value that converts to a target: a text such as `localhost:50051`, a `SocketAddr`, an
    /// IP address with a port.
    ///
    /// # Errors
    ///
    /// If `target` is malformed, resolves to no address, or cannot be reached; if the server does not speak HTTP/2; if either side refuses
    /// the other's certificate; and if the [time limit](Self::timeout) passes. The error's text says which, for the user of a program.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in a runtime without I/O or time enabled.
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
        Origin::new(self.clone(), target).client().await
    }
}

impl Origin {
    /// Connects, and spawns the connection's task on the current runtime.
    pub(crate) async fn client(&self) -> Result<Client, ConnectError> {
        let connected = self.connect().await?;
        let (client, driver) = Client::new(connected, Some(self.clone()));
        driver.spawn();
        Ok(client)
    }
}

impl Client {
    /// Makes a client of a connection, and gives back the connection's work. Without an origin the client never connects again.
    pub(super) fn new(connected: Connected, origin: Option<Origin>) -> (Self, Driver) {
        let manner = match &origin {
            Some(origin) => origin.connector.manner.clone(),
            None => Manner::new(),
        };
        let client = Self {
            link: Arc::new(Link::new(connected.connection, origin)),
            scheme: connected.scheme,
            authority: connected.authority.unwrap_or_else(localhost),
            timeout: None,
            first_answer: FIRST_ANSWER,
            max_message: MAX_MESSAGE_LEN,
            manner,
        };
        (client, connected.driver)
    }

    /// Connects to `target` without TLS, within 20 seconds. [`Connector`](super::Connector) has other settings.
    ///
    /// `target` is a [`Target`](super::Target), or a value that converts to a target: a text such as `localhost:50051`, a `SocketAddr`, an
    /// IP address with a port.
    ///
    /// # Errors
    ///
    /// Those of [`Connector::connect`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in a runtime without I/O or time enabled.
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

    /// Connects to the Unix domain socket `path` without TLS, within 20 seconds. A `path` that begins with `@` or NUL is a name in Linux's
    /// abstract namespace.
    ///
    /// # Errors
    ///
    /// If no server listens on the socket, if the socket's permissions refuse the client, and those of [`Connector::connect`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in a runtime without I/O or time enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt.
    #[cfg(unix)]
    pub async fn connect_unix(path: impl AsRef<std::path::Path>) -> Result<Self, ConnectError> {
        Self::connect(Target::unix(path)).await
    }

    /// Connects to `target` over TLS, within 20 seconds.
    ///
    /// The server's certificate must be for `server_name`, a host name or an IP address. `server_name` is also the `:authority` of calls.
    ///
    /// # Errors
    ///
    /// Those of [`Connector::connect`], and if `server_name` is neither a host name nor an IP address.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in a runtime without I/O or time enabled.
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

    /// Makes a client from a byte stream such as an in-memory pipe, and spawns the connection's task on the current runtime. Returns when
    /// the server has shown that it speaks HTTP/2. Such a client cannot reconnect, so it does not retry calls.
    ///
    /// # Errors
    ///
    /// If the stream fails, if the peer does not speak HTTP/2, or if the peer has sent nothing for 20 seconds.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in a runtime without time enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the stream.
    pub async fn handshake<T>(io: T) -> Result<Self, ConnectError>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (connection, driver) = Within::new(TIMEOUT).open(io).await?;
        let connected = Connected {
            connection,
            driver,
            scheme: Scheme::HTTP,
            authority: None,
        };
        let (client, driver) = Self::new(connected, None);
        driver.spawn();
        Ok(client)
    }

    /// Limits how long each call made by this handle may take, from its first byte to its last. Default: no limit. The client tells the
    /// server the limit in `grpc-timeout`, and ends the call with `DEADLINE_EXCEEDED` (4) even if the server does not.
    ///
    /// Calls need a tokio runtime with time enabled.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Limits how long the server may take to send the first status of a [`Watch`](super::Watch) made by this handle, and to answer a call
    /// without a [timeout](Self::with_timeout). Default: 20 seconds; `Duration::MAX` is no limit. The client ends the call with
    /// `DEADLINE_EXCEEDED` (4), and does not tell the server the limit. A Watch has no limit between two statuses.
    #[must_use]
    pub const fn with_first_answer_timeout(mut self, timeout: Duration) -> Self {
        self.first_answer = timeout;
        self
    }

    /// Replaces the `:authority` of each call made by this handle. Default: the target as given; the reached address if the target has
    /// several; `localhost` on a Unix domain socket.
    #[must_use]
    pub fn with_authority(mut self, authority: Authority) -> Self {
        self.authority = authority;
        self
    }

    /// Sends `metadata` with each call made by this handle, such as the credentials that a server asks for. Replaces the metadata of an
    /// earlier `with_metadata`. Default: no metadata. A `user-agent` in the metadata replaces the client's own.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.manner.metadata(metadata);
        self
    }

    /// Compresses the request of each call made by this handle with gzip, and accepts replies that are compressed with gzip, of up to 4 MiB
    /// after decompression. Default: no compression, in either direction. Requests of the health service are too short to gain anything:
    /// the setting shows whether the server reads gzip.
    ///
    /// A server that does not read gzip answers `UNIMPLEMENTED` (12).
    #[cfg(feature = "gzip")]
    #[must_use]
    pub const fn with_gzip(mut self) -> Self {
        self.manner.gzip();
        self
    }
}

/// The `:authority` of a server without an address.
fn localhost() -> Authority {
    Authority::from_static("localhost")
}
