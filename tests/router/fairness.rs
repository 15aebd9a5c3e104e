//! Busy calls and idle ones beside each other on one connection.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use grpc_health::Status;
use grpc_health::router::{Raw, Request, Response, Router, Streaming};
use grpc_health::service::Service;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::unconstrained;
use tokio::time::timeout;
use tokio_stream::Stream;

use crate::fixture::{Count, polled, raw, router, serve, settle};
use crate::support::frame::{self, Head};
use crate::support::grpc::{CHECK, Request as Call, health_request};

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

/// A connection that the test polls, and the client's end of its pipe.
struct ByHand {
    served: Pin<Box<dyn Future<Output = ()> + Send>>,
    io: DuplexStream,
    /// What was read and is no whole frame.
    read: Vec<u8>,
}

impl ByHand {
    async fn turn(&mut self) {
        // What a task may do before tokio has it yield begins anew.
        tokio::task::yield_now().await;
        std::future::poll_fn(|cx| Poll::Ready(self.served.as_mut().poll(cx).is_ready())).await;
    }

    /// The frames that are in the pipe, heads alone.
    async fn heads(&mut self) -> Vec<Head> {
        let read = async { while self.io.read_buf(&mut self.read).await.unwrap() > 0 {} };
        let read = timeout(Duration::from_millis(1), unconstrained(read)).await;
        assert!(read.is_err(), "the connection is open");
        let (mut heads, mut at) = (Vec::new(), 0);
        while let Some(head) = self.read.get(at..at + Head::LEN).map(Head::parse) {
            let end = at + Head::LEN + head.len;
            if self.read.len() < end {
                break;
            }
            at = end;
            heads.push(head);
        }
        self.read.drain(..at);
        heads
    }
}

/// What a round of a connection takes is limited, whatever the size of the messages: a check that arrives is answered in the next.
#[tokio::test(start_paused = true)]
async fn a_check_is_answered_beside_255_streams_at_full_speed() {
    for len in [0, 1_000] {
        let asked = Count::default();
        let host = serve(fast(router(), "/t.T/S", len, &asked));
        let (io, theirs) = tokio::io::duplex(256 << 20);
        let served = Box::pin(host.0.serve_connection(theirs));
        let mut connection = ByHand {
            served,
            io,
            read: Vec::new(),
        };
        // Windows and pipe are as wide open as they can be: nothing but the rounds holds the handlers.
        let windows = [(frame::SETTINGS_INITIAL_WINDOW_SIZE, i32::MAX as u32)];
        let mut burst = frame::PREFACE.to_vec();
        burst.extend(frame::settings(&windows));
        burst.extend(frame::settings_ack());
        burst.extend(frame::window_update(0, i32::MAX as u32 - 65_535));
        let streams: Vec<u32> = (0..256).map(|i| 2 * i + 1).collect();
        let (check, busy) = streams.split_last().unwrap();
        for stream in busy {
            let block = Call::new("/t.T/S").encode();
            burst.extend(frame::headers(*stream, false, &block));
            burst.extend(frame::data(*stream, true, &[0; 5]));
        }
        connection.io.write_all(&burst).await.unwrap();
        while host.0.stats().calls < 255 {
            connection.turn().await;
        }
        connection.heads().await;
        let mut before = asked.get();
        let mut request = frame::headers(*check, false, &Call::new(CHECK).encode());
        request.extend(frame::data(*check, true, &health_request("")));
        connection.io.write_all(&request).await.unwrap();
        // What was asked for already may go first, which is one round's; after that the streams take turns, frame by frame.
        let round = 255 * (32_768 / (len + 5 + 256) + 2);
        let mut frames = 0;
        loop {
            connection.turn().await;
            let asked_in_turn = asked.get() - before;
            before += asked_in_turn;
            assert!(asked_in_turn <= 16 * round, "{asked_in_turn} of {len}");
            let heads = connection.heads().await;
            let last = |head: &Head| head.stream == *check && head.flags & frame::END_STREAM != 0;
            if let Some(at) = heads.iter().position(last) {
                frames += at;
                break;
            }
            frames += heads.len();
            assert!(frames < 10 * round, "no answer");
        }
        assert!(frames <= round + 4 * 256, "{frames} frames of {len} first");
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
                            Pin::new(&mut requests).poll_next(cx)
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
                            Pin::new(&mut requests).poll_next(cx).map(|_| ())
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
    tokio::time::sleep(Duration::from_secs(60)).await;
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
