//! Rows 64–73: streams and connections.

use crate::fixture::{Fixture, connect};
use crate::support::frame::{self, CANCEL, Frame, NO_ERROR};
use crate::support::grpc::{CHECK, LIST, NOT_SERVING, Request, SERVING, WATCH, health_request};
use crate::support::peer::PIPE;
use grpc_health::ServingStatus::{NotServing, Serving};

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
    peer.ping().await;
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
async fn a_half_closed_connection_is_closed() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let stream = peer.watch("up").await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    peer.finish().await;
    peer.recv_to_end().await;
    assert_eq!(fixture.server.stats().calls_waiting, 0);
}

/// As long as the parts of a header block are together, it may have several.
#[tokio::test(start_paused = true)]
async fn a_header_block_may_come_in_parts() {
    let mut peer = connect().await;
    let stream = peer.open();
    let block = Request::new(CHECK).encode();
    let parts: Vec<_> = block.chunks(block.len().div_ceil(5)).collect();
    for (at, part) in parts.iter().enumerate() {
        let kind = if at == 0 {
            frame::HEADERS
        } else {
            frame::CONTINUATION
        };
        let flags = if at + 1 == parts.len() {
            frame::END_HEADERS
        } else {
            0
        };
        peer.send(&frame::raw(kind, flags, stream, part)).await;
    }
    peer.send_data(stream, true, &health_request("up")).await;
    assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn unknown_frames_are_ignored() {
    let mut peer = connect().await;
    let stream = peer.start_call(&Request::new(CHECK)).await;
    for kind in [0x2, 0xb, 0x10, 0xff] {
        // The first is PRIORITY, whose five bytes depend on no stream.
        peer.send(&frame::raw(kind, 0, stream, &[0, 0, 0, 0, 16]))
            .await;
    }
    peer.send_data(stream, true, &health_request("up")).await;
    assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    peer.expect_silence().await;
}
