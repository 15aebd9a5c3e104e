//! Rows 52–63: responses.

use crate::fixture::{Fixture, connect};
use crate::support::frame::{self, Frame};
use crate::support::grpc::{
    CHECK, LIST, NOT_FOUND, NOT_SERVING, OK, RESOURCE_EXHAUSTED, Request, SERVING, UNAVAILABLE,
    UNIMPLEMENTED, WATCH, health_request,
};
use crate::support::hpack::Fields;
use crate::support::peer::{PIPE, Peer};
use grpc_health::ServingStatus;

fn fields(frame: &Frame) -> &Fields {
    match frame {
        Frame::Headers { fields, .. } => fields,
        other => panic!("expected HEADERS, got {other:?}"),
    }
}

/// All frames of one answer, compared as a whole.
#[tokio::test(start_paused = true)]
async fn row_52_a_unary_answer_is_headers_data_headers() {
    let mut peer = connect().await;
    let stream = peer.call(&Request::new(CHECK), &health_request("up")).await;
    let frames = peer.recv_until_idle().await;
    let frames: Vec<_> = frames
        .into_iter()
        .filter(|frame| frame.stream() == stream)
        .collect();
    let [head, data, trailers] = &frames[..] else {
        panic!("three frames, not {frames:?}")
    };
    assert!(matches!(
        head,
        Frame::Headers {
            end_stream: false,
            ..
        }
    ));
    assert_eq!(fields(head).names(), [":status", "content-type"]);
    assert_eq!(fields(head).get(":status"), Some("200"));
    assert_eq!(fields(head).get("content-type"), Some("application/grpc"));
    let body = b"\x00\x00\x00\x00\x02\x08\x01";
    assert_eq!(
        *data,
        Frame::Data {
            stream,
            end_stream: false,
            payload: body[..].into()
        }
    );
    assert!(matches!(
        trailers,
        Frame::Headers {
            end_stream: true,
            ..
        }
    ));
    assert_eq!(fields(trailers).names(), ["grpc-status"]);
    assert_eq!(fields(trailers).get("grpc-status"), Some("0"));
}

/// The status is in the trailers and nowhere else, also where it is 0.
#[tokio::test(start_paused = true)]
async fn row_53_the_status_is_in_the_trailers() {
    let mut peer = connect().await;
    for path in [CHECK, LIST] {
        let stream = peer.call(&Request::new(path), &health_request("")).await;
        // expect_head knows the names a head may have: no grpc-status.
        peer.expect_head(stream).await;
        peer.expect_data(stream).await;
        peer.expect_trailers(stream, OK).await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_54_an_error_without_messages_is_one_frame() {
    let mut peer = connect().await;
    let stream = peer
        .call(&Request::new(CHECK), &health_request("nope"))
        .await;
    let frames = peer.recv_until_idle().await;
    let frames: Vec<_> = frames
        .into_iter()
        .filter(|frame| frame.stream() == stream)
        .collect();
    let [
        Frame::Headers {
            end_stream: true,
            fields,
            ..
        },
    ] = &frames[..]
    else {
        panic!("one HEADERS, not {frames:?}")
    };
    assert_eq!(fields.get(":status"), Some("200"));
    assert_eq!(fields.get("content-type"), Some("application/grpc"));
    assert_eq!(
        fields.get("grpc-status"),
        Some(NOT_FOUND.to_string().as_str())
    );
}

#[tokio::test(start_paused = true)]
async fn row_55_an_error_after_messages_is_trailers() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let request = Request::new(WATCH).with("grpc-timeout", "1S");
    let stream = peer.call(&request, &health_request("up")).await;
    peer.expect_head(stream).await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    fixture.set("up", ServingStatus::NotServing);
    assert_eq!(peer.expect_data(stream).await, NOT_SERVING);
    // expect_trailers knows the names trailers may have: neither :status nor content-type.
    peer.expect_trailers(stream, crate::support::grpc::DEADLINE_EXCEEDED)
        .await;
    peer.expect_silence().await;
}

/// Whatever the client puts into a message comes back escaped and capped; see `assert_message`.
#[tokio::test(start_paused = true)]
async fn row_56_messages_are_escaped_and_capped() {
    let mut peer = connect().await;
    let long = format!("/grpc.health.v1.Health/{}", "m".repeat(7000));
    for path in [
        "/grpc.health.v1.Health/%41%",
        "/a%2Fb.c/\u{e9}",
        "/a/b\u{263a}",
        &long,
    ] {
        let stream = peer.call(&Request::new(path), &health_request("up")).await;
        peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
        peer.expect_alive().await;
    }
    let content_type = format!("text/\u{e9}%{}", "x".repeat(7000));
    let request = Request::new(CHECK).set("content-type", content_type);
    let stream = peer.call(&request, &health_request("up")).await;
    peer.expect_error(stream, 415, 3).await;
    let request = Request::new(CHECK).with("grpc-encoding", "\u{e9}%\u{263a}");
    let stream = peer.call(&request, &health_request("up")).await;
    peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_58_grpc_outcomes_are_http_200() {
    let mut peer = connect().await;
    let outcomes = [
        ("/no.S/M", "", UNIMPLEMENTED),
        (CHECK, "nope", NOT_FOUND),
        (CHECK, &"n".repeat(201), RESOURCE_EXHAUSTED),
    ];
    for (path, service, code) in outcomes {
        let stream = peer
            .call(&Request::new(path), &health_request(service))
            .await;
        peer.expect_error(stream, 200, code).await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_61_nothing_is_written_after_a_cancel() {
    let fixture = Fixture::new();
    // A server without a budget hears of the change, and does not read the cancel: it may send the change.
    let (ours, theirs) = tokio::io::duplex(PIPE);
    tokio::spawn(fixture.server.serve_connection(theirs));
    let mut peer = Peer::handshake(ours, &[]).await;
    let stream = peer.watch("up").await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    // The change and the cancel are there when the server runs next.
    fixture.set("up", ServingStatus::NotServing);
    peer.send(&frame::reset(stream, frame::CANCEL)).await;
    peer.ping().await;
    fixture.set("up", ServingStatus::Serving);
    peer.expect_alive().await;
    peer.expect_silence().await;
}

/// In the order the rows of a drain are written: see `shutdown.rs` for the rest of it.
#[tokio::test(start_paused = true)]
async fn row_60_a_watch_after_goaway_gets_its_message_and_14() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    // As long as the PING behind the first GOAWAY is not acknowledged, new streams are served.
    peer.ack_pings = false;
    let held = peer.start_call(&Request::new(CHECK)).await;
    peer.ping().await;
    let stopped = fixture.shut_down();
    assert_eq!(peer.expect_goaway(frame::NO_ERROR).await, i32::MAX as u32);
    let stream = peer.watch("up").await;
    assert_eq!(peer.expect_data(stream).await, NOT_SERVING);
    peer.expect_trailers(stream, UNAVAILABLE).await;
    // A call that was there before is waited for, and so is one that came in time.
    assert_eq!(peer.check("up").await, NOT_SERVING);
    peer.send_data(held, true, &health_request("up")).await;
    assert_eq!(peer.expect_unary_ok(held).await, NOT_SERVING);
    peer.ack_ping().await;
    let last = peer.expect_goaway(frame::NO_ERROR).await;
    assert!(last < i32::MAX as u32);
    peer.recv_to_end().await;
    stopped.await.expect("no panic");
}
