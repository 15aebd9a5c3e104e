//! How much of the replies that clients do not take a server holds.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::arena::{MIB, SECOND};
use crate::memory::Memory;
use crate::stage::{KIB, Stage, ask, end_of};
use crate::support::frame::{self, CANCEL};
use crate::support::grpc::{RESOURCE_EXHAUSTED, SERVING};

/// Eight connections, each with 32 replies of 64 KiB that nobody takes: 16 MiB, of which the server holds 1.
#[tokio::test(start_paused = true)]
async fn replies_that_nobody_takes_stay_within_the_budget() {
    let stage = Stage::new(|server| server.send_budget(MIB));
    let mut neighbour = stage.connect(1 << 20).await;
    let mut peers = Vec::new();
    for _ in 0..8 {
        peers.push(stage.connect(0).await);
    }
    let memory = Memory::mark();
    let mut streams = Vec::new();
    for _ in 0..32 {
        for (n, peer) in peers.iter_mut().enumerate() {
            streams.push((n, ask(peer, "Reply", 64 * KIB).await));
            peer.ping().await;
        }
        assert_eq!(neighbour.check("").await, SERVING);
    }
    memory.assert_peak_below(MIB + MIB / 2 + 8 * 16 * KIB);
    // Those that had waited longest made room, and say why. At least an eighth of the budget is left for others.
    let ended = stage.stalled();
    assert!((240..=246).contains(&ended), "{ended} of 256");
    let whole = ask(&mut neighbour, "Reply", 100 * KIB).await;
    assert_eq!(end_of(&mut neighbour, whole).await, Ok(100 * KIB + 5));
    let (first, stream) = streams[0];
    peers[first].expect_head(stream).await;
    let trailers = peers[first]
        .expect_trailers(stream, RESOURCE_EXHAUSTED)
        .await;
    let text = trailers.get("grpc-message").unwrap();
    assert!(text.contains("send budget"), "{text}");
    drop(peers);
    sleep(2 * SECOND).await;
    assert_eq!(stage.0.stats().connections_open, 1);
    memory.assert_below(64 * KIB);
}

/// A quarter for one connection. A reply may be longer if it is the connection's only one.
#[tokio::test(start_paused = true)]
async fn one_connection_holds_a_quarter_of_the_budget() {
    let stage = Stage::new(|server| server.send_budget(MIB));
    let mut peer = stage.connect(0).await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(ask(&mut peer, "Reply", 63 * KIB).await);
        sleep(SECOND / 10).await;
    }
    assert_eq!(stage.stalled(), 4);
    // Those that were made last are there still.
    for &stream in &streams[4..] {
        peer.send(&frame::window_update(stream, 64 << 10)).await;
        assert_eq!(end_of(&mut peer, stream).await, Ok(63 * KIB + 5));
    }
    let long = ask(&mut peer, "Reply", MIB / 2).await;
    peer.ping().await;
    peer.send(&frame::window_update(long, 1 << 20)).await;
    assert_eq!(end_of(&mut peer, long).await, Ok(MIB / 2 + 5));
    assert_eq!(stage.stalled(), 4);
}

/// A stream of large replies is not asked for more while there is no room, and goes on when there is.
#[tokio::test(start_paused = true)]
async fn a_stream_waits_for_room_in_the_budget_and_goes_on() {
    let stage = Stage::new(|server| server.send_budget(MIB));
    let mut holders = Vec::new();
    for _ in 0..4 {
        let mut peer = stage.connect(0).await;
        ask(&mut peer, "Reply", 210 * KIB).await;
        peer.ping().await;
        holders.push(peer);
    }
    let mut peer = stage.connect(1 << 20).await;
    let start = Instant::now();
    let stream = ask(&mut peer, "Stream", 100 * KIB).await;
    assert_eq!(end_of(&mut peer, stream).await, Ok(10 * (100 * KIB + 5)));
    // The replies that are in the way end after 30 s.
    assert_eq!(start.elapsed(), 30 * SECOND);
    assert_eq!(stage.stalled(), 4);
    // One that waits can be cancelled, and keeps nobody from the room.
    let mut holders = Vec::new();
    for _ in 0..4 {
        let mut peer = stage.connect(0).await;
        ask(&mut peer, "Reply", 210 * KIB).await;
        peer.ping().await;
        holders.push(peer);
    }
    let cancelled = ask(&mut peer, "Stream", 100 * KIB).await;
    peer.expect_head(cancelled).await;
    peer.ping().await;
    let mut other = stage.connect(1 << 20).await;
    let stream = ask(&mut other, "Stream", 100 * KIB).await;
    other.ping().await;
    peer.send(&frame::reset(cancelled, CANCEL)).await;
    peer.ping().await;
    assert_eq!(peer.check("").await, SERVING);
    drop(holders);
    let start = Instant::now();
    assert_eq!(end_of(&mut other, stream).await, Ok(10 * (100 * KIB + 5)));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// Many clients do at random what clients do. Nothing hangs, no byte is forgotten, and the budget is kept.
#[tokio::test(start_paused = true)]
async fn whatever_clients_do_no_reply_hangs_and_the_budget_is_kept() {
    for seed in 1..=20_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = |n: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % n
        };
        let stage = Stage::new(|server| server.send_budget(MIB));
        let memory = Memory::mark();
        let mut peers = Vec::new();
        for _ in 0..6 {
            let window = [0, 1, 1 << 14, 1 << 20][random(4) as usize];
            peers.push((stage.connect(window).await, Vec::new()));
        }
        for _ in 0..120 {
            let at = random(6) as usize;
            let (peer, streams) = &mut peers[at];
            let bytes = [10, 5_000, 70_000, 200_000][random(4) as usize];
            match random(8) {
                0..=2 => streams.push(ask(peer, "Reply", bytes).await),
                3 => streams.push(ask(peer, "Stream", bytes).await),
                4 | 5 if !streams.is_empty() => {
                    let stream = streams[random(streams.len() as u64) as usize];
                    let room = 1 + random(300_000) as u32;
                    peer.send(&frame::window_update(stream, room)).await;
                }
                6 if !streams.is_empty() => {
                    let stream = streams.swap_remove(random(streams.len() as u64) as usize);
                    peer.send(&frame::reset(stream, CANCEL)).await;
                }
                _ => sleep(SECOND * random(8) as u32).await,
            }
            peer.recv_until_idle().await;
        }
        // The replies, and what the clients have just read.
        memory.assert_peak_below(5 * MIB / 2);
        // From now on nobody does anything. Replies that wait for room get it, one after the other.
        let start = Instant::now();
        while stage.0.stats().calls_waiting > 0 {
            sleep(SECOND).await;
            for (peer, _) in &mut peers {
                peer.recv_until_idle().await;
            }
            assert!(start.elapsed() < 3_600 * SECOND, "seed {seed} hangs");
        }
        let (peer, _) = &mut peers[0];
        // All of the budget is there again.
        let before = stage.stalled();
        for _ in 0..4 {
            ask(peer, "Reply", 60 * KIB).await;
        }
        peer.ping().await;
        assert_eq!(stage.stalled(), before, "seed {seed}");
    }
}
