//! How a client connects: time limit, TLS, and the steps from a target to a connection.

use std::future::Future;
#[cfg(feature = "tls")]
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http::uri::{Authority, Scheme};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};

use super::ConnectError;
use super::connection::{Connection, Driver};
use super::head::Manner;
use super::names::Lookup;
#[cfg(feature = "tls")]
use super::opening::describe;
use super::place::Place;
use super::reach::reach;
#[cfg(feature = "tls")]
use super::recorded::Recorded;
use super::target::Target;
#[cfg(feature = "tls")]
use crate::tls::{ClientTls, explain};
use crate::wire::metadata::InvalidMetadata;

/// The shortest time that gRPC clients give a connection attempt.
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);

/// The settings with which a [`Client`](super::Client) connects: a time limit, and TLS.
#[derive(Clone, Debug)]
#[must_use]
pub struct Connector {
    timeout: Duration,
    pub(super) manner: Manner,
    #[cfg(feature = "tls")]
    tls: Option<ClientTls>,
    #[cfg(feature = "tls")]
    server_name: Option<String>,
}

impl Default for Connector {
    fn default() -> Self {
        Self::new()
    }
}

impl Connector {
    /// Makes the default settings: no TLS, a time limit of 20 seconds.
    pub const fn new() -> Self {
        Self {
            timeout: TIMEOUT,
            manner: Manner::new(),
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "tls")]
            server_name: None,
        }
    }

    /// Limits how long connecting may take: resolving the name, connecting, the TLS handshake, and the first frame of the server. Default:
    /// 20 seconds.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Limits connecting to `limit` if that is less than the time limit so far.
    pub(super) fn at_most(mut self, limit: Duration) -> Self {
        self.timeout = self.timeout.min(limit);
        self
    }

    /// Puts `name`, the name of a program, before the client's own name in the `user-agent` of every call: `prober/1` becomes
    /// `prober/1 grpc-health/VERSION`. See [User agents](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#user-agents).
    /// Default: the client's own name alone.
    ///
    /// # Errors
    ///
    /// [`InvalidMetadata::Value`] if `name` has characters other than printable ASCII, and [`InvalidMetadata::TooLarge`] if `name` is
    /// longer than 6 KiB.
    pub fn user_agent(mut self, name: &str) -> Result<Self, InvalidMetadata> {
        self.manner.user_agent(name)?;
        Ok(self)
    }

    /// Connects over TLS with these settings. Default: no TLS. The server's certificate must be for the target's host, or for
    /// [`server_name`](Self::server_name).
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: &ClientTls) -> Self {
        self.tls = Some(tls.clone());
        self
    }

    /// Sets the host name or IP address that the server's certificate must be for. Default: the target's host. The name is also the
    /// `:authority` of calls, if the name is not the target's host.
    #[cfg(feature = "tls")]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }
}

/// The target and the settings from which connections are made, the first and any later one.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(super) connector: Connector,
    pub(super) target: Target,
    lookup: Lookup,
}

/// A connection with its work, and the `:authority` of its calls.
pub(super) struct Connected {
    pub(super) connection: Connection,
    pub(super) driver: Driver,
    pub(super) scheme: Scheme,
    pub(super) authority: Option<Authority>,
}

impl Origin {
    pub(crate) fn new(connector: Connector, target: Target) -> Self {
        Self {
            connector,
            target,
            lookup: Lookup::default(),
        }
    }

    pub(super) async fn connect(&self) -> Result<Connected, ConnectError> {
        let within = Within::new(self.connector.timeout);
        let dialling = within.limit(NO_ANSWER, dial(&self.target, &self.lookup));
        let authority = self.target.authority();
        match dialling.await? {
            #[cfg(unix)]
            Dialled::Unix(io) => {
                #[cfg(feature = "tls")]
                if self.connector.tls.is_some() {
                    let why = "TLS is not spoken on Unix domain sockets";
                    return Err(ConnectError::refused(why.to_owned()));
                }
                let opening = within.limit(SILENT, Connection::open(io, false));
                let (connection, driver) = opening.await?;
                Ok(Connected {
                    connection,
                    driver,
                    scheme: Scheme::HTTP,
                    authority,
                })
            }
            #[cfg(feature = "tls")]
            Dialled::Tcp(io) if self.connector.tls.is_some() => {
                let host = self.target.server_name().unwrap_or_default();
                let name = self.connector.server_name.as_ref().unwrap_or(&host);
                let io = within.limit(NO_TLS, self.secure(name, io)).await?;
                let opening = within.limit(SILENT_IN_TLS, Connection::open(io, true));
                let (connection, driver) = opening.await?;
                Ok(Connected {
                    connection,
                    driver,
                    scheme: Scheme::HTTPS,
                    authority: authority
                        .filter(|_| *name == host)
                        .or_else(|| name.parse().ok()),
                })
            }
            Dialled::Tcp(io) => {
                // The reached address, if the target does not say one.
                let reached = io.peer_addr().map(|addr| addr.to_string()).ok();
                let opening = within.limit(SILENT, Connection::open(io, false));
                let (connection, driver) = opening.await?;
                Ok(Connected {
                    connection,
                    driver,
                    scheme: Scheme::HTTP,
                    authority: authority.or_else(|| reached?.parse().ok()),
                })
            }
        }
    }

