//! The scripted peer itself, against nothing but h2.

use crate::support::frame::{self, Frame, PROTOCOL_ERROR};
use crate::support::grpc::{CHECK, Request, SERVING, health_request};
use crate::support::io::Trickle;
use crate::support::peer::{PIPE, Peer};
use bytes::Bytes;
use http::{HeaderMap, Response};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};

/// Answers every call with SERVING, whatever it is.
async fn serve(io: impl AsyncRead + AsyncWrite + Unpin) {
    let mut connection = h2::server::handshake(io).await.expect("handshake");
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let path = request.uri().path().to_owned();
        let head = Response::builder().header("content-type", "application/grpc");
        let mut body = respond
            .send_response(head.body(()).expect("head"), false)
            .expect("head");
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().expect("value"));
        if path != CHECK {
            trailers.insert("grpc-message", path.parse().expect("value"));
        }
        body.send_data(Bytes::from_static(SERVING), false)
            .expect("body");
        body.send_trailers(trailers).expect("trailers");
    }
}

async fn connect() -> Peer<DuplexStream> {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    tokio::spawn(serve(theirs));
    Peer::handshake(ours, &[]).await
}

#[tokio::test(start_paused = true)]
async fn reads_what_h2_answers() {
    let mut peer = connect().await;
    // The second and later answers come from h2's dynamic table.
    for _ in 0..3 {
        assert_eq!(peer.check("").await, SERVING);
    }
    let stream = peer.call(&Request::new("/a/b"), &health_request("x")).await;
    peer.expect_head(stream).await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    let trailers = peer.expect_trailers(stream, 0).await;
    assert_eq!(trailers.get("grpc-message"), Some("/a/b"));
    peer.ping().await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn sends_what_h2_refuses() {
    let mut peer = connect().await;
    let stream = peer
        .call_without_body(&Request::new(CHECK).set("te", "gzip"))
        .await;
    peer.expect_reset(stream, PROTOCOL_ERROR).await;
    peer.expect_alive().await;
    // DATA on a stream that never was.
    peer.send(&frame::data(99, true, b"")).await;
    peer.expect_goaway(PROTOCOL_ERROR).await;
    assert_eq!(peer.recv_to_end().await, []);
}

#[tokio::test(start_paused = true)]
async fn speaks_byte_by_byte() {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    tokio::spawn(serve(Trickle::new(theirs)));
    let mut peer = Peer::handshake(ours, &[]).await;
    assert_eq!(peer.check("a").await, SERVING);
    peer.ping().await;
}

#[tokio::test(start_paused = true)]
async fn keeps_other_streams_frames() {
    let mut peer = connect().await;
    let first = peer.call(&Request::new(CHECK), &health_request("")).await;
    let second = peer.call(&Request::new(CHECK), &health_request("")).await;
    assert_eq!(peer.expect_unary_ok(second).await, SERVING);
    assert_eq!(peer.expect_unary_ok(first).await, SERVING);
    peer.finish().await;
    let is_ours = |frame: &Frame| frame.stream() != 0;
    assert!(!peer.recv_to_end().await.iter().any(is_ours));
}
