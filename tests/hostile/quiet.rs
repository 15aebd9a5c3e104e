//! What connections keep that once had much to do.

use tokio::time::{Instant, sleep};

use crate::arena::SECOND;
use crate::memory::Memory;
use crate::stage::{KIB, Stage};
use crate::support::frame::{self, CANCEL, NO_ERROR};
use crate::support::grpc::{CHECK, Request, SERVING};

/// 255 open calls of 215 fields left 610 KiB with their connection.
#[tokio::test(start_paused = true)]
async fn a_quiet_connection_gives_back_what_its_calls_needed() {
    let stage = Stage::new(|server| server.ping_burst(1_000));
    // What the server takes once, with its first call.
    let mut first = stage.connect(1 << 16).await;
    assert_eq!(first.check("").await, SERVING);
    drop(first);
    sleep(2 * SECOND).await;
    let before = Memory::mark();
    let mut peer = stage.connect(1 << 16).await;
    let mut request = Request::new(CHECK);
    for n in 0..209 {
        request = request.with(&format!("x-{n}"), "value");
    }
    let block = request.encode();
    let mut streams = Vec::new();
    for _ in 0..255 {
        let stream = peer.open();
        let head = frame::headers(stream, false, &block);
        peer.send(&head).await;
        peer.ping().await;
        streams.push(stream);
    }
    assert_eq!(stage.0.stats().calls_waiting, 255);
    let resets: Vec<_> = streams.iter().map(|&s| frame::reset(s, CANCEL)).collect();
    peer.send(&resets.concat()).await;
    peer.ping().await;
    assert_eq!(stage.0.stats().calls_waiting, 0);
    drop((request, block, streams, resets));
    peer.recv_until_idle().await;
    sleep(2 * SECOND).await;
    // 84 KiB of that are h2's streams, and 12 h2's map of them; 6 are the peer's buffer.
    before.assert_below(136 * KIB);
    assert_eq!(peer.check("").await, SERVING);
    peer.recv_until_idle().await;
    // h2 gives its memory back when the connection ends, and the client takes another one for its next call.
    let start = Instant::now();
    for _ in 0..5 {
        sleep(10 * SECOND).await;
        peer.ping().await;
    }
    peer.expect_goaway(NO_ERROR).await;
    assert!(start.elapsed() <= 60 * SECOND, "{:?}", start.elapsed());
    let frames = peer.recv_to_end().await;
    drop((frames, peer));
    sleep(2 * SECOND).await;
    before.assert_below(8 * KIB);
    // Fewer calls at once leave less, and the connection stays: 23 KiB of its own, and 24 of h2 for 60 streams.
    let mut peer = stage.connect(1 << 16).await;
    let before = Memory::mark();
    let mut streams = Vec::new();
    for _ in 0..60 {
        streams.push(peer.start_call(&Request::new(CHECK)).await);
    }
    for stream in streams {
        peer.send(&frame::reset(stream, CANCEL)).await;
    }
    peer.recv_until_idle().await;
    sleep(120 * SECOND).await;
    before.assert_below(56 * KIB);
    assert_eq!(peer.check("").await, SERVING);
}