    #[cfg(feature = "tls")]
    async fn secure(
        &self,
        name: &str,
        io: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<Recorded<TcpStream>>, ConnectError> {
        // The caller has checked that TLS is set.
        let Some(tls) = &self.connector.tls else {
            return Err(ConnectError::refused("no TLS is set".to_owned()));
        };
        let (error, io) = match tls.connect(name, Recorded::new(io)).await {
            Ok(io) => return Ok(io),
            Err(failed) => failed,
        };
        let start = match io.start() {
            [0x14..=0x17, 3, ..] => None,
            other => Some(other),
        };
        let words = match (explain(&error), error.kind()) {
            (Some(words), _) if start.is_none() => words,
            (Some(_), _) | (None, ErrorKind::UnexpectedEof) => {
                describe(start.unwrap_or_default(), true)
            }
            (None, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                format!("the connection broke in the TLS handshake: {error}")
            }
            (None, _) => error.to_string(),
        };
        Err(ConnectError::tls(words, error))
    }
}

/// What the server has not done in time, and the likely cause.
type Late = (&'static str, &'static str);

const NO_ANSWER: Late = ("no answer", "");
const SILENT: Late = (
    "the server took the connection and said nothing",
    ": it may expect TLS, or be no gRPC server",
);
#[cfg(feature = "tls")]
const NO_TLS: Late = (
    "the server took the connection and did not complete the TLS handshake",
    ": it may speak no TLS",
);
#[cfg(feature = "tls")]
const SILENT_IN_TLS: Late = (
    "the server completed the TLS handshake and said nothing",
    "",
);

enum Dialled {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

async fn dial(target: &Target, lookup: &Lookup) -> Result<Dialled, ConnectError> {
    let tcp = match &target.0 {
        // Always the loopback addresses (RFC 6761, section 6.3): no thread waits for the system's resolver.
        Place::Host(host, port) if host.eq_ignore_ascii_case("localhost") => {
            let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, *port));
            let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
            reach(&[v6, v4]).await
        }
        Place::Host(host, port) => match lookup.addresses(host, *port).await {
            Ok(addrs) => reach(&addrs).await,
            Err(error) => Err(error),
        },
        Place::Addrs(addrs) => reach(addrs).await,
        #[cfg(unix)]
        Place::Unix(path) => {
            let unix = UnixStream::connect(unix_path(path)).await;
            return unix.map(Dialled::Unix).map_err(ConnectError::socket);
        }
        #[cfg(not(unix))]
        Place::Unix(_) => Err(std::io::ErrorKind::Unsupported.into()),
    }
    .map_err(ConnectError::socket)?;
    // Calls are smaller than a segment; Nagle's algorithm would only delay them.
    tcp.set_nodelay(true).map_err(ConnectError::socket)?;
    Ok(Dialled::Tcp(tcp))
}

/// tokio expects a NUL before an abstract name, people write an `@`.
#[cfg(unix)]
fn unix_path(path: &std::ffi::OsStr) -> std::path::PathBuf {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};

    let mut path = path.as_bytes().to_vec();
    if cfg!(any(target_os = "linux", target_os = "android")) {
        if let Some(first @ b'@') = path.first_mut() {
            *first = 0;
        }
    }
    std::ffi::OsString::from_vec(path).into()
}

/// One time limit for several steps.
#[derive(Clone, Copy)]
pub(super) struct Within {
    limit: Duration,
    /// `None` if the deadline is too far away for an `Instant`: no limit.
    deadline: Option<Instant>,
}

impl Within {
    pub(super) fn new(limit: Duration) -> Self {
        let deadline = Instant::now().checked_add(limit);
        Self { limit, deadline }
    }

    /// Runs one step within the limit.
    async fn limit<T>(
        self,
        (what, why): Late,
        step: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        match self.deadline {
            None => step.await,
            Some(deadline) => timeout_at(deadline, step)
                .await
                .unwrap_or_else(|_| Err(ConnectError::timeout(what, self.limit, why))),
        }
    }

    /// Exchanges prefaces over an embedder's byte stream.
    pub(super) async fn open<T>(self, io: T) -> Result<(Connection, Driver), ConnectError>
    where
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        self.limit(SILENT, Connection::open(io, false)).await
    }
}
