//! Work that takes long: it is done in small parts, and others get their turn in between. The tests count turns, not time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;

use grpc_health::router::{Raw, Request, Response, Route, Router, Streaming};
use grpc_health::{HealthService, Registry, Server, Status};
use tokio::task::{JoinHandle, LocalSet, yield_now};

use crate::arena::SECOND;
use crate::support::frame::{self, Frame};
use crate::support::grpc::{Request as Call, envelope};
use crate::support::host;
use crate::support::peer::{PIPE, Peer};
use crate::support::slow_gzip::empty_blocks;

const LEN: &str = "/t.T/Len";
const ALL: &str = "/t.T/All";
const AWAKE: &str = "/t.T/Awake";

/// A slice reads at most this many bytes of a compressed message.
const SLICE: usize = 32 << 10;

type Service = Router<HealthService>;

/// `Len` and `All` answer the length of a request's messages. A call of `Awake` has never an answer, and always wants to be polled: it
/// counts its polls.
fn service(polls: &Arc<AtomicUsize>) -> Service {
    let polls = Arc::clone(polls);
    let len = |message: &Raw| message.0.len().to_string();
    Router::new(HealthService::new(Registry::new()))
        .unary(Route::new(LEN), move |request: Request<Raw>| async move {
            Ok(Response::new(Raw(len(&request.into_inner()).into())))
        })
        .client_streaming(
            Route::new(ALL),
            move |request: Request<Streaming<Raw>>| async move {
                let mut messages = request.into_inner();
                let mut all = Vec::new();
                while let Some(message) = tokio_stream::StreamExt::next(&mut messages).await {
                    all.push(len(&message?));
                }
                Ok(Response::new(Raw(all.join(" ").into())))
            },
        )
        .unary(Route::new(AWAKE), move |_: Request<Raw>| {
            let polls = Arc::clone(&polls);
            std::future::poll_fn(move |cx| {
                polls.fetch_add(1, Relaxed);
                cx.waker().wake_by_ref();
                Poll::<Result<Response<Raw>, Status>>::Pending
            })
        })
}

struct Host {
    server: Server<Service>,
    polls: Arc<AtomicUsize>,
}

impl Host {
    fn new() -> Self {
        let polls = Arc::default();
        let server = Server::builder()
            .initial_stream_window(1 << 20)
            .service(service(&polls))
            .build();
        Self { server, polls }
    }

    async fn connect(&self) -> (Peer, JoinHandle<()>) {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let task = host::spawn(self.server.serve_connection(theirs));
        (Peer::handshake(ours, &[]).await, task)
    }

    fn waiting(&self) -> u64 {
        self.server.stats().calls_waiting
    }
}

async fn send(peer: &mut Peer, stream: u32, body: &[u8], end: bool) {
    let mut parts = body.chunks(16 << 10).peekable();
    while let Some(part) = parts.next() {
        let last = end && parts.peek().is_none();
        peer.send_data(stream, last, part).await;
    }
}

async fn ask(peer: &mut Peer, path: &str, message: &[u8]) -> u32 {
    ask_with(peer, &Call::new(path), message).await
}

async fn ask_with(peer: &mut Peer, call: &Call, message: &[u8]) -> u32 {
    let call = call.clone().with("grpc-encoding", "gzip");
    let stream = peer.start_call(&call).await;
    send(peer, stream, &envelope(1, message), true).await;
    stream
}

/// Counts how often another task gets its turn.
fn turns(local: &LocalSet) -> Rc<Cell<usize>> {
    let turns = Rc::new(Cell::new(0));
    let count = Rc::clone(&turns);
    local.spawn_local(async move {
        loop {
            count.set(count.get() + 1);
            yield_now().await;
        }
    });
    turns
}

