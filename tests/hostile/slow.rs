//! Peers that take their time, and peers that are many.

use grpc_health::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::arena::{Arena, MIB, SECOND, count};
use crate::memory::Memory;
use crate::support::frame::{self, NO_ERROR};
use crate::support::grpc::{CHECK, DEADLINE_EXCEEDED, Request, SERVING, health_request};
use crate::support::peer::Peer;

#[tokio::test(start_paused = true)]
async fn a16_requests_that_trickle_are_answered_4_after_10_s() {
    let (arena, mut neighbour) = Arena::new().await;
    let mut peer = arena.connect().await;
    let attack = async {
        let start = Instant::now();
        let mut streams = Vec::new();
        for _ in 0..255 {
            streams.push(peer.start_call(&Request::new(CHECK)).await);
        }
        for byte in &health_request("")[..4] {
            for stream in &streams {
                peer.send_data(*stream, false, &[*byte]).await;
            }
            // One stream is left for who asks like others do.
            peer.expect_alive().await;
            tokio::time::sleep(2 * SECOND).await;
        }
        for stream in streams {
            peer.expect_trailers_only(stream, DEADLINE_EXCEEDED).await;
            peer.expect_reset(stream, NO_ERROR).await;
        }
        assert_eq!(start.elapsed(), 10 * SECOND);
        peer.expect_alive().await;
        drop(peer);
    };
    neighbour.beside(attack).await;
    assert_eq!(arena.end(neighbour).await.deadlines_exceeded, 255);
}

#[tokio::test(start_paused = true)]
async fn a17_connections_that_do_not_begin_are_closed_after_10_s() {
    let (arena, mut neighbour) = Arena::new().await;
    let whole = [frame::PREFACE, &frame::settings(&[(1, 4_096)])].concat();
    let request = [
        &whole[..],
        &frame::headers(1, false, &Request::new(CHECK).encode()),
    ]
    .concat();
    // Nothing, half a preface, a preface without SETTINGS, with half of them, half a header block.
    let beginnings = [0, 12, 24, 35, whole.len() + 20];
    for end in beginnings {
        let connections = count(100, 1_000);
        let memory = Memory::mark();
        let start = Instant::now();
        let attack = async {
            let mut silent = Vec::new();
            for _ in 0..connections {
                let mut io = arena.dial(256);
                io.write_all(&request[..end]).await.unwrap();
                silent.push(io);
            }
            // Whoever comes now is served.
            let mut peer = arena.connect().await;
            assert_eq!(peer.check("").await, SERVING);
            assert_eq!(start.elapsed(), std::time::Duration::ZERO);
            drop(peer);
            for mut io in silent {
                io.read_to_end(&mut Vec::new()).await.unwrap();
            }
            start.elapsed()
        };
        let elapsed = neighbour.beside(attack).await;
        println!("{end}: {elapsed:?}");
        assert!(elapsed >= 10 * SECOND, "{end}: {elapsed:?}");
        assert!(elapsed <= 11 * SECOND, "{end}: {elapsed:?}");
        // 64 KiB each.
        memory.assert_peak_below(connections * MIB / 16);
    }
    let stats = arena.end(neighbour).await;
    let late = beginnings.len() * count(100, 1_000);
    assert_eq!(
        (stats.connections_timed_out, stats.floods),
        (late as u64, 0)
    );
}

/// On real sockets, whose listener has places of its own.
#[tokio::test]
async fn a18_sockets_over_the_limit_make_room() {
    let server = Server::builder()
        .max_connections(10)
        .service(grpc_health::HealthService::new(grpc_health::Registry::new()))
        .build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let served = tokio::spawn(server.serve_on(listener));
    let mut held = Vec::new();
    for _ in 0..20 {
        let io = TcpStream::connect(addr).await.unwrap();
        held.push(Peer::handshake_real_clock(io).await);
    }
    let mut newest = held.split_off(10);
    for mut peer in held {
        peer.expect_goaway(NO_ERROR).await;
        peer.recv_to_end().await;
    }
    for peer in &mut newest {
        peer.expect_alive().await;
    }
    drop(newest);
    server.shutdown().await;
    served.await.unwrap().unwrap();
    let stats = server.stats();
    assert_eq!((stats.connections_open, stats.connections_refused), (0, 0));
    assert_eq!(
        (stats.connections_evicted, stats.connection_errors),
        (10, 0)
    );
}
