//! How many writes the answers of one turn take.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::fixture::Fixture;
use crate::support::frame;
use crate::support::grpc::{
    CHECK, LIST, NOT_FOUND, OK, Request, SERVING, envelope, health_request,
};
use crate::support::peer::{PIPE, Peer};
use grpc_health::ServingStatus;

/// A pipe that counts the writes.
struct Counting(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.0).poll_write(cx, buf);
        self.1.fetch_add(usize::from(written.is_ready()), Relaxed);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A connection, and the number of the server's writes.
async fn connect(fixture: &Fixture) -> (Peer<DuplexStream>, Arc<AtomicUsize>) {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let writes = Arc::new(AtomicUsize::new(0));
    fixture.serve(Counting(theirs, Arc::clone(&writes)));
    let mut peer = Peer::handshake(ours, &[]).await;
    peer.expect_alive().await;
    (peer, writes)
}

fn check(stream: u32, service: &str) -> Vec<u8> {
    let mut call = frame::headers(stream, false, &Request::new(CHECK).encode());
    call.extend(frame::data(stream, true, &health_request(service)));
    call
}

/// Every other Check is of a service that nobody has registered, so the answers have different lengths.
#[tokio::test(start_paused = true)]
async fn the_answers_of_one_turn_share_a_write() {
    let fixture = Fixture::new();
    let (mut peer, writes) = connect(&fixture).await;
    for calls in [1, 2, 40] {
        let streams: Vec<_> = (0..calls).map(|_| peer.open()).collect();
        let service = |i: usize| if i % 2 == 0 { "up" } else { "nobody" };
        let script: Vec<u8> = streams
            .iter()
            .enumerate()
            .flat_map(|(i, stream)| check(*stream, service(i)))
            .collect();
        let before = writes.load(Relaxed);
        peer.send(&script).await;
        for (i, stream) in streams.into_iter().enumerate() {
            if i % 2 == 0 {
                assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
            } else {
                peer.expect_trailers_only(stream, NOT_FOUND).await;
            }
        }
        assert_eq!(writes.load(Relaxed) - before, 1, "{calls} calls");
    }
}

/// The reply takes two DATA frames, and the request one frame or two.
#[tokio::test(start_paused = true)]
async fn the_frames_of_a_large_answer_share_a_write() {
    let fixture = Fixture::new();
    for i in 0..90 {
        fixture.set(&format!("{i}-{}", "n".repeat(190)), ServingStatus::Serving);
    }
    let (mut peer, writes) = connect(&fixture).await;
    for in_two in [false, true] {
        let stream = peer.open();
        let mut call = frame::headers(stream, false, &Request::new(LIST).encode());
        let body = frame::data(stream, true, &envelope(0, b""));
        let before = writes.load(Relaxed);
        if in_two {
            peer.send(&call).await;
            peer.send(&body).await;
        } else {
            call.extend(body);
            peer.send(&call).await;
        }
        peer.expect_head(stream).await;
        let mut len = 0;
        while len < 18_000 {
            len += peer.expect_data(stream).await.len();
        }
        peer.expect_trailers(stream, OK).await;
        assert_eq!(writes.load(Relaxed) - before, 1, "in two: {in_two}");
    }
}

/// The server counts HEADERS frames to know the last request of a turn. A request's head in two frames, of which the second arrives with
/// another request, makes the server miscount for a turn, and loses nothing.
#[tokio::test(start_paused = true)]
async fn a_head_in_two_turns_loses_no_request() {
    let fixture = Fixture::new();
    let (mut peer, _) = connect(&fixture).await;
    for _ in 0..3 {
        let (first, second, third) = (peer.open(), peer.open(), peer.open());
        let block = Request::new(CHECK).encode();
        let (head, rest) = block.split_at(block.len() / 2);
        let mut script = check(first, "up");
        script.extend(frame::raw(frame::HEADERS, 0, second, head));
        peer.send(&script).await;
        assert_eq!(peer.expect_unary_ok(first).await, SERVING);
        let mut script = frame::raw(frame::CONTINUATION, frame::END_HEADERS, second, rest);
        script.extend(frame::data(second, true, &health_request("up")));
        script.extend(check(third, "up"));
        peer.send(&script).await;
        assert_eq!(peer.expect_unary_ok(second).await, SERVING);
        assert_eq!(peer.expect_unary_ok(third).await, SERVING);
    }
    peer.expect_alive().await;
}
