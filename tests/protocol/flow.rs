//! Flow control and backpressure: what waits, what it waits for, and what comes of it.

use crate::fixture::Fixture;
use crate::support::frame::{self, CANCEL, Frame, Head};
use crate::support::grpc::{
    CHECK, DEADLINE_EXCEEDED, LIST, NOT_FOUND, NOT_SERVING, OK, Request, SERVICE_UNKNOWN, SERVING,
    WATCH, envelope, health_request,
};
use crate::support::peer::PIPE;
use bytes::Bytes;
use grpc_health::ServingStatus::{NotServing, Serving, Unknown};
use std::time::Duration;

const NO_WINDOW: [(u16, u32); 1] = [(frame::SETTINGS_INITIAL_WINDOW_SIZE, 0)];

#[tokio::test(start_paused = true)]
async fn an_answer_waits_for_the_window() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect_with(PIPE, &NO_WINDOW).await;
    let stream = peer.call(&Request::new(CHECK), &health_request("up")).await;
    peer.expect_head(stream).await;
    peer.expect_silence().await;
    // An error has no DATA, so it waits for nothing.
    let other = peer
        .call(&Request::new(CHECK), &health_request("nope"))
        .await;
    peer.expect_trailers_only(other, NOT_FOUND).await;
    peer.send(&frame::window_update(stream, SERVING.len() as u32))
        .await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    peer.expect_trailers(stream, OK).await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_in_parts_through_a_small_window() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect_with(PIPE, &NO_WINDOW).await;
    let stream = peer.call(&Request::new(CHECK), &health_request("up")).await;
    peer.expect_head(stream).await;
    let mut body = Vec::new();
    for _ in SERVING {
        peer.expect_silence().await;
        peer.send(&frame::window_update(stream, 1)).await;
        let part = peer.expect_data(stream).await;
        assert_eq!(part.len(), 1);
        body.extend(part);
    }
    assert_eq!(body, SERVING);
    peer.expect_trailers(stream, OK).await;
    peer.expect_silence().await;
}

/// The window is opened for all streams at once, by SETTINGS.
#[tokio::test(start_paused = true)]
async fn settings_open_the_window() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect_with(PIPE, &NO_WINDOW).await;
    let check = peer.call(&Request::new(CHECK), &health_request("up")).await;
    peer.expect_head(check).await;
    let watch = peer.watch("down").await;
    peer.expect_silence().await;
    peer.send(&frame::settings(&[(
        frame::SETTINGS_INITIAL_WINDOW_SIZE,
        65_535,
    )]))
    .await;
    assert_eq!(peer.expect_data(watch).await, NOT_SERVING);
    assert_eq!(peer.expect_data(check).await, SERVING);
    peer.expect_trailers(check, OK).await;
    peer.expect_silence().await;
}

/// The statuses of a stalled reader's service change and change back: it has seen the last one.
#[tokio::test(start_paused = true)]
async fn a_change_and_back_behind_a_closed_window_is_nothing() {
    let fixture = Fixture::new();
    let settings = [(frame::SETTINGS_INITIAL_WINDOW_SIZE, SERVING.len() as u32)];
    let mut peer = fixture.connect_with(PIPE, &settings).await;
    let stream = peer.watch("up").await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    fixture.set("up", NotServing);
    peer.expect_silence().await;
    fixture.set("up", Serving);
    peer.expect_silence().await;
    peer.send(&frame::window_update(stream, 1000)).await;
    peer.expect_silence().await;
    fixture.set("up", NotServing);
    assert_eq!(peer.expect_data(stream).await, NOT_SERVING);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn only_the_latest_comes_through_a_reopened_window() {
    let fixture = Fixture::new();
    let settings = [(frame::SETTINGS_INITIAL_WINDOW_SIZE, SERVING.len() as u32)];
    let mut peer = fixture.connect_with(PIPE, &settings).await;
    let stream = peer.watch("up").await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    for _ in 0..100 {
        for status in [NotServing, Unknown] {
            fixture.set("up", status);
            peer.expect_silence().await;
        }
    }
    fixture.registry.clear("up");
    peer.expect_silence().await;
    peer.send(&frame::window_update(stream, 1000)).await;
    assert_eq!(peer.expect_data(stream).await, SERVICE_UNKNOWN);
    peer.expect_silence().await;
}

/// All windows are open, but the peer does not read its socket: what the pipe holds and a couple
/// more are all it gets of 10,000 changes, and the last one is among them.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_gets_the_last_value() {
    const CAPACITY: usize = 128;
    let fixture = Fixture::new();
    let settings = [(frame::SETTINGS_INITIAL_WINDOW_SIZE, i32::MAX as u32)];
    let mut peer = fixture.connect_with(CAPACITY, &settings).await;
    peer.send(&frame::window_update(0, i32::MAX as u32 - 65_535))
        .await;
    let stream = peer.watch("up").await;
    for _ in 0..5_000 {
        for status in [NotServing, Serving] {
            fixture.set("up", status);
            // Let the server see each change on its own.
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        }
    }
    fixture.registry.clear("up");
    let frames = peer.recv_until_idle().await;
    let payload = |frame| match frame {
        Frame::Data {
            payload,
            end_stream: false,
            ..
        } => Some(payload),
        _ => None,
    };
    let messages: Vec<Bytes> = frames.into_iter().filter_map(payload).collect();
    let one = Head::LEN + SERVING.len();
    assert!(
        messages.len() <= CAPACITY / one + 3,
        "{} messages",
        messages.len()
    );
    assert!(
        messages.windows(2).all(|pair| pair[0] != pair[1]),
        "{messages:?}"
    );
    assert_eq!(messages.last().expect("the last value"), SERVICE_UNKNOWN);
    // And it is served again like any other.
    fixture.set("up", Serving);
    assert_eq!(peer.expect_data(stream).await, SERVING);
    peer.expect_alive().await;
    peer.expect_silence().await;
}

