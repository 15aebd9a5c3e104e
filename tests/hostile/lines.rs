//! Calls that wait in line: for room in the budget of replies, and for a socket.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use grpc_health::router::{Raw, Request as Call, Response, Router};
use grpc_health::{HealthService, Registry, Status};
use tokio::time::{Instant, sleep};
use tokio_stream::{Stream, StreamExt as _, iter};

use crate::arena::SECOND;
use crate::memory::Memory;
use crate::stage::{KIB, Service, Stage, ask, end_of};
use crate::support::frame::{self, CANCEL};
use crate::support::peer::Peer;

/// Replies of as many bytes as the request says.
fn made(call: &Call<Raw>) -> Raw {
    let len = std::str::from_utf8(call.get_ref().0.as_ref()).unwrap();
    Raw(vec![7; len.parse().unwrap()].into())
}

fn router() -> Service {
    Router::new(HealthService::new(Registry::new()))
        .unary("/t.T/Reply", |call: Call<Raw>| async move {
            Ok::<_, Status>(Response::new(made(&call)))
        })
        .server_streaming("/t.T/Stream", |call: Call<Raw>| async move {
            let replies = iter(0..10).map(move |_| Ok::<_, Status>(made(&call)));
            Ok(Response::new(replies))
        })
        .server_streaming("/t.T/Ticks", |call: Call<Raw>| async move {
            let replies = iter(0..10)
                .then(|_| sleep(SECOND))
                .map(move |()| Ok::<_, Status>(made(&call)));
            Ok(Response::new(replies))
        })
}

async fn reset(peer: &mut Peer, streams: Vec<u32>) {
    let resets = streams.into_iter().map(|id| frame::reset(id, CANCEL));
    peer.send(&resets.collect::<Vec<_>>().concat()).await;
}

/// The first connection in line was over its own part when its turn came, and kept its place: nobody else made a large reply until the
/// connection's client read.
#[tokio::test(start_paused = true)]
async fn a_connection_over_its_part_does_not_keep_others_from_the_budget() {
    // 896 KiB are full, and 224 KiB are one connection's part.
    let stage = Stage::of(router(), |server| server.send_budget(1 << 20));
    let mut first = stage.connect(0).await;
    ask(&mut first, "Reply", 60 * KIB).await;
    let ticks = ask(&mut first, "Ticks", 40 * KIB).await;
    first.send(&frame::window_update(ticks, 1 << 20)).await;
    sleep(SECOND * 3 / 2).await;
    let mut full = stage.connect(0).await;
    let long = ask(&mut full, "Reply", 800 * KIB).await;
    // 860 KiB are held, and the second tick has no room.
    sleep(SECOND).await;
    // This reply makes the long one end. 190 KiB are held then.
    ask(&mut first, "Reply", 130 * KIB).await;
    assert_eq!(end_of(&mut full, long).await, Err(8));
    let mut other = stage.connect(1 << 20).await;
    let start = Instant::now();
    let stream = ask(&mut other, "Stream", 40 * KIB).await;
    assert_eq!(end_of(&mut other, stream).await, Ok(10 * (40 * KIB + 5)));
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
}

/// A stream of replies that counts its polls.
struct Polls(Arc<AtomicUsize>);

impl Stream for Polls {
    type Item = Result<Raw, Status>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.fetch_add(1, Relaxed);
        Poll::Pending
    }
}

/// Each stream left its number in a list, and was polled for each number when the socket took bytes again.
#[tokio::test(start_paused = true)]
async fn streams_that_come_and_go_behind_a_blocked_socket_leave_nothing() {
    const STREAMS: usize = 200;
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&polls);
    let router = router().server_streaming("/t.T/Polls", move |_: Call<Raw>| {
        let counted = Arc::clone(&counted);
        async move { Ok(Response::new(Polls(counted))) }
    });
    let stage = Stage::of(router, |server| server);
    let mut peer = stage.connect(190 << 10).await;
    // The pipe holds less.
    ask(&mut peer, "Reply", 180 * KIB).await;
    for round in 0..=50 {
        let mut streams = Vec::new();
        for _ in 0..STREAMS {
            streams.push(ask(&mut peer, "Polls", 0).await);
        }
        // A call that was open for 100 ms is no part of a rapid reset.
        sleep(SECOND / 8).await;
        if round < 50 {
            reset(&mut peer, streams).await;
            sleep(SECOND / 100).await;
        }
    }
    let before = polls.load(Relaxed);
    peer.recv_until_idle().await;
    let polled = polls.load(Relaxed) - before;
    assert!(polled >= STREAMS, "{polled} polls");
    assert!(polled <= 3 * STREAMS, "{polled} polls");
}

#[tokio::test(start_paused = true)]
async fn streams_that_come_and_go_behind_a_full_budget_leave_nothing() {
    let stage = Stage::of(router(), |server| server.send_budget(1 << 20));
    let mut full = stage.connect(0).await;
    // 896 KiB are full.
    ask(&mut full, "Reply", 894 * KIB).await;
    full.ping().await;
    let mut peer = stage.connect(1 << 20).await;
    // The first in line stays.
    ask(&mut peer, "Stream", 2 * KIB).await;
    let mut memory = Memory::mark();
    for round in 0..100 {
        let mut streams = Vec::new();
        for _ in 0..5 {
            for _ in 0..20 {
                streams.push(ask(&mut peer, "Stream", 2 * KIB).await);
            }
            // The pipe has room for 64 KiB.
            peer.recv_until_idle().await;
        }
        sleep(SECOND / 8).await;
        // All of them have sent one reply, and wait for room.
        assert_eq!(stage.0.stats().calls_waiting, 102);
        reset(&mut peer, streams).await;
        peer.ping().await;
        if round == 10 {
            memory = Memory::mark();
        }
    }
    assert_eq!(stage.stalled(), 0);
    memory.assert_below(16 * KIB);
}
