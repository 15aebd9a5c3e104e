//! What a peer sees that sends too much of what costs the server work and is of no use.

use std::time::Duration;

use grpc_health::server::{Builder, NoService};
use grpc_health::{HealthService, Registry, Server, ServingStatus};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::fixture::Fixture;
use crate::support::frame::{self, ENHANCE_YOUR_CALM, Frame, SETTINGS_INITIAL_WINDOW_SIZE};
use crate::support::grpc::{CHECK, Request, SERVING, health_request};
use crate::support::peer::{PIPE, Peer};

/// How many frames a flood has.
const FLOOD: usize = 10_000;
const PRIORITY: u8 = 0x2;
const GOAWAY: u8 = 0x7;
const ALTSVC: u8 = 0xa;

fn fixture(builder: Builder<NoService>) -> Fixture {
    let registry = Registry::new();
    let server = builder
        .service(HealthService::new(registry.clone()))
        .build();
    Fixture { registry, server }
}

fn is_goaway(frame: &Frame) -> bool {
    matches!(frame, Frame::GoAway { code, .. } if *code == ENHANCE_YOUR_CALM)
}

/// The last frame of the connection, which says why it ends.
fn assert_calmed(what: &str, frames: &[Frame]) {
    assert!(frames.last().is_some_and(is_goaway), "{what}: {frames:?}");
}

/// Floods one connection while another one asks for statuses, one after the other. What the first was sent.
async fn flood(fixture: &Fixture, open: usize, bytes: &[u8]) -> Vec<Frame> {
    let mut neighbour = fixture.connect().await;
    let mut attacker = fixture.connect().await;
    for _ in 0..open {
        attacker.watch("up").await;
    }
    let checks = async {
        for _ in 0..100 {
            assert_eq!(neighbour.check("up").await, SERVING);
        }
    };
    let start = Instant::now();
    let (sent, ()) = tokio::join!(attacker.flood(bytes), checks);
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(neighbour.check("up").await, SERVING);
    sent
}

#[tokio::test(start_paused = true)]
async fn floods_end_their_connection_and_no_other() {
    let window = |bytes| frame::settings(&[(SETTINGS_INITIAL_WINDOW_SIZE, bytes)]);
    let floods = [
        ("PING", 0, "too_many_pings", frame::ping([7; 8])),
        (
            "PING nobody asked for",
            0,
            "too_many_pings",
            frame::ping_ack([7; 8]),
        ),
        (
            "SETTINGS",
            200,
            "too_many_settings",
            [window(1), window(65_535)].concat(),
        ),
        (
            "PRIORITY",
            0,
            "too_many_priorities",
            frame::raw(PRIORITY, 0, 1, &[0, 0, 0, 3, 9]),
        ),
        (
            "WINDOW_UPDATE",
            1,
            "too_many_window_updates",
            frame::window_update(0, 1),
        ),
        (
            "WINDOW_UPDATE of a stream",
            1,
            "too_many_window_updates",
            frame::window_update(1, 1),
        ),
        (
            "unknown",
            0,
            "too_many_unknown_frames",
            frame::raw(ALTSVC, 0, 0, &[]),
        ),
        (
            "GOAWAY",
            0,
            "too_many_unknown_frames",
            frame::raw(GOAWAY, 0, 0, &[0; 8]),
        ),
    ];
    for (what, open, text, frames) in floods {
        let fixture = Fixture::new();
        let sent = flood(&fixture, open, &frames.repeat(FLOOD)).await;
        assert_calmed(what, &sent);
        // What gRPC clients look for, to send fewer.
        let debug = match sent.last() {
            Some(Frame::GoAway { debug, .. }) => debug.as_ref(),
            _ => b"",
        };
        assert_eq!(debug, text.as_bytes(), "{what}");
        // A read's worth of bytes may be answered before the frame that is one too many; not more than the burst.
        assert!(sent.len() < 1_100, "{what}: {} frames", sent.len());
        let stats = fixture.server.stats();
        assert_eq!((stats.floods, stats.connections_open), (1, 1), "{what}");
        assert_eq!(stats.calls_waiting, 0, "{what}");
    }
}

