//! Busy calls and idle ones beside each other on one connection.

use std::task::Poll;

use grpc_health::Status;
use grpc_health::router::{Raw, Request, Response, Router, Streaming};
use grpc_health::service::Service;
use tokio_stream::Stream;

use crate::fixture::{Count, polled, raw, router, serve, settle};
use crate::support::frame::{self, Frame};
use crate::support::grpc::{CHECK, Request as Call, SERVING, health_request};

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

/// A stream that always has a message of `len` bytes, and how often it was asked.
fn fast<S: Service>(router: Router<S>, path: &str, len: usize, asked: &Count) -> Router<S> {
    let asked = asked.clone();
    router.server_streaming(path, move |_: One| {
        let asked = asked.clone();
        async move {
            Ok(Response::new(polled(move |_| {
                asked.add();
                Poll::Ready(Some(Ok::<_, Status>(raw(vec![0; len]))))
            })))
        }
    })
}

/// What one turn takes is limited, whatever the size of the messages: a check that arrives is answered in the next.
#[tokio::test(start_paused = true)]
async fn a_check_is_answered_beside_255_streams_at_full_speed() {
    for len in [0, 1_000] {
        let asked = Count::default();
        let host = serve(fast(router(), "/t.T/S", len, &asked));
        // Windows and pipe are as wide open as they can be: nothing but the turns holds the handlers.
        let windows = [(frame::SETTINGS_INITIAL_WINDOW_SIZE, i32::MAX as u32)];
        let mut peer = host.connect_with(64 << 20, &windows).await;
        peer.send(&frame::window_update(0, i32::MAX as u32 - 65_535))
            .await;
        let mut burst = Vec::new();
        for _ in 0..255 {
            let stream = peer.open();
            burst.extend(frame::headers(stream, false, &Call::new("/t.T/S").encode()));
            burst.extend(frame::data(stream, true, &[0; 5]));
        }
        peer.send(&burst).await;
        while asked.get() < 255 {
            tokio::task::yield_now().await;
        }
        let before = asked.get();
        let check = peer.call(&Call::new(CHECK), &health_request("")).await;
        while host.0.stats().calls < 256 {
            tokio::task::yield_now().await;
        }
        // In one turn each has its fill a few times over, and no more: a turn has 16 rounds.
        let a_fill = 32_768 / (len + 5 + 256) + 2;
        let turn = 16 * 255 * a_fill;
        let between = asked.get() - before;
        assert!(
            between <= 2 * turn,
            "{between} messages of {len}, {turn} a turn"
        );
        let mut frames = 0;
        loop {
            let frame = peer.recv().await;
            frames += 1;
            if frame.stream() == check
                && let Frame::Data { payload, .. } = frame
            {
                assert_eq!(payload, SERVING);
                break;
            }
        }
        // Nor do those that were queued before it hold it back for long.
        assert!(frames <= 4 * turn, "{frames} frames of {len}");
    }
}

/// One that asks without an end for what does not come costs its own turns only.
#[tokio::test(start_paused = true)]
async fn a_handler_that_wakes_itself_leaves_the_others_their_turns() {
    let host = serve(router().server_streaming("/t.T/S", |_: One| async {
        Ok(Response::new(polled(|cx| {
            cx.waker().wake_by_ref();
            Poll::<Option<Result<Raw, Status>>>::Pending
        })))
    }));
    let mut peer = host.connect().await;
    for _ in 0..10 {
        peer.ask("/t.T/S", b"").await;
    }
    for _ in 0..10 {
        let check = peer.call(&Call::new(CHECK), &health_request("")).await;
        peer.expect_unary_ok(check).await;
    }
    assert_eq!(host.0.stats().calls_waiting, 10);
}

/// Nothing happens, and so nobody is polled: neither the handlers nor the connection's task.
#[tokio::test(start_paused = true)]
async fn idle_calls_cost_no_polls() {
    let polls = Count::default();
    let host = serve(
        router()
            .bidi("/t.T/B", {
                let polls = polls.clone();
                move |r: Many| {
                    let (mut requests, polls) = (r.into_inner(), polls.clone());
                    async move {
                        Ok(Response::new(polled(move |cx| {
                            polls.add();
                            std::pin::Pin::new(&mut requests).poll_next(cx)
                        })))
                    }
                }
            })
            .client_streaming("/t.T/C", {
                let polls = polls.clone();
                move |r: Many| {
                    let (mut requests, polls) = (r.into_inner(), polls.clone());
                    async move {
                        let all = std::future::poll_fn(move |cx| {
                            polls.add();
                            std::pin::Pin::new(&mut requests).poll_next(cx).map(|_| ())
                        });
                        all.await;
                        Ok(raw("").into())
                    }
                }
            }),
    );
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let turns = Count::default();
    let served = host.0.serve_connection(theirs);
    tokio::spawn({
        let (turns, mut served) = (turns.clone(), Box::pin(served));
        std::future::poll_fn(move |cx| {
            turns.add();
            served.as_mut().poll(cx)
        })
    });
    let mut peer = crate::support::peer::Peer::handshake(ours, &[]).await;
    let mut open = Vec::new();
    for path in ["/t.T/B", "/t.T/C"] {
        for _ in 0..100 {
            open.push((peer.begin(path).await, path == "/t.T/B"));
        }
    }
    peer.ping().await;
    settle().await;
    let (before, turned) = (polls.get(), turns.get());
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    settle().await;
    assert_eq!((polls.get(), turns.get()), (before, turned));
    // One that is spoken to is polled for it, and none of the others.
    let (stream, _) = open[7];
    peer.say(stream, b"x").await;
    peer.expect_head(stream).await;
    peer.expect_data(stream).await;
    settle().await;
    assert!(polls.get() - before <= 4, "{}", polls.get() - before);
    assert!(turns.get() - turned <= 4, "{}", turns.get() - turned);
    peer.expect_alive().await;
    let also = polls.get();
    settle().await;
    assert_eq!(polls.get(), also);
}