#[tokio::test(start_paused = true)]
async fn a28_others_have_a_turn_for_each_slice_of_a_message_that_decompresses_slowly() {
    let local = LocalSet::new();
    let host = Host::new();
    let turns = turns(&local);
    let message = empty_blocks(512 << 10);
    local
        .run_until(async {
            for path in [LEN, ALL] {
                let (mut peer, _task) = host.connect().await;
                let before = turns.get();
                let stream = ask(&mut peer, path, &message).await;
                // The message has arrived, and is being decompressed.
                peer.ping().await;
                let arrived = turns.get();
                assert_eq!(host.waiting(), 1, "{path}");
                let answer = peer.expect_unary_ok(stream).await;
                assert_eq!(&answer[5..], b"0");
                let (all, after) = (turns.get() - before, turns.get() - arrived);
                assert!(
                    after >= message.len() / SLICE / 2,
                    "{path}: {after} of {all}"
                );
                assert!(all >= message.len() / SLICE, "{path}: {all}");
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a28_a_message_waits_for_one_message_of_each_other_connection_not_for_all() {
    let host = Host::new();
    let (large, small) = (empty_blocks(256 << 10), empty_blocks(8 << 10));
    let (mut hostile, _task) = host.connect().await;
    let mut streams = Vec::new();
    for _ in 0..12 {
        streams.push(ask(&mut hostile, LEN, &large).await);
    }
    let (mut good, _task) = host.connect().await;
    let stream = ask(&mut good, LEN, &small).await;
    good.expect_unary_ok(stream).await;
    // At most one message of the other connection was complete by then.
    hostile.ping().await;
    let answered = hostile
        .unread()
        .filter(|frame| matches!(frame, Frame::Headers { .. }));
    assert!(answered.count() <= 4);
    for stream in streams {
        hostile.expect_unary_ok(stream).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a28_a_call_ends_while_its_message_is_decompressed() {
    let host = Host::new();
    let message = empty_blocks(512 << 10);
    let (mut peer, _task) = host.connect().await;
    for path in [LEN, ALL] {
        let stream = ask(&mut peer, path, &message).await;
        peer.ping().await;
        assert_eq!(host.waiting(), 1);
        peer.send(&frame::reset(stream, frame::CANCEL)).await;
        peer.ping().await;
        assert_eq!(host.waiting(), 0, "{path}");
        let call = Call::new(path).with("grpc-timeout", "1S");
        let stream = ask_with(&mut peer, &call, &message).await;
        peer.ping().await;
        assert_eq!(host.waiting(), 1);
        tokio::time::advance(2 * SECOND).await;
        let ended = peer.recv_on(stream).await;
        assert!(matches!(ended, Frame::Headers { .. }), "{ended:?}");
        assert_eq!(host.waiting(), 0, "{path}");
    }
    assert_eq!(host.server.stats().deadlines_exceeded, 2);
}

#[tokio::test(start_paused = true)]
async fn a28_a_client_that_closes_its_side_behind_a_compressed_message_is_answered() {
    let host = Host::new();
    let (mut peer, task) = host.connect().await;
    let stream = ask(&mut peer, LEN, &empty_blocks(128 << 10)).await;
    peer.finish().await;
    peer.expect_unary_ok(stream).await;
    peer.recv_to_end().await;
    task.await.expect("no panic");
    assert_eq!(host.server.stats().connection_errors, 0);
}

/// Calls that are always ready are polled as often in a turn as a connection may have streams.
#[tokio::test(start_paused = true)]
async fn a28_calls_that_are_always_ready_do_not_keep_a_turn_going() {
    let local = LocalSet::new();
    let host = Host::new();
    local
        .run_until(async {
            let (mut peer, task) = host.connect().await;
            for _ in 0..100 {
                let call = Call::new(AWAKE);
                peer.call(&call, &envelope(0, b"")).await;
            }
            peer.ping().await;
            assert_eq!(host.waiting(), 100);
            let most = RefCell::new(0);
            for _ in 0..100 {
                let before = host.polls.load(Relaxed);
                yield_now().await;
                let polled = host.polls.load(Relaxed) - before;
                most.replace_with(|most| polled.max(*most));
            }
            let most = most.into_inner();
            assert!((100..=2 * 256).contains(&most), "{most}");
            task.abort();
        })
        .await;
}
