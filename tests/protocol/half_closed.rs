//! Clients that close their side of the connection behind their requests.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::fixture::Fixture;
use crate::support::frame::{self, Frame, SETTINGS_INITIAL_WINDOW_SIZE};
use crate::support::grpc::{CHECK, Request, SERVING, WATCH, health_request};
use crate::support::peer::{PIPE, Peer};

const SECOND: Duration = Duration::from_secs(1);

/// All that a client says that has one question.
fn question(path: &str) -> Vec<u8> {
    let headers = frame::headers(1, false, &Request::new(path).encode());
    let data = frame::data(1, true, &health_request("up"));
    let settings = frame::settings(&[]);
    [frame::PREFACE, &settings, &headers, &data].concat()
}

fn is_answered(frames: &[Frame]) -> bool {
    let body = frames
        .iter()
        .any(|frame| matches!(frame, Frame::Data { stream: 1, payload, .. } if payload == SERVING));
    let end = frames.iter().any(|frame| match frame {
        Frame::Headers {
            stream: 1,
            end_stream: true,
            fields,
        } => fields.get("grpc-status") == Some("0"),
        _ => false,
    });
    body && end
}

#[tokio::test(start_paused = true)]
async fn a_request_with_the_end_right_behind_it_is_answered() {
    for trickling in [false, true] {
        let fixture = Fixture::new();
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let served = match trickling {
            true => fixture.serve(crate::support::io::Trickle::new(theirs)),
            false => fixture.serve(theirs),
        };
        let mut peer = Peer::new(ours);
        let start = Instant::now();
        peer.send(&question(CHECK)).await;
        peer.finish().await;
        let frames = peer.recv_to_end().await;
        assert!(is_answered(&frames), "{frames:?}");
        served.await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        let stats = fixture.server.stats();
        assert_eq!((stats.calls, stats.calls_cancelled), (1, 0));
        assert_eq!((stats.connections_open, stats.connection_errors), (0, 0));
    }
}

#[tokio::test]
async fn it_is_answered_100_times_of_100_on_a_socket() {
    let fixture = Fixture::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    for n in 0..100 {
        let (client, accepted) = tokio::join!(TcpStream::connect(addr), listener.accept());
        let mut peer = Peer::new(client.unwrap());
        peer.send(&question(CHECK)).await;
        peer.finish().await;
        // Everything is there, the end as well, before the server reads.
        let served = fixture.serve(accepted.unwrap().0);
        let frames = peer.recv_to_end().await;
        assert!(is_answered(&frames), "{n}: {frames:?}");
        served.await.unwrap();
    }
    let stats = fixture.server.stats();
    assert_eq!((stats.calls, stats.calls_cancelled), (100, 0));
}

/// Nothing that the server says of it would ever end.
#[tokio::test(start_paused = true)]
async fn a_watch_of_a_client_that_has_closed_its_side_is_ended_at_once() {
    let fixture = Fixture::new();
    let (mut peer, served) = fixture.connect_silently();
    let start = Instant::now();
    peer.send(&question(WATCH)).await;
    peer.finish().await;
    let frames = peer.recv_to_end().await;
    let is_first =
        |frame: &Frame| matches!(frame, Frame::Data { payload, .. } if payload == SERVING);
    assert!(frames.iter().any(is_first), "{frames:?}");
    served.await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(fixture.server.stats().connections_open, 0);
}

/// The rest of it cannot come.
#[tokio::test(start_paused = true)]
async fn a_part_of_a_request_is_ended_at_once() {
    let fixture = Fixture::new();
    let whole = question(CHECK);
    for end in 0..whole.len() {
        let (mut peer, served) = fixture.connect_silently();
        let start = Instant::now();
        peer.send(&whole[..end]).await;
        peer.finish().await;
        peer.recv_to_end().await;
        served.await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO, "after {end} bytes");
    }
    assert_eq!(fixture.server.stats().connections_open, 0);
}

/// A reply that the client leaves no room for, and never will.
#[tokio::test(start_paused = true)]
async fn a_reply_without_a_window_is_given_up_after_a_second() {
    let fixture = Fixture::new();
    let no_room = [(SETTINGS_INITIAL_WINDOW_SIZE, 0)];
    let mut peer = fixture.connect_with(PIPE, &no_room).await;
    peer.call(&Request::new(CHECK), &health_request("up")).await;
    let start = Instant::now();
    peer.finish().await;
    peer.recv_to_end().await;
    assert!(start.elapsed() <= SECOND);
    let stats = fixture.server.stats();
    assert_eq!((stats.connections_open, stats.calls_waiting), (0, 0));
}

/// One that does not read either holds its connection no longer than one that stays.
#[tokio::test(start_paused = true)]
async fn a_client_that_closes_its_side_and_does_not_read_is_cut() {
    let mut times = Vec::new();
    for closes in [false, true] {
        let fixture = Fixture::new();
        let (mut ours, theirs) = tokio::io::duplex(512);
        let served = fixture.serve(theirs);
        let start = Instant::now();
        // More replies than the pipe holds.
        let settings = frame::settings(&[]);
        let mut bytes = [frame::PREFACE, &settings].concat();
        for stream in 0..20 {
            let block = Request::new(CHECK).encode();
            bytes.extend(frame::headers(1 + 2 * stream, false, &block));
            bytes.extend(frame::data(1 + 2 * stream, true, &health_request("up")));
        }
        ours.write_all(&bytes).await.unwrap();
        if closes {
            ours.shutdown().await.unwrap();
        }
        served.await.unwrap();
        times.push(start.elapsed().as_secs());
        assert_eq!(fixture.server.stats().connections_open, 0);
    }
    assert!(times[1] <= times[0] && times[0] <= 30, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_a_client_that_has_closed_its_side() {
    let fixture = Fixture::new();
    let no_room = [(SETTINGS_INITIAL_WINDOW_SIZE, 0)];
    let mut peer = fixture.connect_with(PIPE, &no_room).await;
    peer.call(&Request::new(CHECK), &health_request("up")).await;
    peer.ping().await;
    peer.finish().await;
    let start = Instant::now();
    fixture.shut_down().await.unwrap();
    assert!(start.elapsed() <= SECOND, "{:?}", start.elapsed());
    assert_eq!(fixture.server.stats().connections_open, 0);
}
