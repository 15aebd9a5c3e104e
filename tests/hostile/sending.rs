//! How fast replies have to be taken.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep};

use crate::arena::{MIB, SECOND};
use crate::stage::{KIB, Stage, ask, end_of, list};
use crate::support::frame::{self, ENHANCE_YOUR_CALM, Frame, SETTINGS_INITIAL_WINDOW_SIZE};
use crate::support::grpc::{Request, envelope};
use crate::support::peer::{PIPE, Peer};

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
        // A turn polls 256 calls, and looks at the clock in the next turn.
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
