//! Peers that ask, and do not take the answers.

use grpc_health::ServingStatus::{NotServing, Serving};
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use crate::arena::{Arena, MIB, SECOND, count};
use crate::memory::Memory;
use crate::support::frame::{self, SETTINGS_INITIAL_WINDOW_SIZE};
use crate::support::grpc::{RESOURCE_EXHAUSTED, Request, WATCH, health_request};

async fn flip(arena: &Arena, times: usize) {
    for _ in 0..times {
        for status in [NotServing, Serving] {
            arena.set(status);
            // The server has time for each of them.
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a14_watches_without_a_window_are_reset_after_30_s() {
    let (arena, mut neighbour) = Arena::new().await;
    let mut peer = arena
        .connect_with(&[(SETTINGS_INITIAL_WINDOW_SIZE, 0)])
        .await;
    let start = Instant::now();
    let mut streams = Vec::new();
    for _ in 0..256 {
        streams.push(peer.watch("up").await);
    }
    assert_eq!(arena.server.stats().calls_waiting, 256);
    let memory = Memory::mark();
    let attack = async {
        flip(&arena, count(500, 50_000)).await;
        for stream in streams {
            peer.expect_trailers(stream, RESOURCE_EXHAUSTED).await;
        }
        assert_eq!(start.elapsed(), 30 * SECOND);
        peer.ping().await;
        drop(peer);
    };
    neighbour.beside(attack).await;
    memory.assert_peak_below(MIB);
    assert_eq!(arena.end(neighbour).await.calls_stalled, 256);
}

/// All windows are open, but nothing is read.
#[tokio::test(start_paused = true)]
async fn a14_a_peer_that_reads_nothing_is_closed_after_20_s() {
    let (arena, mut neighbour) = Arena::new().await;
    let mut io = arena.dial(64 * 1024);
    let mut bytes = frame::PREFACE.to_vec();
    bytes.extend(frame::settings(&[(
        SETTINGS_INITIAL_WINDOW_SIZE,
        i32::MAX as u32,
    )]));
    bytes.extend(frame::window_update(0, i32::MAX as u32 - 65_535));
    bytes.extend(frame::settings_ack());
    let block = Request::new(WATCH).encode();
    for n in 0..256 {
        bytes.extend(frame::headers(1 + 2 * n, false, &block));
        bytes.extend(frame::data(1 + 2 * n, true, &health_request("up")));
    }
    let memory = Memory::mark();
    let start = Instant::now();
    let attack = async {
        io.write_all(&bytes).await.unwrap();
        flip(&arena, count(500, 50_000)).await;
        // The pipe is full.
        while arena.server.stats().connections_open > 1 {
            tokio::time::sleep(SECOND / 100).await;
        }
        start.elapsed()
    };
    let elapsed = neighbour.beside(attack).await;
    assert!(elapsed >= 20 * SECOND, "{elapsed:?}");
    assert!(elapsed < 21 * SECOND, "{elapsed:?}");
    memory.assert_peak_below(MIB);
    let stats = arena.end(neighbour).await;
    assert_eq!((stats.connections_timed_out, stats.calls_waiting), (1, 0));
}
