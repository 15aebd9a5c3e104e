//! Clients that read slowly, or not at all, and what that does to handlers.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use grpc_health::Status;
use grpc_health::router::{Raw, Request, Response, Route, Router, Streaming};
use grpc_health::service::Service;
use tokio_stream::Stream;

use crate::fixture::{Answer, Count, polled, raw, reply, router, serve, serve_with, settle};
use crate::support::frame::{self, Frame, Head};
use crate::support::grpc::{Request as Call, envelope};
use crate::support::peer::{PIPE, Peer};

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

/// A method that answers with messages of `len` bytes for ever, and how often it was asked for one.
fn endless<S: Service>(router: Router<S>, route: Route, len: usize, asked: &Count) -> Router<S> {
    let asked = asked.clone();
    router.server_streaming(route, move |_: One| {
        let asked = asked.clone();
        async move {
            Ok(Response::new(polled(move |_| {
                asked.add();
                Poll::Ready(Some(Ok::<_, Status>(raw(vec![0; len]))))
            })))
        }
    })
}

fn windows(bytes: u32) -> [(u16, u32); 1] {
    [(frame::SETTINGS_INITIAL_WINDOW_SIZE, bytes)]
}

/// Opens the connection's window as far as it goes.
async fn open(peer: &mut Peer) {
    let update = frame::window_update(0, i32::MAX as u32 - 65_535);
    peer.send(&update).await;
}

/// The bytes of DATA that have come.
async fn data(peer: &mut Peer) -> usize {
    let frames = peer.recv_until_idle().await;
    let len = |frame: &Frame| match frame {
        Frame::Data { payload, .. } => payload.len(),
        _ => 0,
    };
    frames.iter().map(len).sum()
}

/// With its window used up a handler is asked for one message more, and then for one each time there was room for the last.
#[tokio::test(start_paused = true)]
async fn a_closed_window_stops_the_handler() {
    const LEN: usize = 100 - 5;
    for (spawned, ahead) in [(false, 1), (true, 3)] {
        for buffer in [0, 1, 32 << 10] {
            let asked = Count::default();
            let route = Route::new("/t.T/S").send_buffer(buffer);
            let route = if spawned { route.spawned() } else { route };
            let host = serve(endless(router(), route, LEN, &asked));
            let mut peer = host.connect_with(PIPE, &windows(1_000)).await;
            let stream = peer.ask("/t.T/S", b"").await;
            assert_eq!(data(&mut peer).await, 1_000);
            let context = format!("spawned {spawned}, buffer {buffer}");
            let at_most = |sent: usize| sent / 100 + ahead;
            assert!(asked.get() <= at_most(1_000), "{context}: {}", asked.get());
            for i in 1..=20 {
                peer.send(&frame::window_update(stream, 50)).await;
                assert_eq!(data(&mut peer).await, 50, "{context}");
                let sent = 1_000 + 50 * i;
                assert!(asked.get() <= at_most(sent), "{context}: {}", asked.get());
            }
            peer.expect_alive().await;
        }
    }
}

/// All windows are open, but the socket is not read: what waits to be written is limited by the route.
#[tokio::test(start_paused = true)]
async fn a_socket_that_is_not_read_stops_the_handler() {
    const LEN: usize = 1_024 - 5;
    for spawned in [false, true] {
        for buffer in [0, 4 << 10, 32 << 10] {
            let asked = Count::default();
            let route = Route::new("/t.T/S").send_buffer(buffer);
            let route = if spawned { route.spawned() } else { route };
            let host = serve(endless(router(), route, LEN, &asked));
            let mut peer = host.connect_with(4_096, &windows(i32::MAX as u32)).await;
            open(&mut peer).await;
            peer.ask("/t.T/S", b"").await;
            settle().await;
            let before = asked.get();
            settle().await;
            assert_eq!(asked.get(), before, "it stands still");
            // The pipe, what waits, h2's own buffer of one frame and a write, and the message that was one too many.
            let most = (4_096 + buffer as usize + 32_768) / (LEN + Head::LEN) + 3;
            assert!(before <= most, "{before} of {most}, buffer {buffer}");
        }
    }
}

/// The queue of replies grows for a client that takes everything, and is short again after a quiet time.
#[tokio::test(start_paused = true)]
async fn a_client_that_takes_everything_has_a_longer_queue_until_it_is_quiet() {
    const KIB: usize = 1 << 10;
    const LEN: usize = 8 * KIB - 5;
    // A whole reply of 800 KiB fits in, and makes the queue 512 KiB long.
    const PIPE: usize = 910 * KIB;
    let first = (128 + 256 + 512 + 1_024) * KIB;
    for (budget, takes_a_reply, quiet, queued) in [
        (64 << 20, false, 0, first),
        (64 << 20, true, 0, (512 + 1_024) * KIB),
        (64 << 20, true, 15, first),
        // A small budget keeps the queue at 128 KiB.
        (8 << 20, false, 0, 8 * 128 * KIB),
    ] {
        let asked = Count::default();
        let route = Route::new("/t.T/S").send_buffer(u32::MAX);
        let service = endless(router(), route, LEN, &asked);
        let service = service.unary("/t.T/U", async |_: One| reply(vec![0; 800 * KIB]));
        let host = serve_with(service, |builder| builder.send_budget(budget));
        let mut peer = host.connect_with(PIPE, &windows(i32::MAX as u32)).await;
        open(&mut peer).await;
        if takes_a_reply {
            let stream = peer.ask("/t.T/U", b"").await;
            peer.messages(stream).await;
            tokio::time::sleep(Duration::from_secs(quiet)).await;
        }
        peer.expect_alive().await;
        peer.ask("/t.T/S", b"").await;
        settle().await;
        let made = asked.get() * (LEN + 5);
        // One message is too many.
        let context = format!("{made} of {queued} after {quiet} s");
        assert!(made.abs_diff(queued) <= 2 * LEN, "{context}");
    }
}

