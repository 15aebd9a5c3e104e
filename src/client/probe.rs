//! One question to one server: the probe of a health check.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::{ConnectError, Connector, ReportedStatus, Target};
#[cfg(feature = "tls")]
use crate::tls::ClientTls;
use crate::wire::{metadata::Metadata, status::Status};

/// How long a probe may take unless the caller says otherwise: as long as a probe of Kubernetes.
const TIMEOUT: Duration = Duration::from_secs(1);

/// What [`probe`] asks, and of which server.
#[derive(Clone, Debug)]
#[must_use]
pub struct ProbeOptions {
    target: Target,
    service: String,
    timeout: Duration,
    connector: Connector,
    metadata: Option<Metadata>,
}

impl ProbeOptions {
    /// Asks the server at `target` for the server's status as a whole, without TLS, within one second.
    pub fn new(target: impl Into<Target>) -> Self {
        Self {
            target: target.into(),
            service: String::new(),
            timeout: TIMEOUT,
            connector: Connector::new(),
            metadata: None,
        }
    }

    /// Sets the name of the service to ask for. Default: the empty name, the server as a whole.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = name.into();
        self
    }

    /// Limits how long the whole probe may take, from resolving the name to the end of the answer. Default: one second.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connects over TLS with these settings. Default: no TLS. The server's certificate must be for the target's host;
    /// [`Connector::server_name`] sets another name.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: &ClientTls) -> Self {
        self.connector = self.connector.tls(tls);
        self
    }

    /// Connects with these settings, which replace those of an earlier [`tls`](Self::tls). Connecting may take as long as the connector
    /// allows, and at most as long as the [whole probe](Self::timeout).
    pub fn connector(mut self, connector: Connector) -> Self {
        self.connector = connector;
        self
    }

    /// Sends `metadata` with the question. Default: no metadata.
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = Some(metadata);
        self
    }
}

/// Connects to a server, asks once for the status of a service, and closes the connection.
///
/// A program that can probe itself needs no second binary in its container's image, for the `HEALTHCHECK` of Docker or an `exec` probe of
/// Kubernetes: the example `healthcheck` shows such a program.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use grpc_health::client::{ProbeOptions, Target, probe};
///
/// let target: Target = "127.0.0.1:50051".parse()?;
/// let status = probe(&ProbeOptions::new(target).service("shop.Cart")).await?;
/// std::process::exit(if status.is_serving() { 0 } else { 1 });
/// # }
/// ```
///
/// A probe on a runtime of one thread starts no other thread, unless the target is a host name other than `localhost`: the system's
/// resolver blocks the thread that asks it.
///
/// # Errors
///
/// [`ProbeError::Connect`] if no connection could be made in time, and [`ProbeError::Call`] if the server answered the question with an
/// error, or not in time. A service that the server does not know is the error `NOT_FOUND` (5). Any status, whether serving or not, is
/// `Ok`.
///
/// # Panics
///
/// Outside a tokio runtime, or in a runtime without I/O or time enabled.
///
/// # Cancel safety
///
/// Dropping the future abandons the probe, and closes the connection.
pub async fn probe(options: &ProbeOptions) -> Result<ReportedStatus, ProbeError> {
    let ProbeOptions {
        target,
        service,
        timeout,
        connector,
        metadata,
    } = options;
    let start = Instant::now();
    let connector = connector.clone().at_most(*timeout);
    let mut client = connector
        .connect(target)
        .await
        .map_err(ProbeError::Connect)?;
    if let Some(metadata) = metadata {
        client = client.with_metadata(metadata.clone());
    }
    let client = client.with_timeout(timeout.saturating_sub(start.elapsed()));
    client.check(service).await.map_err(ProbeError::Call)
}

/// Why a probe has no status.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProbeError {
    /// The server could not be reached.
    Connect(ConnectError),
    /// The server was reached, and the call failed: with the server's own error, or with an error of the connection.
    Call(Status),
}

/// Writes one line for the user of a program. Text from the server may contain any characters.
impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "failed to connect: {error}"),
            Self::Call(status) => write!(f, "health rpc failed: {status}"),
        }
    }
}

impl Error for ProbeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Call(status) => Some(status),
        }
    }
}
