//! The health service of another gRPC server.

use std::future::pending;

use crate::client::{Client, Connector, Origin, ReportedStatus, Target, Watch};
use crate::plane::Probe;
use crate::registry::Reason;
use crate::wire::code::Code;
use crate::wire::status::Status;

/// A [`Probe`] that asks another gRPC server for the status of a service, and succeeds if the status is SERVING.
///
/// The probe keeps one connection, and connects again after a failure. If the server has closed the kept connection, the probe connects
/// again and asks in the same run. With [`watch`](Self::watch) the probe learns of a change at once.
#[derive(Debug)]
pub struct Grpc {
    target: Target,
    service: String,
    origin: Origin,
    watches: bool,
    client: Option<Client>,
    watch: Option<Watch>,
    /// What the last run was told.
    shown: Option<ReportedStatus>,
}

impl Grpc {
    /// Makes a probe that calls `Check` for `service` at the server `target`. The empty name asks for the server as a whole.
    pub fn new(target: Target, service: impl Into<String>) -> Self {
        Self {
            origin: Origin::new(Connector::new(), target.clone()),
            target,
            service: service.into(),
            watches: false,
            client: None,
            watch: None,
            shown: None,
        }
    }

    /// Connects with these settings, such as TLS. Default: no TLS. The timeout of the check limits connecting, too.
    #[must_use]
    pub fn connector(mut self, connector: Connector) -> Self {
        self.origin = Origin::new(connector, self.target.clone());
        self
    }

    /// Keeps a `Watch` open after the first run, and asks again when the server announces a change. The probe still calls `Check` every
    /// period, since a dead connection announces nothing. A server without `Watch` is asked with `Check` alone.
    #[must_use]
    pub const fn watch(mut self) -> Self {
        self.watches = true;
        self
    }

    /// Opens a `Watch`, and waits for its first status. Between two runs: whatever the server says to a `Watch`, `Check` decides.
    async fn open_watch(&mut self) -> Option<(Watch, ReportedStatus)> {
        let client = self.client.as_ref().filter(|_| self.watches)?;
        let opened = match client.watch(&self.service).await {
            Ok(mut watch) => watch.next().await?.map(|first| (watch, first)),
            Err(status) => Err(status),
        };
        if matches!(&opened, Err(status) if status.code() == Code::UNIMPLEMENTED) {
            self.watches = false;
        }
        opened.ok()
    }

    async fn ask(&mut self) -> Result<(), Reason> {
        if let Some(client) = self.client.take() {
            let answer = client.check(&self.service).await;
            let is_lost = matches!(&answer, Err(status) if status.code() == Code::UNAVAILABLE)
                && client.is_closed();
            if !is_lost {
                return self.judge(client, answer);
            }
            // Servers and proxies close idle connections. Such an end says nothing of the service.
        }
        self.watch = None;
        let client = match self.origin.client().await {
            Ok(client) => client,
            Err(error) => return Err(Reason::from(format!("{}: {error}", self.target))),
        };
        let answer = client.check(&self.service).await;
        self.judge(client, answer)
    }

    /// Keeps `client` for the next run if the connection works.
    fn judge(
        &mut self,
        client: Client,
        answer: Result<ReportedStatus, Status>,
    ) -> Result<(), Reason> {
        self.shown = match &answer {
            Ok(status) => Some(*status),
            // The connection of such an answer works. Watch calls the answer so.
            Err(status) if status.code() == Code::NOT_FOUND => {
                Some(ReportedStatus::SERVICE_UNKNOWN)
            }
            Err(_) => None,
        };
        self.client = self.shown.map(|_| client);
        let why = match answer {
            Ok(status) if status.is_serving() => return Ok(()),
            Ok(status) => status.to_string(),
            Err(status) => status.to_string(),
        };
        Err(Reason::from(format!("{}: {why}", self.target)))
    }
}

impl Probe for Grpc {
    async fn probe(&mut self) -> Result<(), Reason> {
        // A run that is dropped at the timeout leaves no client behind, and the next run connects.
        let result = self.ask().await;
        if self.client.is_none() {
            self.watch = None;
        }
        result
    }

    async fn changed(&mut self) {
        if self.watch.is_none() {
            // The next run is followed by another attempt.
            let Some((watch, first)) = self.open_watch().await else {
                return pending().await;
            };
            self.watch = Some(watch);
            if self.shown != Some(first) {
                return;
            }
        }
        let Some(watch) = &mut self.watch else {
            return pending().await;
        };
        // A Watch that ends is opened again after the next run, which begins now.
        if !matches!(watch.next().await, Some(Ok(_))) {
            self.watch = None;
        }
    }
}