/// Small messages are small for the peer. For h2, which keeps each in a frame of its own, they are not.
#[tokio::test(start_paused = true)]
async fn the_smallest_messages_are_not_asked_for_by_the_thousand() {
    let asked = Count::default();
    let host = serve(endless(router(), "/t.T/S".into(), 0, &asked));
    let mut peer = host.connect_with(1_024, &windows(i32::MAX as u32)).await;
    open(&mut peer).await;
    peer.ask("/t.T/S", b"").await;
    settle().await;
    let in_pipe = (1_024 + 32_768) / (5 + Head::LEN);
    let waiting = asked.get().saturating_sub(in_pipe);
    assert!(waiting <= 256, "{waiting}");
}

/// A handler that has nothing to say reads on while its client takes nothing, whatever the route's buffer.
#[tokio::test(start_paused = true)]
async fn a_handler_that_only_reads_needs_no_room_for_replies() {
    for spawned in [false, true] {
        for buffer in [0, 1, 32 << 10] {
            let route = Route::new("/t.T/B").send_buffer(buffer);
            let route = if spawned { route.spawned() } else { route };
            let read = Count::default();
            let host = serve(router().bidi(route, {
                let read = read.clone();
                move |r: Many| {
                    let read = read.clone();
                    async move {
                        Ok(Response::new(Counting {
                            requests: r.into_inner(),
                            read,
                            done: false,
                        }))
                    }
                }
            }));
            let mut peer = host.connect_with(PIPE, &windows(0)).await;
            let stream = peer.begin("/t.T/B").await;
            peer.expect_head(stream).await;
            // Ten times what the windows hold, while the client's own stays closed.
            let mut window = i64::from(peer.stream_window);
            for _ in 0..640 {
                let message = envelope(0, &[0; 1_024 - 5]);
                while window < message.len() as i64 {
                    let wanted = |f: &Frame| matches!(f, Frame::WindowUpdate { stream: of, .. } if *of == stream);
                    if let Frame::WindowUpdate { increment, .. } = peer.skip_to(wanted).await {
                        window += i64::from(increment);
                    }
                }
                window -= message.len() as i64;
                peer.send_data(stream, false, &message).await;
            }
            peer.end(stream).await;
            peer.expect_silence().await;
            assert_eq!(read.get(), 640, "spawned {spawned}, buffer {buffer}");
            peer.send(&frame::window_update(stream, 100)).await;
            assert_eq!(peer.messages(stream).await, [b"640"]);
        }
    }
}

/// Reads all, then tells how many there were.
struct Counting {
    requests: Streaming<Raw>,
    read: Count,
    done: bool,
}

impl Stream for Counting {
    type Item = Result<Raw, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while !self.done {
            match Pin::new(&mut self.requests).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(_))) => self.read.add(),
                Poll::Ready(Some(Err(status))) => return Poll::Ready(Some(Err(status))),
                Poll::Ready(None) => {
                    self.done = true;
                    return Poll::Ready(Some(Ok(raw(self.read.get().to_string()))));
                }
            }
        }
        Poll::Ready(None)
    }
}

/// An echo whose client does not read stops, and with it the client; it goes on when the client reads.
#[tokio::test(start_paused = true)]
async fn an_echo_stops_when_its_client_does_not_read_and_goes_on_when_it_does() {
    let read = Count::default();
    let host = serve(router().bidi("/t.T/B", {
        let read = read.clone();
        move |r: Many| {
            let (mut requests, read) = (r.into_inner(), read.clone());
            async move {
                let answer: Answer<_> = Ok(Response::new(polled(move |cx| {
                    let next = Pin::new(&mut requests).poll_next(cx);
                    if matches!(next, Poll::Ready(Some(Ok(_)))) {
                        read.add();
                    }
                    next
                })));
                answer
            }
        }
    }));
    let mut peer = host.connect_with(PIPE, &windows(1_000)).await;
    let stream = peer.begin("/t.T/B").await;
    for _ in 0..60 {
        peer.say(stream, &[7; 1_000]).await;
    }
    assert_eq!(data(&mut peer).await, 1_000);
    // One is on its way out, and no other was taken in.
    assert_eq!(read.get(), 1);
    peer.end(stream).await;
    open(&mut peer).await;
    peer.send(&frame::window_update(stream, 100_000)).await;
    let got = peer.whole(stream).await;
    assert_eq!((got.code(), got.body.len()), (0, 60 * 1_005 - 1_000));
    assert_eq!(read.get(), 60);
}

/// A reply of a unary handler waits for its window in memory, and nothing else does.
#[tokio::test(start_paused = true)]
async fn a_large_reply_goes_out_as_the_window_opens() {
    let host = serve(router().unary("/t.T/U", |_: One| async {
        tokio::task::yield_now().await;
        Ok(raw(vec![1; 300_000]).into())
    }));
    let mut peer = host.connect_with(PIPE, &windows(1_000)).await;
    open(&mut peer).await;
    let stream = peer.call(&Call::new("/t.T/U"), &envelope(0, b"")).await;
    assert_eq!(data(&mut peer).await, 1_000);
    for _ in 0..299 {
        peer.send(&frame::window_update(stream, 1_000)).await;
        assert_eq!(data(&mut peer).await, 1_000);
    }
    peer.send(&frame::window_update(stream, 1_000)).await;
    assert_eq!(peer.expect_data(stream).await.len(), 5);
    peer.expect_trailers(stream, 0).await;
}
