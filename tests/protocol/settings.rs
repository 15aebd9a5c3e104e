//! Settings of the server other than the default: what the peer sees of each.

use std::time::Duration;

use grpc_health::server::{Builder, NoService};
use grpc_health::service::PeerInfo;
use grpc_health::{HealthService, Registry, Server, ServingStatus};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::support::frame::{self, ENHANCE_YOUR_CALM, Frame, NO_ERROR};
use crate::support::grpc::{CHECK, LIST, Request, SERVING, envelope};
use crate::support::host;
use crate::support::peer::{PIPE, Peer};

const SECOND: Duration = Duration::from_secs(1);
/// How long a connection that is cut has for its last words.
const LAST_WORDS: Duration = Duration::from_millis(250);

fn builder() -> Builder<NoService> {
    Server::builder()
}

/// A server of 90 names of 200 bytes.
fn serve(builder: Builder<NoService>) -> Server<HealthService> {
    let registry = Registry::new();
    for i in 0..90 {
        let name = format!("{i:0200}");
        registry
            .set_service_status(&name, ServingStatus::Serving)
            .unwrap();
    }
    builder.service(HealthService::new(registry)).build()
}

/// A connection that has said nothing, and its task.
fn dial(server: &Server<HealthService>, capacity: usize, host: u8) -> (Peer, JoinHandle<()>) {
    let (ours, theirs) = tokio::io::duplex(capacity);
    let peer = PeerInfo::from(std::net::SocketAddr::from(([192, 0, 2, host], 5)));
    let task = host::spawn(server.serve_connection_with(theirs, peer));
    (Peer::new(ours), task)
}

async fn connect(server: &Server<HealthService>) -> Peer {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    host::spawn(server.serve_connection(theirs));
    Peer::handshake(ours, &[]).await
}

