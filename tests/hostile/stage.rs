//! A server of large replies, and its clients.

use bytes::Bytes;
use grpc_health::router::{Raw, Request as Call, Response, Router};
use grpc_health::server::Builder;
use grpc_health::{HealthService, Registry, Server, ServingStatus, Status};
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio_stream::{StreamExt as _, iter};

use crate::support::frame::{self, Frame, SETTINGS_INITIAL_WINDOW_SIZE};
use crate::support::grpc::{LIST, Request, envelope};
use crate::support::host;
use crate::support::peer::{PIPE, Peer};

pub(crate) const KIB: usize = 1 << 10;

pub(crate) type Service = Router<HealthService>;

/// A server of replies: `/t.T/Reply` is one of as many bytes as the request says, and `/t.T/Stream` ten of them. Each reply is memory of
/// its own.
pub(crate) struct Stage(pub(crate) Server<Service>);

fn made(call: &Call<Raw>) -> Bytes {
    let len = std::str::from_utf8(call.get_ref().0.as_ref()).unwrap();
    Bytes::from(vec![7; len.parse().unwrap()])
}

impl Stage {
    pub(crate) fn new(limits: impl FnOnce(Builder<Service>) -> Builder<Service>) -> Self {
        let registry = Registry::new();
        for n in 0..99 {
            let name = format!("{n:0110}");
            registry
                .set_service_status(&name, ServingStatus::Serving)
                .unwrap();
        }
        let router = Router::new(HealthService::new(registry))
            .unary("/t.T/Reply", |call: Call<Raw>| async move {
                Ok::<_, Status>(Response::new(Raw(made(&call))))
            })
            .server_streaming("/t.T/Stream", |call: Call<Raw>| async move {
                let replies = iter(0..10).map(move |_| Ok::<_, Status>(Raw(made(&call))));
                Ok(Response::new(replies))
            });
        Self::of(router, limits)
    }

    pub(crate) fn of(
        service: Service,
        limits: impl FnOnce(Builder<Service>) -> Builder<Service>,
    ) -> Self {
        Self(limits(Server::builder().service(service)).build())
    }

    pub(crate) fn dial(&self, pipe: usize) -> (DuplexStream, JoinHandle<()>) {
        let (ours, theirs) = tokio::io::duplex(pipe);
        (ours, host::spawn(self.0.serve_connection(theirs)))
    }

    /// A client whose streams begin with `window`.
    pub(crate) async fn connect(&self, window: u32) -> Peer {
        let settings = [(SETTINGS_INITIAL_WINDOW_SIZE, window)];
        let (io, _) = self.dial(PIPE);
        let mut peer = Peer::handshake(io, &settings).await;
        peer.send(&frame::window_update(0, 1 << 30)).await;
        peer
    }

    pub(crate) fn stalled(&self) -> u64 {
        self.0.stats().calls_stalled
    }
}

pub(crate) async fn ask(peer: &mut Peer, method: &str, bytes: usize) -> u32 {
    let request = Request::new(&format!("/t.T/{method}"));
    let message = envelope(0, bytes.to_string().as_bytes());
    peer.call(&request, &message).await
}

pub(crate) async fn list(peer: &mut Peer) -> u32 {
    peer.call(&Request::new(LIST), &envelope(0, b"")).await
}

/// What a stream ended with: its status, or the reason of its reset.
pub(crate) async fn end_of(peer: &mut Peer, stream: u32) -> Result<usize, u32> {
    let mut len = 0;
    loop {
        match peer.recv_on(stream).await {
            Frame::Data { payload, .. } => len += payload.len(),
            Frame::Headers {
                end_stream: true,
                fields,
                ..
            } => {
                return match fields.get("grpc-status") {
                    Some("0") => Ok(len),
                    Some("8") => Err(8),
                    other => panic!("not {other:?}"),
                };
            }
            Frame::Headers { .. } => {}
            Frame::Reset { code, .. } => return Err(code),
            other => panic!("not {other:?}"),
        }
    }
}
