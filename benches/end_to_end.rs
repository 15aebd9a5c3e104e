//! One Check, over an in-memory pipe and over TCP, with 1, 10 and 100 in flight: ours beside
//! tonic-health and the floor (`support/floor.rs`), all asked by the same client on raw h2.
//!
//! Over the pipe, client and server share one thread, so a time is the work of both. Over TCP the
//! server has a thread of its own.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark has nobody to report an error to"
)]

#[path = "support/client.rs"]
mod client;
#[path = "support/floor.rs"]
mod floor;

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use grpc_health::{HealthService, Registry, Server};
use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tonic::transport::server::TcpIncoming;

use client::Client;

const PEERS: [Peer; 3] = [Peer::Floor, Peer::Ours, Peer::Tonic];
const IN_FLIGHT: [usize; 3] = [1, 10, 100];
const PIPE_CAPACITY: usize = 256 * 1024;

#[derive(Clone, Copy)]
enum Peer {
    Ours,
    Tonic,
    Floor,
}

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Tonic => "tonic-health",
            Self::Floor => "floor",
        }
    }

    async fn serve_pipe(self, io: DuplexStream) {
        match self {
            Self::Ours => ours().serve_connection(io).await,
            Self::Tonic => {
                let (_reporter, health) = tonic_health::server::health_reporter();
                // A stream that ends would end the server before its connections.
                let incoming = tokio_stream::StreamExt::chain(
                    tokio_stream::once(Ok::<_, std::io::Error>(io)),
                    tokio_stream::pending(),
                );
                let router = tonic::transport::Server::builder().add_service(health);
                router.serve_with_incoming(incoming).await.unwrap();
            }
            Self::Floor => drop(floor::serve_connection(io, floor::MAX_STREAMS).await),
        }
    }

    async fn serve_tcp(self, listener: TcpListener) {
        match self {
            Self::Ours => ours().serve_on(listener).await.unwrap(),
            Self::Tonic => {
                let (_reporter, health) = tonic_health::server::health_reporter();
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                let router = tonic::transport::Server::builder().add_service(health);
                router.serve_with_incoming(incoming).await.unwrap();
            }
            Self::Floor => floor::serve(listener, floor::MAX_STREAMS).await.unwrap(),
        }
    }

    /// Starts the server on a thread of its own, which lasts as long as the process.
    fn spawn_tcp(self) -> SocketAddr {
        let (bound, address) = mpsc::channel();
        thread::spawn(move || {
            runtime().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                self.serve_tcp(listener).await;
            });
        });
        address.recv().unwrap()
    }
}

fn ours() -> Server<HealthService> {
    Server::builder()
        .service(HealthService::new(Registry::new()))
        .build()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn pipe(criterion: &mut Criterion) {
    check(criterion, "check/pipe", |peer| {
        let (near, far) = tokio::io::duplex(PIPE_CAPACITY);
        tokio::spawn(peer.serve_pipe(far));
        Client::handshake(near)
    });
}

fn tcp(criterion: &mut Criterion) {
    check(criterion, "check/tcp", |peer| {
        let address = peer.spawn_tcp();
        async move {
            let socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            Client::handshake(socket).await
        }
    });
}

fn check<F>(criterion: &mut Criterion, name: &str, connect: impl Fn(Peer) -> F)
where
    F: Future<Output = Result<Client, client::BoxError>>,
{
    let mut group = criterion.benchmark_group(name);
    for in_flight in IN_FLIGHT {
        group.throughput(Throughput::Elements(in_flight as u64));
        for peer in PEERS {
            let runtime = runtime();
            let mut client = runtime.block_on(async { connect(peer).await }).unwrap();
            let mut responses = Vec::with_capacity(in_flight);
            group.bench_function(BenchmarkId::new(peer.name(), in_flight), |bencher| {
                bencher.iter(|| {
                    let checks = client.checks(black_box(in_flight), &mut responses);
                    runtime.block_on(checks).unwrap();
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, pipe, tcp);
criterion_main!(benches);