#[tokio::test(start_paused = true)]
async fn the_limits_that_http2_can_tell_are_those_that_were_set() {
    let server = serve(
        builder()
            .header_table_size(1_001)
            .max_concurrent_streams(102)
            .initial_stream_window(10_003)
            .max_frame_size(20_004)
            .max_header_list_size(10_005)
            .initial_connection_window(100_000),
    );
    let (mut peer, _task) = dial(&server, PIPE, 1);
    let Frame::Settings { ack: false, values } = peer.recv().await else {
        panic!("SETTINGS come first");
    };
    for told in [(1, 1_001), (3, 102), (4, 10_003), (5, 20_004), (6, 10_005)] {
        assert!(values.contains(&told), "{told:?} in {values:?}");
    }
    peer.send(&[frame::PREFACE, &frame::settings(&[])].concat())
        .await;
    let update = peer
        .skip_to(|frame| matches!(frame, Frame::WindowUpdate { .. }))
        .await;
    assert!(
        matches!(update, Frame::WindowUpdate { stream: 0, increment } if increment == 100_000 - 65_535),
        "{update:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reply_goes_out_in_parts_of_the_send_buffer() {
    for (builder, most) in [
        (builder(), 16_384),
        (builder().max_send_buffer_size(1_000), 1_000),
        (builder().max_send_buffer_size(1), 1),
    ] {
        let mut peer = connect(&serve(builder)).await;
        let stream = peer.call(&Request::new(LIST), &envelope(0, b"")).await;
        let mut parts = Vec::new();
        loop {
            match peer.recv_on(stream).await {
                Frame::Data { payload, .. } => parts.push(payload.len()),
                Frame::Headers {
                    end_stream: true, ..
                } => break,
                _ => {}
            }
        }
        assert_eq!(parts.iter().max(), Some(&most), "{parts:?}");
        assert!(parts.iter().sum::<usize>() > 18_000, "{parts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_goes_on_for_as_long_as_the_bytes_that_were_set_are_taken() {
    for (builder, seconds) in [
        (builder(), 30),
        (builder().send_stall_bytes(11), 30),
        (builder().send_stall_bytes(10), 80),
    ] {
        let server = serve(builder);
        let (mut peer, _task) = dial(&server, PIPE, 1);
        peer.start(&[(frame::SETTINGS_INITIAL_WINDOW_SIZE, 0)])
            .await;
        let stream = peer.call(&Request::new(LIST), &envelope(0, b"")).await;
        peer.expect_head(stream).await;
        let start = Instant::now();
        for _ in 0..2 {
            tokio::time::sleep(25 * SECOND).await;
            peer.send(&frame::window_update(stream, 10)).await;
            peer.ping().await;
        }
        if seconds > 50 {
            assert_eq!(server.stats().calls_stalled, 0);
            peer.expect_data(stream).await;
            peer.expect_data(stream).await;
            peer.expect_reset(stream, ENHANCE_YOUR_CALM).await;
            assert_eq!(start.elapsed(), seconds * SECOND);
        } else {
            assert_eq!(server.stats().calls_stalled, 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn replies_that_wait_are_as_many_as_the_budget_that_was_set() {
    // Each reply is of 18,000 bytes and more. A quarter is for one connection.
    for (builder, left) in [(builder(), 8), (builder().send_budget(400_000), 5)] {
        let server = serve(builder);
        let (mut peer, _task) = dial(&server, PIPE, 1);
        peer.start(&[(frame::SETTINGS_INITIAL_WINDOW_SIZE, 0)])
            .await;
        for _ in 0..8 {
            peer.call(&Request::new(LIST), &envelope(0, b"")).await;
        }
        peer.ping().await;
        let stats = server.stats();
        assert_eq!((stats.calls_waiting, stats.calls_stalled), (left, 8 - left));
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_as_long_as_it_was_set() {
    type Set = fn(Builder<NoService>) -> Builder<NoService>;
    let rows: [(&str, Set, Vec<u8>); 6] = [
        ("PING", |b| b.ping_burst(10), frame::ping([7; 8])),
        ("SETTINGS", |b| b.settings_burst(10), frame::settings(&[])),
        (
            "PRIORITY",
            |b| b.priority_burst(10),
            frame::raw(0x2, 0, 1, &[0, 0, 0, 3, 9]),
        ),
        (
            "WINDOW_UPDATE",
            |b| b.window_update_burst(10),
            frame::window_update(0, 1),
        ),
        (
            "unknown",
            |b| b.unknown_frame_burst(10),
            frame::raw(0xa, 0, 0, &[]),
        ),
        (
            "empty",
            |b| b.empty_frame_burst(10),
            frame::data(1, false, b""),
        ),
    ];
    for (what, set, frames) in rows {
        let open = async |builder| {
            let server = serve(builder);
            let mut peer = connect(&server).await;
            let stream = peer.open();
            let head = frame::headers(stream, false, &Request::new(CHECK).encode());
            peer.send(&head).await;
            (peer, server)
        };
        let (mut peer, _server) = open(builder()).await;
        peer.send(&frames.repeat(30)).await;
        peer.expect_alive().await;
        let (mut peer, server) = open(set(builder())).await;
        peer.send(&frames.repeat(30)).await;
        peer.expect_goaway(ENHANCE_YOUR_CALM).await;
        peer.recv_to_end().await;
        assert_eq!(server.stats().floods, 1, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_resets_is_as_long_as_it_was_set() {
    let server = serve(builder().reset_burst(3));
    let mut peer = connect(&server).await;
    for n in 0..4 {
        // The message never comes: a call that has begun to be answered may be reset for nothing.
        let stream = peer.start_call(&Request::new(CHECK)).await;
        peer.ping().await;
        assert_eq!(server.stats().floods, 0, "{n}");
        peer.send(&frame::reset(stream, frame::CANCEL)).await;
    }
    peer.expect_goaway(ENHANCE_YOUR_CALM).await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_refilled_in_the_time_that_was_set() {
    let mut peer = connect(&serve(builder().ping_burst(10).burst_refill(5 * SECOND))).await;
    for _ in 0..3 {
        peer.send(&frame::ping([7; 8]).repeat(9)).await;
        tokio::time::sleep(5 * SECOND).await;
    }
    peer.expect_alive().await;
    tokio::time::sleep(5 * SECOND).await;
    peer.send(&frame::ping([7; 8]).repeat(30)).await;
    peer.expect_goaway(ENHANCE_YOUR_CALM).await;
}

#[tokio::test(start_paused = true)]
async fn a_header_block_has_the_time_that_was_set() {
    let mut peer = connect(&serve(builder().header_block_timeout(3 * SECOND))).await;
    let start = Instant::now();
    let block = Request::new(CHECK).encode();
    peer.send(&frame::raw(frame::HEADERS, 0, 1, &block)).await;
    peer.expect_goaway(ENHANCE_YOUR_CALM).await;
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_the_time_that_was_set() {
    for said in [&frame::PREFACE[..12], frame::PREFACE] {
        let server = serve(builder().handshake_timeout(3 * SECOND));
        let start = Instant::now();
        let (mut peer, task) = dial(&server, PIPE, 1);
        peer.send(said).await;
        if said == frame::PREFACE {
            peer.expect_goaway(ENHANCE_YOUR_CALM).await;
        }
        peer.recv_to_end().await;
        assert_eq!(start.elapsed(), 3 * SECOND, "{said:?}");
        task.await.unwrap();
        assert_eq!(server.stats().connections_open, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_has_the_time_that_was_set() {
    let server = serve(builder().write_stall_timeout(5 * SECOND));
    let (ours, theirs) = tokio::io::duplex(256);
    let task = host::spawn(server.serve_connection(theirs));
    let mut peer = Peer::handshake(ours, &[]).await;
    peer.call(&Request::new(LIST), &envelope(0, b"")).await;
    let start = Instant::now();
    task.await.unwrap();
    assert_eq!(start.elapsed(), 5 * SECOND + LAST_WORDS);
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_to_be_acknowledged_in_the_time_that_was_set() {
    let server = serve(
        builder()
            .keepalive_interval(Some(60 * SECOND))
            .keepalive_timeout(5 * SECOND),
    );
    let mut peer = connect(&server).await;
    peer.ack_pings = false;
    let start = Instant::now();
    peer.recv_to_end().await;
    assert_eq!(start.elapsed(), 65 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn calls_of_an_old_connection_have_the_grace_that_was_set() {
    let server = serve(
        builder()
            .max_connection_age(Some(1_000 * SECOND))
            .max_connection_age_grace(3 * SECOND)
            .body_timeout(10_000 * SECOND),
    );
    let mut peer = connect(&server).await;
    // A request that is never finished.
    let stream = peer.open();
    let head = frame::headers(stream, false, &Request::new(CHECK).encode());
    peer.send(&head).await;
    peer.expect_goaway(NO_ERROR).await;
    let start = Instant::now();
    peer.recv_to_end().await;
    let elapsed = start.elapsed();
    assert!(
        (3 * SECOND..=3 * SECOND + LAST_WORDS).contains(&elapsed),
        "{elapsed:?}"
    );
}

/// A client sees no difference.
#[tokio::test(start_paused = true)]
async fn a_small_header_budget_only_costs_turns() {
    let mut peer = connect(&serve(builder().header_budget(1))).await;
    for _ in 0..100 {
        assert_eq!(peer.check("").await, SERVING);
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_has_as_many_connections_as_were_set() {
    let server = serve(builder().max_connections_per_ip(Some(1)));
    let (_first, _task) = dial(&server, PIPE, 1);
    let start = Instant::now();
    let (_second, refused) = dial(&server, PIPE, 1);
    refused.await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    let (mut other, _task) = dial(&server, PIPE, 2);
    assert!(matches!(
        other.recv().await,
        Frame::Settings { ack: false, .. }
    ));
    assert_eq!(server.stats().connections_refused, 1);
}

#[tokio::test(start_paused = true)]
async fn as_many_handshakes_as_were_set_may_be_unfinished_and_any_number_finished() {
    let server = serve(builder().max_handshakes(1));
    let mut first = connect(&server).await;
    let mut second = connect(&server).await;
    assert_eq!(first.check("").await, SERVING);
    assert_eq!(second.check("").await, SERVING);
    assert_eq!(server.stats().connections_refused, 0);
    let (mut third, evicted) = dial(&server, PIPE, 1);
    tokio::task::yield_now().await;
    let start = Instant::now();
    let (mut fourth, _task) = dial(&server, PIPE, 2);
    evicted.await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    third.recv_to_end().await;
    assert!(matches!(
        fourth.recv().await,
        Frame::Settings { ack: false, .. }
    ));
    let stats = server.stats();
    assert_eq!(
        (stats.connections_refused, stats.handshakes_evicted),
        (0, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn as_many_connections_as_were_set_stay_and_one_more_makes_the_idle_one_go() {
    let server = serve(builder().max_connections(2));
    let mut first = connect(&server).await;
    let mut second = connect(&server).await;
    assert_eq!(second.check("").await, SERVING);
    assert_eq!(first.check("").await, SERVING);
    assert_eq!(server.stats().connections_evicted, 0);
    // Clients that have just come have their time.
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(first.check("").await, SERVING);
    let mut third = connect(&server).await;
    second.expect_goaway(NO_ERROR).await;
    second.recv_to_end().await;
    assert_eq!(third.check("").await, SERVING);
    assert_eq!(first.check("").await, SERVING);
    assert_eq!(server.stats().connections_evicted, 1);
}

/// Sends more PINGs than a client may.
async fn flood(server: &Server<HealthService>) {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let peer = PeerInfo::from(std::net::SocketAddr::from(([192, 0, 2, 1], 5)));
    host::spawn(server.serve_connection_with(theirs, peer));
    let mut peer = Peer::handshake(ours, &[]).await;
    let sent = peer.flood(&frame::ping([7; 8]).repeat(1_000)).await;
    assert!(matches!(
        sent.last(),
        Some(Frame::GoAway {
            code: ENHANCE_YOUR_CALM,
            ..
        })
    ));
}

#[tokio::test(start_paused = true)]
async fn an_address_waits_after_a_flood_for_as_long_as_was_set() {
    let server = serve(builder().flood_wait(60 * SECOND));
    flood(&server).await;
    tokio::time::sleep(58 * SECOND).await;
    let (_barred, task) = dial(&server, PIPE, 1);
    task.await.unwrap();
    assert_eq!(server.stats().connections_barred, 1);
    tokio::time::sleep(2 * SECOND).await;
    flood(&server).await;

    let server = serve(builder().flood_wait(Duration::ZERO));
    flood(&server).await;
    flood(&server).await;
    assert_eq!(server.stats().connections_barred, 0);
}

/// Nobody accepts, so what waits is what the system lets wait: one more than the number, on Linux.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn as_many_connections_wait_to_be_accepted_as_were_set() {
    let server = serve(builder().backlog(2));
    server.bind("127.0.0.1:0").await.unwrap();
    let addr = server.local_addr().unwrap();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(tokio::net::TcpStream::connect(addr).await.unwrap());
    }
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.connect(&addr.into()).unwrap_err();
    assert!(socket.peer_addr().is_err(), "connected");

    let path = std::env::temp_dir().join(format!("grpc-health-backlog-{}", std::process::id()));
    server.bind_unix(&path).await.unwrap();
    let connect = || {
        let socket =
            socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
            .connect(&socket2::SockAddr::unix(&path).unwrap())
            .map(|()| socket)
    };
    let all: Vec<_> = (0..3).map(|_| connect().unwrap()).collect();
    let error = connect().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    drop(all);
}
