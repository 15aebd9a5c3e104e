//! Routers to be served, and what their handlers tell of themselves.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use grpc_health::router::{Raw, Response, Router};
use grpc_health::server::Builder;
use grpc_health::service::{PeerInfo, Service};
use grpc_health::{HealthService, Registry, Server, Status};
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

use crate::support::frame::{self, Frame};
use crate::support::grpc::{Request, envelope};
use crate::support::peer::{PIPE, Peer};

/// What handlers answer with.
pub(crate) type Answer<T = Raw> = Result<Response<T>, Status>;

/// A router that holds the health service of an empty registry: Check of `""` is SERVING.
pub(crate) fn router() -> Router<HealthService> {
    Router::new(HealthService::new(Registry::new()))
}

/// A stream of replies that never has one.
pub(crate) type Never = Pin<Box<tokio_stream::Pending<Result<Raw, Status>>>>;

pub(crate) fn raw(bytes: impl Into<Bytes>) -> Raw {
    Raw(bytes.into())
}

pub(crate) fn reply(bytes: impl Into<Bytes>) -> Answer {
    Ok(Response::new(raw(bytes)))
}

/// A server on in-memory pipes.
pub(crate) struct Host<S: Service>(pub(crate) Server<S>);

pub(crate) fn serve<S: Service>(service: S) -> Host<S> {
    serve_with(service, |builder| builder)
}

pub(crate) fn serve_with<S: Service>(
    service: S,
    limits: impl FnOnce(Builder<S>) -> Builder<S>,
) -> Host<S> {
    Host(limits(Server::builder().service(service)).build())
}

impl<S: Service> Host<S> {
    pub(crate) async fn connect(&self) -> Peer {
        self.connect_with(PIPE, &[]).await
    }

    /// A connection whose pipe holds `capacity` bytes each way, and the client's SETTINGS.
    pub(crate) async fn connect_with(&self, capacity: usize, settings: &[(u16, u32)]) -> Peer {
        self.pipe(capacity, settings).await.0
    }

    /// Such a connection, and its task.
    pub(crate) async fn pipe(
        &self,
        capacity: usize,
        settings: &[(u16, u32)],
    ) -> (Peer<DuplexStream>, JoinHandle<()>) {
        let (ours, theirs) = tokio::io::duplex(capacity);
        let mut peer = PeerInfo::default();
        peer.remote_addr = Some(([192, 0, 2, 7], 4321).into());
        let task = crate::support::host::spawn(self.0.serve_connection_with(theirs, peer));
        (Peer::handshake(ours, settings).await, task)
    }

    /// Begins to shut the server down.
    pub(crate) fn shut_down(&self) -> JoinHandle<()> {
        let server = self.0.clone();
        tokio::spawn(async move { server.shutdown().await })
    }
}

/// The whole of an answer, in whatever DATA frames it comes.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) head: crate::support::hpack::Fields,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: crate::support::hpack::Fields,
}

impl Peer {
    /// A call with one message, and no answer yet.
    pub(crate) async fn ask(&mut self, path: &str, message: &[u8]) -> u32 {
        self.call(&Request::new(path), &envelope(0, message)).await
    }

    /// A call that stays open for messages.
    pub(crate) async fn begin(&mut self, path: &str) -> u32 {
        self.start_call(&Request::new(path)).await
    }

    pub(crate) async fn say(&mut self, stream: u32, message: &[u8]) {
        self.send_data(stream, false, &envelope(0, message)).await;
    }

    pub(crate) async fn end(&mut self, stream: u32) {
        self.send_data(stream, true, b"").await;
    }

    pub(crate) async fn reset(&mut self, stream: u32) {
        self.send(&frame::reset(stream, frame::CANCEL)).await;
    }

    /// Reads head, messages and trailers. A Trailers-Only answer has its fields in `head`.
    pub(crate) async fn whole(&mut self, stream: u32) -> Whole {
        let mut head = None;
        let mut body = Vec::new();
        loop {
            match self.recv_on(stream).await {
                Frame::Data { payload, .. } => body.extend(payload),
                Frame::Headers {
                    end_stream: false,
                    fields,
                    ..
                } => assert!(head.replace(fields).is_none(), "one head"),
                Frame::Headers { fields, .. } => {
                    let (head, trailers) = match head {
                        Some(head) => (head, fields),
                        None => (fields.clone(), fields),
                    };
                    return Whole {
                        head,
                        body,
                        trailers,
                    };
                }
                other => panic!("expected an answer, got {other:?}"),
            }
        }
    }

    /// The messages of an answer that must be OK.
    pub(crate) async fn messages(&mut self, stream: u32) -> Vec<Vec<u8>> {
        let whole = self.whole(stream).await;
        assert_eq!(whole.code(), 0, "{whole:?}");
        whole.messages()
    }
}

impl Whole {
    pub(crate) fn code(&self) -> u16 {
        let code = self.trailers.get("grpc-status").expect("a status");
        code.parse().unwrap()
    }

    pub(crate) fn messages(&self) -> Vec<Vec<u8>> {
        let (mut rest, mut messages) = (&self.body[..], Vec::new());
        while let [flag, a, b, c, d, after @ ..] = rest {
            assert_eq!(*flag, 0, "not compressed");
            let (message, after) = after.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
            messages.push(message.to_vec());
            rest = after;
        }
        assert!(rest.is_empty(), "{rest:?}");
        messages
    }
}

/// Counts something: polls, or those that are alive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Relaxed)
    }

    pub(crate) fn reset(&self) {
        self.0.store(0, Relaxed);
    }

    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// One more, until it is dropped.
    pub(crate) fn enter(&self) -> Present {
        self.add();
        Present(self.clone())
    }
}

#[derive(Debug)]
pub(crate) struct Present(Count);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

/// A stream of a closure.
pub(crate) struct Polled<F>(F);

impl<T, F: FnMut(&mut Context<'_>) -> Poll<Option<T>> + Unpin> Stream for Polled<F> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        (self.0)(cx)
    }
}

pub(crate) fn polled<T, F>(poll: F) -> Polled<F>
where
    F: FnMut(&mut Context<'_>) -> Poll<Option<T>> + Unpin,
{
    Polled(poll)
}

/// Lets every other task do what it can.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
