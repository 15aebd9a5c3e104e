//! Rows 64–73: streams and connections.

use crate::fixture::{Fixture, connect};
use crate::support::frame::{self, CANCEL, Frame, NO_ERROR};
use crate::support::grpc::{
    CHECK, LIST, NOT_SERVING, OK, Request, SERVICE_UNKNOWN, SERVING, WATCH, health_request,
};
use crate::support::peer::PIPE;
use bytes::Bytes;
use grpc_health::ServingStatus::{NotServing, Serving, Unknown};

const NO_WINDOW: [(u16, u32); 1] = [(frame::SETTINGS_INITIAL_WINDOW_SIZE, 0)];

#[tokio::test(start_paused = true)]
async fn row_64_a_cancelled_watch_frees_its_slot() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let mut streams = Vec::new();
    for service in ["up", "nope", ""] {
        let stream = peer.watch(service).await;
        peer.expect_data(stream).await;
        streams.push(stream);
    }
    assert_eq!(fixture.server.stats().calls_waiting, 3);
    for (freed, stream) in streams.into_iter().enumerate() {
        peer.send(&frame::reset(stream, CANCEL)).await;
        peer.expect_silence().await;
        let stats = fixture.server.stats();
        assert_eq!(stats.calls_waiting, 2 - freed as u64);
        assert_eq!(stats.calls_cancelled, freed as u64 + 1);
    }
    peer.expect_alive().await;
}

#[tokio::test(start_paused = true)]
async fn row_64_a_call_may_be_cancelled_at_any_point() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect_with(PIPE, &NO_WINDOW).await;
    let body = health_request("up");
    for path in [CHECK, WATCH, LIST] {
        for sent in 0..=body.len() {
            let stream = peer.start_call(&Request::new(path)).await;
            if sent > 0 {
                peer.send_data(stream, sent == body.len(), &body[..sent])
                    .await;
            }
            peer.recv_until_idle().await;
            peer.send(&frame::reset(stream, CANCEL)).await;
            peer.ping().await;
            peer.expect_silence().await;
            assert_eq!(
                fixture.server.stats().calls_waiting,
                0,
                "{path} after {sent} bytes"
            );
        }
    }
}

/// HEADERS and RST_STREAM in one write, on a stream nobody has accepted yet.
#[tokio::test(start_paused = true)]
async fn row_64_a_call_may_be_cancelled_before_it_is_seen() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    for path in [CHECK, WATCH] {
        let stream = peer.open();
        let block = Request::new(path).encode();
        let mut script = frame::headers(stream, false, &block);
        script.extend(frame::data(stream, true, &health_request("up")));
        script.extend(frame::reset(stream, CANCEL));
        peer.send(&script).await;
        peer.expect_alive().await;
        peer.expect_silence().await;
        assert_eq!(fixture.server.stats().calls_waiting, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn row_64_the_end_of_a_connection_frees_its_slots() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    for service in ["up", "nope"] {
        let stream = peer.watch(service).await;
        peer.expect_data(stream).await;
    }
    peer.start_call(&Request::new(CHECK)).await;
    peer.ping().await;
    assert_eq!(fixture.server.stats().calls_waiting, 3);
    assert_eq!(fixture.server.stats().connections_open, 1);
    drop(peer);
    let mut other = fixture.connect().await;
    other.expect_alive().await;
    assert_eq!(fixture.server.stats().calls_waiting, 0);
    assert_eq!(fixture.server.stats().connections_open, 1);
}

/// Row 66, and the rest of row 60: what is above the last id of the final GOAWAY is never executed.
#[tokio::test(start_paused = true)]
async fn row_66_calls_finish_after_goaway() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let held = peer.start_call(&Request::new(CHECK)).await;
    peer.send_data(held, false, &health_request("up")[..6])
        .await;
    peer.ping().await;
    let stopped = fixture.shut_down();
    assert_eq!(peer.expect_goaway(NO_ERROR).await, i32::MAX as u32);
    assert_eq!(peer.expect_goaway(NO_ERROR).await, held);
    let calls = fixture.server.stats().calls;
    let late = peer.call(&Request::new(CHECK), &health_request("up")).await;
    peer.expect_silence().await;
    peer.send_data(held, true, &health_request("up")[6..]).await;
    assert_eq!(peer.expect_unary_ok(held).await, NOT_SERVING);
    let rest = peer.recv_to_end().await;
    assert!(!rest.iter().any(|frame| frame.stream() == late), "{rest:?}");
    assert_eq!(fixture.server.stats().calls, calls);
    stopped.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn row_70_ping_and_settings_are_acknowledged() {
    let mut peer = connect().await;
    peer.send(&frame::ping(*b"payload!")).await;
    let pong = Frame::Ping {
        ack: true,
        payload: *b"payload!",
    };
    peer.skip_to(|frame| *frame == pong).await;
    peer.send(&frame::settings(&[
        (frame::SETTINGS_MAX_CONCURRENT_STREAMS, 1),
        (0xff, 1),
    ]))
    .await;
    let ack = Frame::Settings {
        ack: true,
        values: vec![],
    };
    peer.skip_to(|frame| *frame == ack).await;
    peer.expect_alive().await;
}

#[tokio::test(start_paused = true)]
async fn row_71_another_protocol_is_hung_up_on() {
    let hellos: [&[u8]; 3] = [
        b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client hello",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    ];
    for hello in hellos {
        let (mut peer, served) = Fixture::new().connect_silently();
        peer.send(hello).await;
        let frames = peer.recv_to_end().await;
        let polite = |frame: &Frame| matches!(frame, Frame::Settings { .. } | Frame::GoAway { .. });
        assert!(frames.iter().all(polite), "{frames:?}");
        served.await.expect("no panic");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_and_watches_share_a_connection() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let first = peer.watch("up").await;
    let second = peer.watch("down").await;
    assert_eq!(peer.expect_data(first).await, SERVING);
    assert_eq!(peer.expect_data(second).await, NOT_SERVING);
    for _ in 0..10 {
        fixture.set("up", NotServing);
        assert_eq!(peer.check("up").await, NOT_SERVING);
        assert_eq!(peer.expect_data(first).await, NOT_SERVING);
        fixture.set("down", Serving);
        assert_eq!(peer.expect_data(second).await, SERVING);
        assert_eq!(peer.check("down").await, SERVING);
        fixture.set("up", Serving);
        fixture.set("down", NotServing);
        assert_eq!(peer.expect_data(second).await, NOT_SERVING);
        assert_eq!(peer.expect_data(first).await, SERVING);
    }
    peer.send(&frame::reset(first, CANCEL)).await;
    fixture.set("up", NotServing);
    fixture.set("down", Serving);
    assert_eq!(peer.expect_data(second).await, SERVING);
    peer.expect_alive().await;
    peer.expect_silence().await;
}

/// A batch as large as the server allows, answered in full, and once more on the same connection.
#[tokio::test(start_paused = true)]
async fn a_full_batch_is_answered() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect_with(1 << 20, &[]).await;
    for _ in 0..2 {
        let mut script = Vec::new();
        let mut streams = Vec::new();
        let (block, body) = (Request::new(CHECK).encode(), health_request("up"));
        for _ in 0..256 {
            let stream = peer.open();
            script.extend(frame::headers(stream, false, &block));
            script.extend(frame::data(stream, true, &body));
            streams.push(stream);
        }
        peer.send(&script).await;
        for stream in streams {
            assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
        }
    }
    peer.expect_silence().await;
}

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
    peer.expect_trailers_only(other, crate::support::grpc::NOT_FOUND)
        .await;
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
    let one = frame::Head::LEN + SERVING.len();
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
