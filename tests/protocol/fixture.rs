//! The server under test, on in-memory pipes.

use crate::support::grpc::{NOT_SERVING, SERVING, UNKNOWN};
use crate::support::host;
use crate::support::io::Trickle;
use crate::support::peer::{PIPE, Peer};
use grpc_health::{HealthService, Registry, Server, ServingStatus};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::task::JoinHandle;

/// The statuses a known service may have, and the whole reply of each.
pub(crate) const STATUSES: [(ServingStatus, &[u8]); 3] = [
    (ServingStatus::Unknown, UNKNOWN),
    (ServingStatus::Serving, SERVING),
    (ServingStatus::NotServing, NOT_SERVING),
];

/// A registry, and a server of its health service that has no socket.
pub(crate) struct Fixture {
    pub(crate) registry: Registry,
    pub(crate) server: Server<HealthService>,
}

impl Fixture {
    /// `""` and `up` are SERVING, `down` is NOT_SERVING; every limit is the default.
    pub(crate) fn new() -> Self {
        Self::with_streams(256)
    }

    pub(crate) fn with_streams(max: u32) -> Self {
        let registry = Registry::new();
        registry
            .set_service_status("up", ServingStatus::Serving)
            .expect("room");
        registry
            .set_service_status("down", ServingStatus::NotServing)
            .expect("room");
        let service = HealthService::new(registry.clone());
        let server = Server::builder()
            .max_concurrent_streams(max)
            .service(service)
            .build();
        Self { registry, server }
    }

    pub(crate) fn set(&self, service: &str, status: ServingStatus) {
        self.registry
            .set_service_status(service, status)
            .expect("room");
    }

    /// Serves `io` until its end.
    pub(crate) fn serve<T>(&self, io: T) -> JoinHandle<()>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        host::spawn(self.server.serve_connection(io))
    }

    /// Begins to shut the server down; completes when it is.
    pub(crate) fn shut_down(&self) -> JoinHandle<()> {
        let server = self.server.clone();
        tokio::spawn(async move { server.shutdown().await })
    }

    /// A connection with the default settings.
    pub(crate) async fn connect(&self) -> Peer {
        self.connect_with(PIPE, &[]).await
    }

    /// A connection whose pipe holds `capacity` bytes each way, and the client's SETTINGS.
    pub(crate) async fn connect_with(&self, capacity: usize, settings: &[(u16, u32)]) -> Peer {
        let (ours, theirs) = tokio::io::duplex(capacity);
        self.serve(theirs);
        Peer::handshake(ours, settings).await
    }

    /// A connection the server reads byte by byte and writes three bytes at a time.
    pub(crate) async fn connect_trickling(&self) -> Peer {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        self.serve(Trickle::new(theirs));
        Peer::handshake(ours, &[]).await
    }

    /// A connection that has not said anything yet.
    pub(crate) fn connect_silently(&self) -> (Peer, JoinHandle<()>) {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let served = self.serve(theirs);
        (Peer::new(ours), served)
    }
}

/// A connection to a server of its own.
pub(crate) async fn connect() -> Peer<DuplexStream> {
    Fixture::new().connect().await
}