/// The connection's window is used up to its last byte, also where watchers wait who need none of
/// it, and given to whoever waits when it is opened.
#[tokio::test(start_paused = true)]
async fn answers_share_the_window_of_the_connection() {
    const WINDOW: usize = 65_535;
    let fixture = Fixture::new();
    for i in 0..97 {
        fixture.set(&format!("{i:0200}"), Serving);
    }
    let settings = [(frame::SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20)];
    let mut peer = fixture.connect_with(1 << 20, &settings).await;
    for _ in 0..100 {
        let stream = peer.watch("up").await;
        assert_eq!(peer.expect_data(stream).await, SERVING);
    }
    let is_data = |frame: &&Frame| matches!(frame, Frame::Data { .. });
    // They have something to say, then nothing again.
    fixture.set("up", NotServing);
    let told = peer.recv_until_idle().await;
    assert_eq!(told.iter().filter(is_data).count(), 100);
    let mut lists = Vec::new();
    for _ in 0..4 {
        lists.push(peer.call(&Request::new(LIST), &envelope(0, b"")).await);
    }
    let check = peer
        .call(&Request::new(CHECK), &health_request("down"))
        .await;
    let len = |frame: &Frame| match frame {
        Frame::Data { payload, .. } => payload.len(),
        _ => 0,
    };
    let first = peer.recv_until_idle().await;
    let used: usize = first.iter().filter(is_data).map(len).sum();
    assert_eq!(used + 200 * SERVING.len(), WINDOW);
    // A stalled call that is given up leaves its share to the others.
    let last_list = *lists.last().expect("four");
    peer.send(&frame::reset(last_list, CANCEL)).await;
    peer.send(&frame::window_update(0, 30_000)).await;
    let rest = peer.recv_until_idle().await;
    for stream in [lists[0], lists[1], lists[2], check] {
        let all = first
            .iter()
            .chain(&rest)
            .filter(|frame| frame.stream() == stream);
        assert!(
            matches!(
                all.last(),
                Some(Frame::Headers {
                    end_stream: true,
                    ..
                })
            ),
            "{stream} is complete"
        );
    }
    assert_eq!(fixture.server.stats().calls_waiting, 100);
    peer.expect_alive().await;
}

/// Nothing can be written, but what the peer says is read.
#[tokio::test(start_paused = true)]
async fn a_cancel_is_seen_while_nothing_can_be_written() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect_with(64, &[]).await;
    let stream = peer.watch("up").await;
    for _ in 0..100 {
        for status in [NotServing, Serving] {
            fixture.set("up", status);
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(fixture.server.stats().calls_waiting, 1);
    peer.send(&frame::reset(stream, CANCEL)).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(fixture.server.stats().calls_waiting, 0);
    assert_eq!(fixture.server.stats().calls_cancelled, 1);
    peer.recv_until_idle().await;
    peer.expect_alive().await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_passes_while_nothing_can_be_written() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect_with(64, &[]).await;
    let request = Request::new(WATCH).with("grpc-timeout", "5S");
    let stream = peer.call(&request, &health_request("up")).await;
    peer.expect_head(stream).await;
    for _ in 0..100 {
        for status in [NotServing, Serving] {
            fixture.set("up", status);
            tokio::task::yield_now().await;
        }
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(fixture.server.stats().deadlines_exceeded, 1);
    assert_eq!(fixture.server.stats().calls_waiting, 0);
    loop {
        match peer.recv_on(stream).await {
            Frame::Data {
                end_stream: false, ..
            } => {}
            Frame::Headers {
                end_stream: true,
                fields,
                ..
            } => {
                let code = DEADLINE_EXCEEDED.to_string();
                assert_eq!(fields.get("grpc-status"), Some(code.as_str()));
                break;
            }
            other => panic!("expected DATA or trailers, got {other:?}"),
        }
    }
    peer.expect_alive().await;
    peer.expect_silence().await;
}
