//! The health service of another gRPC server.

use std::future::pending;

use crate::client::{Client, Connector, ReportedStatus, Target, Watch};
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
    connector: Connector,
    watches: bool,
    client: Option<Client>,
    watch: Option<Watch>,
}

impl Grpc {
    /// Makes a probe that calls `Check` for `service` at the server `target`. The empty name asks for the server as a whole.
    pub fn new(target: Target, service: impl Into<String>) -> Self {
        Self {
            target,
            service: service.into(),
            connector: Connector::new(),
            watches: false,
            client: None,
            watch: None,
        }
    }

    /// Connects with these settings, such as TLS. Default: no TLS. The timeout of the check limits connecting, too.
    #[must_use]
    pub fn connector(mut self, connector: Connector) -> Self {
        self.connector = connector;
        self
    }

    /// Keeps a `Watch` open, and asks again when the server announces a change. The probe still calls `Check` every period, since a dead
    /// connection announces nothing. A server without `Watch` is asked with `Check` alone.
    #[must_use]
    pub const fn watch(mut self) -> Self {
        self.watches = true;
        self
    }

    /// Opens a `Watch`. Whatever the server says to that, `Check` decides.
    async fn open_watch(&mut self, client: &Client) {
        let opened = match client.watch(&self.service).await {
            // The first status is that of this moment.
            Ok(mut watch) => watch.next().await.map(|first| first.map(|_| watch)),
            Err(status) => Some(Err(status)),
        };
        match opened {
            Some(Ok(watch)) => self.watch = Some(watch),
            Some(Err(status)) if status.code() == Code::UNIMPLEMENTED => self.watches = false,
            // The next run opens a Watch.
            Some(Err(_)) | None => {}
        }
    }

    async fn ask(&mut self) -> Result<(), Reason> {
        if let Some(client) = self.client.take() {
            let answer = self.check(&client).await;
            let is_lost = matches!(&answer, Err(status) if status.code() == Code::UNAVAILABLE)
                && client.is_closed();
            if !is_lost {
                return self.judge(client, answer);
            }
            // Servers and proxies close idle connections. That says nothing of the service, and a new connection does.
            self.watch = None;
        }
        let client = match self.connector.connect(&self.target).await {
            Ok(client) => client,
            Err(error) => return Err(Reason::from(format!("{}: {error}", self.target))),
        };
        let answer = self.check(&client).await;
        self.judge(client, answer)
    }

    async fn check(&mut self, client: &Client) -> Result<ReportedStatus, Status> {
        if self.watches && self.watch.is_none() {
            self.open_watch(client).await;
        }
        client.check(&self.service).await
    }

    /// Keeps `client` for the next run if the connection works.
    fn judge(
        &mut self,
        client: Client,
        answer: Result<ReportedStatus, Status>,
    ) -> Result<(), Reason> {
        let why = match answer {
            Ok(status) if status.is_serving() => {
                self.client = Some(client);
                return Ok(());
            }
            Ok(status) => {
                self.client = Some(client);
                status.to_string()
            }
            Err(status) => {
                // The connection of such an answer works.
                if status.code() == Code::NOT_FOUND {
                    self.client = Some(client);
                }
                status.to_string()
            }
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
        let Some(watch) = &mut self.watch else {
            return pending().await;
        };
        // A Watch that ends is opened again by the next run, which begins now.
        if !matches!(watch.next().await, Some(Ok(_))) {
            self.watch = None;
        }
    }
}