/// The server writes three bytes at a time.
#[tokio::test(start_paused = true)]
async fn the_text_of_a_goaway_is_whole_in_any_pieces() {
    let mut peer = Fixture::new().connect_trickling().await;
    let sent = peer.flood(&frame::ping([7; 8]).repeat(200)).await;
    assert_calmed("PING", &sent);
    let is_goaway =
        |frame: &&Frame| matches!(frame, Frame::GoAway { debug, .. } if debug == "too_many_pings");
    assert_eq!(sent.iter().filter(is_goaway).count(), 1, "{sent:?}");
}

/// h2 has limits of its own for these, and says the same.
#[tokio::test(start_paused = true)]
async fn empty_frames_end_the_connection() {
    let block = Request::new(CHECK).encode();
    let headers = frame::headers(1, false, &block);
    let empty = frame::data(1, false, b"");
    let sent = flood(&Fixture::new(), 0, &[headers, empty.repeat(FLOOD)].concat()).await;
    assert_calmed("DATA", &sent);
    let headers = frame::raw(frame::HEADERS, 0, 1, &block);
    let empty = frame::raw(frame::CONTINUATION, 0, 1, b"");
    let sent = flood(&Fixture::new(), 0, &[headers, empty.repeat(FLOOD)].concat()).await;
    assert_calmed("CONTINUATION", &sent);
    let headers: Vec<_> = (0..FLOOD as u32)
        .flat_map(|n| frame::headers(1 + 2 * n, false, b""))
        .collect();
    let fixture = fixture(Server::builder().max_local_error_reset_streams(usize::MAX));
    fixture.set("up", ServingStatus::Serving);
    let sent = flood(&fixture, 0, &headers).await;
    assert_calmed("HEADERS", &sent);
    assert_eq!(fixture.server.stats().floods, 1);
}

