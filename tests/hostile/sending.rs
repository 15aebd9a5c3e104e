//! Replies that are made and not taken: how fast they have to be taken, and how much of them a server holds.

use std::time::Duration;

use bytes::Bytes;
use grpc_health::router::{Raw, Request as Call, Response, Router};
use grpc_health::server::Builder;
use grpc_health::{HealthService, Registry, Server, ServingStatus, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_stream::{StreamExt as _, iter};

use crate::arena::{MIB, SECOND};
use crate::memory::Memory;
use crate::support::frame::{self, CANCEL, ENHANCE_YOUR_CALM, Frame, SETTINGS_INITIAL_WINDOW_SIZE};
use crate::support::grpc::{CHECK, LIST, RESOURCE_EXHAUSTED, Request, SERVING, envelope};
use crate::support::host;
use crate::support::peer::{PIPE, Peer};

const KIB: usize = 1 << 10;

type Service = Router<HealthService>;

/// A server of replies: `/t.T/Reply` is one of as many bytes as the request says, and `/t.T/Stream` ten of them. Each reply is memory of its
/// own.
struct Stage(Server<Service>);

fn made(call: &Call<Raw>) -> Bytes {
    let len = std::str::from_utf8(call.get_ref().0.as_ref()).unwrap();
    Bytes::from(vec![7; len.parse().unwrap()])
}

impl Stage {
    fn new(limits: impl FnOnce(Builder<Service>) -> Builder<Service>) -> Self {
        let registry = Registry::new();
        for n in 0..99 {
            let name = format!("{n:0110}");
            registry
                .set_service_status(&name, ServingStatus::Serving)
                .unwrap();
        }
        let router = Router::new(HealthService::new(registry))
            .unary("/t.T/Reply", |call: Call<Raw>| async move {
                Ok::<_, Status>(Response::new(Raw(made(&call))))
            })
            .server_streaming("/t.T/Stream", |call: Call<Raw>| async move {
                let replies = iter(0..10).map(move |_| Ok::<_, Status>(Raw(made(&call))));
                Ok(Response::new(replies))
            });
        Self(limits(Server::builder().service(router)).build())
    }

    fn dial(&self, pipe: usize) -> (DuplexStream, JoinHandle<()>) {
        let (ours, theirs) = tokio::io::duplex(pipe);
        (ours, host::spawn(self.0.serve_connection(theirs)))
    }

    /// A client whose streams begin with `window`.
    async fn connect(&self, window: u32) -> Peer {
        let settings = [(SETTINGS_INITIAL_WINDOW_SIZE, window)];
        let (io, _) = self.dial(PIPE);
        let mut peer = Peer::handshake(io, &settings).await;
        peer.send(&frame::window_update(0, 1 << 30)).await;
        peer
    }

    fn stalled(&self) -> u64 {
        self.0.stats().calls_stalled
    }
}

async fn ask(peer: &mut Peer, method: &str, bytes: usize) -> u32 {
    let request = Request::new(&format!("/t.T/{method}"));
    let message = envelope(0, bytes.to_string().as_bytes());
    peer.call(&request, &message).await
}

async fn list(peer: &mut Peer) -> u32 {
    peer.call(&Request::new(LIST), &envelope(0, b"")).await
}

/// What a stream ended with: its status, or the reason of its reset.
async fn end_of(peer: &mut Peer, stream: u32) -> Result<usize, u32> {
    let mut len = 0;
    loop {
        match peer.recv_on(stream).await {
            Frame::Data { payload, .. } => len += payload.len(),
            Frame::Headers {
                end_stream: true,
                fields,
                ..
            } => {
                return match fields.get("grpc-status") {
                    Some("0") => Ok(len),
                    Some("8") => Err(8),
                    other => panic!("not {other:?}"),
                };
            }
            Frame::Headers { .. } => {}
            Frame::Reset { code, .. } => return Err(code),
            other => panic!("not {other:?}"),
        }
    }
}

/// 520 MiB were held for ever: each byte of window gave a reply its whole time again.
#[tokio::test(start_paused = true)]
async fn replies_taken_a_byte_at_a_time_are_ended_after_30_s() {
    for (each, replies, bytes) in [(12 * SECOND, 128, 100 * KIB), (SECOND / 10, 3, MIB)] {
        let stage = Stage::new(|server| server.send_budget(1 << 30));
        let mut peer = stage.connect(1).await;
        let start = Instant::now();
        let mut streams = Vec::new();
        for _ in 0..replies {
            streams.push(ask(&mut peer, "Reply", bytes).await);
        }
        while stage.stalled() == 0 {
            sleep(each).await;
            let updates: Vec<_> = streams
                .iter()
                .map(|&s| frame::window_update(s, 1))
                .collect();
            peer.send(&updates.concat()).await;
            peer.ping().await;
            assert!(start.elapsed() < 60 * SECOND, "for ever");
        }
        assert!(start.elapsed() <= 36 * SECOND, "{:?}", start.elapsed());
        assert_eq!(stage.stalled(), replies, "{each:?}");
        for stream in streams {
            assert_eq!(end_of(&mut peer, stream).await, Err(ENHANCE_YOUR_CALM));
        }
        peer.ping().await;
    }
}

/// 256 answers to List of 12 KiB: 3 MiB a connection, a byte at a time.
#[tokio::test(start_paused = true)]
async fn lists_taken_a_byte_at_a_time_are_ended_after_30_s() {
    let stage = Stage::new(|server| server);
    let mut peer = stage.connect(1).await;
    let start = Instant::now();
    let mut streams = Vec::new();
    for _ in 0..256 {
        streams.push(list(&mut peer).await);
    }
    while stage.stalled() == 0 {
        sleep(10 * SECOND).await;
        let updates: Vec<_> = streams
            .iter()
            .map(|&s| frame::window_update(s, 1))
            .collect();
        peer.send(&updates.concat()).await;
        peer.ping().await;
        assert!(start.elapsed() < 60 * SECOND, "for ever");
    }
    assert_eq!((start.elapsed(), stage.stalled()), (30 * SECOND, 256));
}

/// One reply of a connection goes on, and so the others could be waiting for their turn; their windows say that they are not.
#[tokio::test(start_paused = true)]
async fn a_reply_that_goes_on_does_not_keep_stalled_ones_alive() {
    let stage = Stage::new(|server| server);
    let mut peer = stage.connect(0).await;
    let mut stalled = Vec::new();
    for _ in 0..3 {
        stalled.push(ask(&mut peer, "Reply", 100 * KIB).await);
    }
    let start = Instant::now();
    while stage.stalled() < 3 {
        let stream = ask(&mut peer, "Reply", 64 * KIB).await;
        peer.send(&frame::window_update(stream, 100 * KIB as u32))
            .await;
        assert_eq!(end_of(&mut peer, stream).await, Ok(64 * KIB + 5));
        sleep(SECOND).await;
        assert!(start.elapsed() < 60 * SECOND, "for ever");
    }
    for stream in stalled {
        assert_eq!(end_of(&mut peer, stream).await, Err(8));
    }
}

/// 8 KiB a second, for one reply and for twelve at once: each of these gets less than it would need alone, because the others get the rest.
/// The client is slow with the connection's window, with the streams' windows, or with its socket.
#[tokio::test(start_paused = true)]
async fn a_slow_client_gets_all_of_its_replies() {
    #[derive(Clone, Copy, PartialEq, Debug)]
    enum Slow {
        Connection,
        Streams,
        Socket,
    }
    const STEP: u32 = 8 << 10;
    for slow in [Slow::Connection, Slow::Streams, Slow::Socket] {
        for replies in [1, 12] {
            let stage = Stage::new(|server| server);
            let (pipe, window) = match slow {
                Slow::Connection => (PIPE, 1 << 30),
                Slow::Streams => (PIPE, STEP),
                Slow::Socket => (4 << 10, 1 << 30),
            };
            let (io, _) = stage.dial(pipe);
            let settings = [(SETTINGS_INITIAL_WINDOW_SIZE, window)];
            let mut peer = Peer::handshake(io, &settings).await;
            if slow != Slow::Connection {
                peer.send(&frame::window_update(0, 1 << 30)).await;
            }
            let mut streams = Vec::new();
            for _ in 0..replies {
                streams.push(ask(&mut peer, "Reply", 300 * KIB).await);
            }
            let (mut left, mut turn) = (streams.clone(), 0);
            let mut owed = 0;
            while !left.is_empty() {
                match slow {
                    // The client reads what there is, and makes room for a little.
                    Slow::Connection => {
                        sleep(SECOND).await;
                        peer.send(&frame::window_update(0, STEP)).await;
                    }
                    Slow::Streams => {
                        sleep(SECOND).await;
                        turn += 1;
                        let stream = left[turn % left.len()];
                        peer.send(&frame::window_update(stream, STEP)).await;
                    }
                    Slow::Socket => {}
                }
                let frames = match slow {
                    Slow::Socket => vec![peer.recv().await],
                    _ => peer.recv_until_idle().await,
                };
                for frame in frames {
                    match frame {
                        Frame::Headers {
                            stream,
                            end_stream: true,
                            fields,
                        } => {
                            assert_eq!(fields.get("grpc-status"), Some("0"), "{slow:?}");
                            left.retain(|&other| other != stream);
                        }
                        Frame::Reset { .. } => panic!("{slow:?} of {replies}: {frame:?}"),
                        Frame::Data { payload, .. } if slow == Slow::Socket => {
                            owed += payload.len();
                            let steps = owed / STEP as usize;
                            owed %= STEP as usize;
                            sleep(SECOND * steps as u32).await;
                        }
                        _ => {}
                    }
                }
            }
            assert_eq!(stage.stalled(), 0);
        }
    }
}

/// A socket that takes a byte now and then was never closed: each gave it its whole time again.
#[tokio::test(start_paused = true)]
async fn a_socket_that_takes_a_byte_at_a_time_is_closed_after_20_s() {
    let stage = Stage::new(|server| server);
    let (mut io, task) = stage.dial(4 << 10);
    let mut bytes = frame::PREFACE.to_vec();
    bytes.extend(frame::settings(&[(SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30)]));
    bytes.extend(frame::window_update(0, 1 << 30));
    let request = Request::new("/t.T/Reply").encode();
    bytes.extend(frame::headers(1, false, &request));
    bytes.extend(frame::data(1, true, &envelope(0, b"1000000")));
    io.write_all(&bytes).await.unwrap();
    let start = Instant::now();
    while !task.is_finished() {
        sleep(SECOND / 2).await;
        let mut byte = [0; 1];
        let _ = io.read(&mut byte).await;
        assert!(start.elapsed() < 60 * SECOND, "for ever");
    }
    assert!(start.elapsed() >= 20 * SECOND, "{:?}", start.elapsed());
    assert!(start.elapsed() < 22 * SECOND, "{:?}", start.elapsed());
}

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
        // Replies, requests and what h2 needs.
        memory.assert_peak_below(2 * MIB);
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

/// 255 open calls of 215 fields left 610 KiB with their connection.
#[tokio::test(start_paused = true)]
async fn a_quiet_connection_gives_back_what_its_calls_needed() {
    let stage = Stage::new(|server| server.ping_burst(1_000));
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
    // Fewer calls at once leave less, and the connection stays.
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
    before.assert_below(30 * KIB);
    assert_eq!(peer.check("").await, SERVING);
}
