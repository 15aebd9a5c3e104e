//! Messages that are announced, and calls that are refused.

use crate::arena::{Arena, MIB, count};
use crate::memory::Memory;
use crate::support::frame::NO_ERROR;
use crate::support::grpc::{
    CHECK, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, Request, UNIMPLEMENTED, envelope, prefix,
};

/// The longest request that is read (`src/guide/limits.md`).
const LIMIT: u32 = 4_096;

#[tokio::test(start_paused = true)]
async fn a21_a_message_declared_and_not_sent_takes_no_memory() {
    let (arena, mut neighbour) = Arena::new().await;
    let mut peer = arena.connect().await;
    let mut streams = Vec::new();
    for _ in 0..256 {
        streams.push(peer.start_call(&Request::new(CHECK)).await);
    }
    peer.ping().await;
    let memory = Memory::mark();
    let attack = async {
        for stream in &streams {
            peer.send_data(*stream, false, &prefix(0, LIMIT)).await;
        }
        peer.ping().await;
        assert_eq!(arena.server.stats().calls_waiting, 256);
        // 1 KiB each, a quarter of what was announced.
        memory.assert_peak_below(MIB / 4);
        for stream in streams {
            peer.expect_trailers_only(stream, DEADLINE_EXCEEDED).await;
            peer.expect_reset(stream, NO_ERROR).await;
        }
        for declared in [LIMIT + 1, u32::MAX] {
            let stream = peer.start_call(&Request::new(CHECK)).await;
            peer.send_data(stream, false, &prefix(0, declared)).await;
            peer.expect_trailers_only(stream, RESOURCE_EXHAUSTED).await;
            peer.expect_reset(stream, NO_ERROR).await;
        }
        peer.expect_alive().await;
        drop(peer);
    };
    neighbour.beside(attack).await;
    arena.end(neighbour).await;
}

/// Nothing is inflated of an encoding that is not known.
#[tokio::test(start_paused = true)]
async fn a22_compressed_messages_are_refused_before_they_are_read() {
    let (arena, mut neighbour) = Arena::new().await;
    let mut peer = arena.connect().await;
    let memory = Memory::mark();
    let attack = async {
        for _ in 0..count(200, 1_000) {
            let request = Request::new(CHECK).with("grpc-encoding", "deflate");
            let stream = peer.start_call(&request).await;
            let refused = peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
            assert!(refused.get("grpc-accept-encoding").is_some());
            peer.expect_reset(stream, NO_ERROR).await;
            peer.send_data(stream, true, &envelope(1, &[0; 1_000]))
                .await;
        }
        peer.expect_alive().await;
        drop(peer);
    };
    neighbour.beside(attack).await;
    memory.assert_peak_below(MIB);
    arena.end(neighbour).await;
}