#[tokio::test(start_paused = true)]
async fn streams_reset_after_they_were_seen_end_the_connection() {
    let fixture = Fixture::new();
    let mut neighbour = fixture.connect().await;
    let mut peer = fixture.connect().await;
    // Nothing is answered: the message never comes.
    let mut seen = async |peer: &mut Peer| {
        let stream = peer.start_call(&Request::new(CHECK)).await;
        assert_eq!(neighbour.check("up").await, SERVING);
        assert_eq!(fixture.server.stats().calls_waiting, 1);
        peer.send(&frame::reset(stream, frame::CANCEL)).await;
        assert_eq!(neighbour.check("up").await, SERVING);
    };
    for _ in 0..1_000 {
        seen(&mut peer).await;
    }
    let stats = fixture.server.stats();
    assert_eq!((stats.calls_waiting, stats.calls_cancelled), (0, 1_000));
    // 33 more in each second, no more.
    tokio::time::advance(Duration::from_secs(1)).await;
    for _ in 0..33 {
        seen(&mut peer).await;
    }
    assert_eq!(fixture.server.stats().floods, 0);
    seen(&mut peer).await;
    peer.expect_goaway(ENHANCE_YOUR_CALM).await;
    peer.recv_to_end().await;
    let stats = fixture.server.stats();
    assert_eq!((stats.floods, stats.calls_waiting), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_unfinished_header_block_ends_the_connection_after_10_s() {
    let block = Request::new(CHECK).encode();
    let whole = frame::headers(1, false, &block);
    let unfinished = [
        whole[..9].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        frame::raw(frame::HEADERS, 0, 1, &block),
    ];
    for bytes in unfinished {
        let fixture = Fixture::new();
        let mut neighbour = fixture.connect().await;
        let mut peer = fixture.connect().await;
        let start = Instant::now();
        peer.send(&bytes).await;
        tokio::time::sleep(Duration::from_secs(9)).await;
        if bytes[4] & frame::END_HEADERS == 0 {
            // A part more is no end.
            peer.send(&frame::raw(frame::CONTINUATION, 0, 1, b"")).await;
        }
        assert_eq!(neighbour.check("up").await, SERVING);
        peer.expect_goaway(ENHANCE_YOUR_CALM).await;
        assert_eq!(start.elapsed().as_secs(), 10);
        assert_eq!(neighbour.check("up").await, SERVING);
        let stats = fixture.server.stats();
        assert_eq!((stats.connections_timed_out, stats.floods), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_preface_without_settings_ends_the_connection_after_10_s() {
    // Nothing, a part of the head, and a part of what the head announces.
    let whole = frame::settings(&[(SETTINGS_INITIAL_WINDOW_SIZE, 9)]);
    for end in [0, 8, 9, 11] {
        let settings = &whole[..end];
        let fixture = Fixture::new();
        let (mut peer, _) = fixture.connect_silently();
        let start = Instant::now();
        peer.send(&[frame::PREFACE, settings].concat()).await;
        peer.expect_goaway(ENHANCE_YOUR_CALM).await;
        assert_eq!(start.elapsed().as_secs(), 10);
        let stats = fixture.server.stats();
        assert_eq!((stats.connections_timed_out, stats.floods), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_block_that_is_finished_in_time_is_served() {
    let mut peer = Fixture::new().connect().await;
    let block = Request::new(CHECK).encode();
    for _ in 0..3 {
        let stream = peer.open();
        let (head, tail) = block.split_at(block.len() / 2);
        peer.send(&frame::raw(frame::HEADERS, 0, stream, head))
            .await;
        tokio::time::sleep(Duration::from_millis(9_900)).await;
        let tail = frame::raw(frame::CONTINUATION, frame::END_HEADERS, stream, tail);
        peer.send(&tail).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        peer.send_data(stream, true, &health_request("up")).await;
        assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    }
}

#[tokio::test(start_paused = true)]
async fn a_small_read_budget_only_costs_turns() {
    let fixture = fixture(Server::builder().read_budget(1));
    fixture.set("up", ServingStatus::Serving);
    let mut peer = fixture.connect_with(PIPE, &[]).await;
    for _ in 0..100 {
        assert_eq!(peer.check("up").await, SERVING);
    }
}

/// More than one may send, after a greeting.
fn too_many_pings(pings: usize) -> Vec<u8> {
    let mut bytes = [frame::PREFACE, &frame::settings(&[])].concat();
    bytes.extend(frame::ping([7; 8]).repeat(pings));
    bytes
}

/// On a real socket, which the system resets when it is closed with something unread in it.
#[tokio::test]
async fn the_reason_is_not_lost_to_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    Fixture::new().serve(listener.accept().await.unwrap().0);
    client.write_all(&too_many_pings(3_000)).await.unwrap();
    let mut sent = Vec::new();
    client.read_to_end(&mut sent).await.expect("no reset");
    client.write_all(&[0; 9]).await.expect("no reset");
    let mut calmed = [0; 8].to_vec();
    calmed[7] = ENHANCE_YOUR_CALM as u8;
    calmed.extend(b"too_many_pings");
    let goaway = frame::raw(GOAWAY, 0, 0, &calmed);
    assert!(sent.ends_with(&goaway), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stays_is_left_after_a_second() {
    let (mut peer, served) = Fixture::new().connect_silently();
    let start = Instant::now();
    peer.send(&too_many_pings(101)).await;
    assert_calmed("PING", &peer.recv_to_end().await);
    assert!(start.elapsed() < Duration::from_secs(1));
    served.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_goes_on_is_left_after_64_kib() {
    let (mut peer, served) = Fixture::new().connect_silently();
    let start = Instant::now();
    assert_calmed("PING", &peer.flood(&too_many_pings(FLOOD)).await);
    served.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
}
