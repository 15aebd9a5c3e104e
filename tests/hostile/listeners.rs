//! The door of real listeners.

use std::net::SocketAddr;

use grpc_health::{HealthService, Registry, Server};
use tokio::net::TcpStream;

use crate::memory::Memory;
use crate::support::frame;
use crate::support::grpc::{CHECK, Request, SERVING, WATCH, health_request};
use crate::support::peer::Peer;

/// A server of the health service, with one listener.
async fn bound() -> (Server<HealthService>, SocketAddr) {
    let service = HealthService::new(Registry::new());
    let server = Server::builder().service(service).build();
    server.bind("127.0.0.1:0").await.unwrap();
    let addr = server.local_addr().unwrap();
    (server, addr)
}

async fn connect(addr: SocketAddr) -> Peer<TcpStream> {
    let io = TcpStream::connect(addr).await.unwrap();
    io.set_nodelay(true).unwrap();
    Peer::handshake_real_clock(io).await
}

#[tokio::test]
async fn a18_a_listener_for_probes_is_not_filled_by_another() {
    let server = Server::builder()
        .max_connections(1)
        .service(HealthService::new(Registry::new()))
        .build();
    server.bind("127.0.0.1:0").await.unwrap();
    server.bind("127.0.0.1:0").await.unwrap();
    let served = tokio::spawn(server.serve());
    let [network, probes] = server.local_addrs()[..] else {
        panic!("{server:?}")
    };
    // A call that is not complete keeps the one place.
    let mut busy = connect(network).await;
    let call = busy.start_call(&Request::new(CHECK)).await;
    busy.ping().await;
    for _ in 0..3 {
        assert_eq!(connect(probes).await.check("").await, SERVING);
    }
    let stats = server.stats();
    assert_eq!(
        (stats.connections_refused, stats.connections_open >= 1),
        (0, true)
    );
    busy.send(&frame::data(call, true, &health_request("")))
        .await;
    assert_eq!(busy.expect_unary_ok(call).await, SERVING);
    drop(busy);
    server.shutdown().await;
    served.await.unwrap().unwrap();
}

/// The crowd fills the system's queue, which is first come, first served, before the server accepts.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a18_a_crowd_that_connects_at_once_does_not_keep_a_new_client_waiting() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpSocket;

    const CROWD: usize = 900;
    let (server, addr) = bound().await;
    let hello = [frame::PREFACE, &frame::settings(&[])].concat();
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
        let mut io = socket.connect(addr).await.unwrap();
        io.write_all(&hello).await.unwrap();
        crowd.push(io);
    }
    let mut client = TcpStream::connect(addr).await.unwrap();
    client.write_all(&hello).await.unwrap();
    let served = tokio::spawn(server.serve());
    client.read_exact(&mut [0; 9]).await.unwrap();
    let before = crowd
        .iter()
        .filter(|io| io.try_read(&mut [0; 9]).is_ok())
        .count();
    assert!(
        before < CROWD / 2,
        "{before} of the crowd had their turn before"
    );
    // All of the crowd are served in the end.
    for io in &mut crowd[before..] {
        io.read_exact(&mut [0; 9]).await.unwrap();
    }
    drop((crowd, client));
    server.shutdown().await;
    served.await.unwrap().unwrap();
}

/// Of the bytes h2 takes 33 KiB. The system counts only the pages that are touched, 24 kB: `scripts/bench-rss.sh`. The bound is close: a
/// second copy of what opens a connection, or room for more calls than the connection has, is over the bound.
#[tokio::test]
async fn s1_an_idle_connection_with_a_watch_allocates_less_than_39_600_bytes() {
    use std::io::Write as _;

    const CONNECTIONS: usize = 100;
    let (server, addr) = bound().await;
    let served = tokio::spawn(server.serve());
    let watch = [
        frame::PREFACE,
        &frame::settings(&[]),
        &frame::headers(1, false, &Request::new(WATCH).encode()),
        &frame::data(1, true, &health_request("")),
    ];
    let watch = watch.concat();
    let mut held = Vec::with_capacity(CONNECTIONS);
    let memory = Memory::mark();
    for n in 1..=CONNECTIONS as u64 {
        // Not of tokio: the clients are to take no memory of their own.
        let mut io = std::net::TcpStream::connect(addr).unwrap();
        io.write_all(&watch).unwrap();
        held.push(io);
        while server.stats().calls_waiting < n {
            tokio::task::yield_now().await;
        }
    }
    memory.assert_below(CONNECTIONS * 39_600);
    drop(held);
    server.shutdown().await;
    served.await.unwrap().unwrap();
}

#[cfg(feature = "tls")]
#[path = "../support/certs.rs"]
mod certs;

/// rustls alone takes 10 KiB for a client, before the client's first byte.
#[cfg(feature = "tls")]
#[tokio::test]
async fn a17_silent_sockets_hold_no_state_of_tls() {
    use grpc_health::tls::{ServerPem, ServerTls};

    use crate::arena::count;

    let identity = certs::Ca::new("ca").server();
    let tls = ServerTls::new(ServerPem::new(identity.cert, identity.key)).unwrap();
    let service = HealthService::new(Registry::new());
    let server = Server::builder().service(service).build();
    server.bind_tls("127.0.0.1:0", &tls).await.unwrap();
    let addr = server.local_addr().unwrap();
    tokio::spawn(server.serve());
    let memory = Memory::mark();
    let mut silent = Vec::new();
    for n in 1..=count(50, 1_000) {
        silent.push(TcpStream::connect(addr).await.unwrap());
        while server.stats().connections < n as u64 {
            tokio::task::yield_now().await;
        }
    }
    // Each task has been polled by now.
    tokio::task::yield_now().await;
    memory.assert_peak_below(silent.len() * (8 << 10));
    assert_eq!(server.stats().connections_open, silent.len() as u64);
}
