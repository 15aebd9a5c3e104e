//! Frames in numbers that no client needs. `tests/protocol/guard.rs` has each flood at its smallest.

use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use crate::arena::{Arena, MIB, SECOND, count, goaway};
use crate::memory::Memory;
use crate::support::frame::{self, ENHANCE_YOUR_CALM, SETTINGS_INITIAL_WINDOW_SIZE};
use crate::support::grpc::{CHECK, Request};

const PRIORITY: u8 = 0x2;
const UNKNOWN: u8 = 0xfa;

/// Ends the connection of `flood`, in no time and in little memory.
async fn assert_cut(what: &str, streams: usize, frame: &[u8]) {
    let flood = frame.repeat(count(20_000, 1_000_000));
    let (arena, mut neighbour) = Arena::new().await;
    let mut peer = arena.connect().await;
    for _ in 0..streams {
        peer.watch("up").await;
    }
    let memory = Memory::mark();
    let start = Instant::now();
    let attack = async {
        let sent = peer.flood(&flood).await;
        assert!(start.elapsed() < SECOND, "{what}");
        sent
    };
    let sent = neighbour.beside(attack).await;
    assert_eq!(goaway(&sent).0, ENHANCE_YOUR_CALM, "{what}");
    memory.assert_peak_below(MIB);
    assert_eq!(arena.end(neighbour).await.floods, 1, "{what}");
}

#[tokio::test(start_paused = true)]
async fn a08_pings() {
    assert_cut("PING", 0, &frame::ping([7; 8])).await;
    assert_cut("acknowledgements", 0, &frame::ping_ack([7; 8])).await;
}

/// Each walks over all streams.
#[tokio::test(start_paused = true)]
async fn a09_settings() {
    let window = |bytes| frame::settings(&[(SETTINGS_INITIAL_WINDOW_SIZE, bytes)]);
    let both = [window(1), window(65_535)].concat();
    assert_cut("SETTINGS", 255, &both).await;
}

#[tokio::test(start_paused = true)]
async fn a10_priorities() {
    let priority = frame::raw(PRIORITY, 0, 1, &[0, 0, 0, 3, 9]);
    assert_cut("PRIORITY", 1, &priority).await;
}

#[tokio::test(start_paused = true)]
async fn a11_frames_of_no_use() {
    assert_cut("unknown", 0, &frame::raw(UNKNOWN, 0, 0, &[])).await;
    assert_cut("long unknown", 0, &frame::raw(UNKNOWN, 0, 0, &[0; 100])).await;
}

#[tokio::test(start_paused = true)]
async fn a19_window_updates() {
    assert_cut("the connection's", 1, &frame::window_update(0, 1)).await;
    assert_cut("a stream's", 1, &frame::window_update(1, 1)).await;
}

/// h2 counts these itself.
#[tokio::test(start_paused = true)]
async fn a11_empty_data() {
    let (arena, mut neighbour) = Arena::new().await;
    let mut peer = arena.connect().await;
    let stream = peer.start_call(&Request::new(CHECK)).await;
    let empty = frame::data(stream, false, b"").repeat(count(20_000, 1_000_000));
    let memory = Memory::mark();
    let sent = neighbour.beside(peer.flood(&empty)).await;
    assert_eq!(goaway(&sent).0, ENHANCE_YOUR_CALM);
    memory.assert_peak_below(MIB);
    arena.end(neighbour).await;
}

/// What has to be answered waits for a peer that never reads: it is not heaped up, and not for long.
async fn assert_left(what: &str, attack: Vec<u8>) {
    let (arena, mut neighbour) = Arena::new().await;
    let mut io = arena.dial(1_024);
    let mut bytes = frame::PREFACE.to_vec();
    bytes.extend(frame::settings(&[]));
    bytes.extend(attack);
    let memory = Memory::mark();
    let start = Instant::now();
    let attack = async {
        let closed = io.write_all(&bytes).await.is_err();
        assert!(closed, "{what}: everything was taken");
        start.elapsed()
    };
    let elapsed = neighbour.beside(attack).await;
    println!("{what}: {elapsed:?}");
    assert!(elapsed < 22 * SECOND, "{what}: {elapsed:?}");
    memory.assert_peak_below(MIB);
    arena.end(neighbour).await;
}

#[tokio::test(start_paused = true)]
async fn a08_pings_whose_answers_are_not_read() {
    let pings = frame::ping([7; 8]).repeat(count(20_000, 1_000_000));
    assert_left("PING", pings).await;
}

#[tokio::test(start_paused = true)]
async fn a13_resets_that_are_not_read() {
    let malformed = Request::new(CHECK).set("te", "gzip").encode();
    let requests = (0..count(5_000, 100_000) as u32)
        .flat_map(|n| frame::headers(1 + 2 * n, true, &malformed))
        .collect();
    assert_left("malformed requests", requests).await;
}
