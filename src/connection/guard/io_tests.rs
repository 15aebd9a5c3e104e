//! The wrapper, over pipes.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

use tokio::io::{
    AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, DuplexStream, ReadBuf,
    duplex,
};

use super::super::config::Config;
use super::super::link::Link;
use super::io::Guard;
use super::readers::Readers;

#[tokio::test]
async fn bytes_are_counted_both_ways_and_a_full_pipe_is_seen() {
    let (ours, mut peer) = duplex(8);
    let link = Arc::new(Link::new());
    let (mut guard, _) = Guard::new(
        ours,
        Arc::clone(&link),
        &Config::default(),
        &Readers::default(),
    );
    let mut cx = Context::from_waker(Waker::noop());

    peer.write_all(b"abc").await.unwrap();
    let mut buf = [0; 8];
    assert_eq!(guard.read(&mut buf).await.unwrap(), 3);
    assert_eq!(link.bytes_read.load(Relaxed), 3);

    guard.write_all(b"12345678").await.unwrap();
    assert!(!link.is_write_blocked());
    assert!(Pin::new(&mut guard).poll_write(&mut cx, b"9").is_pending());
    assert!(link.is_write_blocked());
    assert_eq!(link.bytes_written.load(Relaxed), 8);

    peer.read_exact(&mut buf).await.unwrap();
    guard.write_all(b"9").await.unwrap();
    assert!(!link.is_write_blocked());
    assert_eq!(link.bytes_written.load(Relaxed), 9);
}

#[tokio::test]
async fn vectored_writes_are_forwarded() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (client, accepted) = tokio::join!(tokio::net::TcpStream::connect(addr), listener.accept());
    let link = Arc::new(Link::new());
    let (mut guard, _) = Guard::new(
        client.unwrap(),
        Arc::clone(&link),
        &Config::default(),
        &Readers::default(),
    );
    assert!(guard.is_write_vectored());
    // The first frame is written by itself.
    guard.write_all(b"-").await.unwrap();
    let n = guard
        .write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"cd")])
        .await
        .unwrap();
    assert_eq!(n, 4);
    let mut buf = [0; 5];
    accepted.unwrap().0.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"-abcd");
    assert_eq!(link.bytes_written.load(Relaxed), 5);
}

/// SETTINGS tell the peer the server's limit of a header list, not h2's, in any pieces.
#[tokio::test]
async fn the_greeting_has_the_limit_of_header_lists() {
    let settings = |size: u32| {
        let frame = [0, 0, 12, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 1, 0, 0, 6];
        [&frame[..], &size.to_be_bytes()].concat()
    };
    for pipe in [1, 5, 1 << 10] {
        let (ours, mut peer) = duplex(pipe);
        let config = Config {
            max_header_list_size: 1_000,
            ..Config::default()
        };
        let (mut guard, _) = Guard::new(ours, Arc::new(Link::new()), &config, &Readers::default());
        let said = [settings(2_000), settings(3_000)].concat();
        let write = async {
            guard.write_all(&said).await.unwrap();
            drop(guard);
        };
        let mut heard = Vec::new();
        let (_, read) = tokio::join!(write, peer.read_to_end(&mut heard));
        read.unwrap();
        assert_eq!(heard, [settings(1_000), settings(3_000)].concat());
    }
}

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// A wrapper after the peer's preface, whose server has reset these streams, and the peer's end of the pipe.
async fn with_resets(streams: &[u8]) -> (Guard<DuplexStream>, DuplexStream) {
    let (ours, mut peer) = duplex(1 << 10);
    let (mut guard, _) = Guard::new(
        ours,
        Arc::new(Link::new()),
        &Config::default(),
        &Readers::default(),
    );
    peer.write_all(PREFACE).await.unwrap();
    guard.read_exact(&mut [0; 24]).await.unwrap();
    guard.write_all(&SETTINGS).await.unwrap();
    for stream in streams {
        let reset = [0, 0, 4, 3, 0, 0, 0, 0, *stream, 0, 0, 0, 0];
        guard.write_all(&reset).await.unwrap();
    }
    (guard, peer)
}

/// The heads of late frames arrive in any pieces. Each late frame is passed on whole, and every other frame unchanged.
#[tokio::test]
async fn late_frames_are_redirected_in_any_pieces() {
    let data = |stream: u8, flags, len: u8| {
        let head = [0, 0, len, 0, flags, 0, 0, 0, stream];
        [&head[..], &vec![9; usize::from(len)]].concat()
    };
    let frames = [(1, 0, 3), (7, 0, 0), (3, 0, 20), (3, 1, 0)];
    let sent = frames.map(|(stream, flags, len)| data(stream, flags, len));
    let sent = sent.concat();
    let expected = [(1, 1, 3), (7, 0, 0), (1, 1, 20), (1, 1, 0)];
    let expected = expected.map(|(stream, flags, len)| data(stream, flags, len));
    let expected = expected.concat();
    for size in 1..=sent.len() {
        for room in [1, 8, 1 << 10] {
            let (mut guard, mut peer) = with_resets(&[1, 3]).await;
            let write = async {
                for piece in sent.chunks(size) {
                    peer.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
                peer.shutdown().await.unwrap();
            };
            let mut got = Vec::new();
            let read = async {
                let mut buf = vec![0; room];
                loop {
                    match guard.read(&mut buf).await.unwrap() {
                        0 => break,
                        n => got.extend_from_slice(&buf[..n]),
                    }
                }
            };
            tokio::join!(write, read);
            assert_eq!(got, expected, "pieces of {size}, room for {room}");
        }
    }
}

/// If the peer closes within a head, h2 gets the bytes of the head and then the end.
#[tokio::test]
async fn a_head_without_an_end_is_passed_on() {
    let (mut guard, mut peer) = with_resets(&[1]).await;
    peer.write_all(&[0, 0, 5, 0]).await.unwrap();
    peer.shutdown().await.unwrap();
    let mut got = Vec::new();
    guard.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, [0, 0, 5, 0]);
}

/// A stream is reset after half of one of its frames has arrived: h2 must not see that half.
#[tokio::test]
async fn a_stream_may_be_reset_in_the_middle_of_a_frame() {
    let (mut guard, mut peer) = with_resets(&[1]).await;
    let mut buf = [0; 64];
    let mut cx = Context::from_waker(Waker::noop());
    for half in 1..20 {
        let frame: Vec<_> = [0, 0, 12, 0, 0, 0, 0, 0, 2 * half + 1, 7]
            .into_iter()
            .chain([9; 11])
            .collect();
        peer.write_all(&frame[..usize::from(half)]).await.unwrap();
        let mut room = ReadBuf::new(&mut buf);
        assert!(
            Pin::new(&mut guard)
                .poll_read(&mut cx, &mut room)
                .is_pending()
        );
        let reset = [0, 0, 4, 3, 0, 0, 0, 0, 2 * half + 1, 0, 0, 0, 0];
        guard.write_all(&reset).await.unwrap();
        peer.write_all(&frame[usize::from(half)..]).await.unwrap();
        let mut got = [0; 21];
        guard.read_exact(&mut got).await.unwrap();
        assert_eq!(got[..10], [0, 0, 12, 0, 1, 0, 0, 0, 1, 7], "{half}");
    }
}

/// A guard over a pipe of so many bytes that has written its first frame, and the pipe's other end.
async fn greeted(pipe: usize) -> (Guard<DuplexStream>, Arc<Link>, DuplexStream) {
    let (ours, mut peer) = duplex(pipe);
    let link = Arc::new(Link::new());
    let (mut guard, _) = Guard::new(
        ours,
        Arc::clone(&link),
        &Config::default(),
        &Readers::default(),
    );
    guard.write_all(b"-").await.unwrap();
    assert_eq!(peer.read_u8().await.unwrap(), b'-');
    (guard, link, peer)
}

/// Three frames' worth of bytes, which differ.
fn reply() -> Vec<u8> {
    (0..48_000_u32).map(|i| (i % 251) as u8).collect()
}

#[tokio::test]
async fn a_large_reply_reaches_the_socket_when_the_connection_asks_for_all() {
    let (mut guard, link, mut peer) = greeted(1 << 20).await;
    let reply = reply();
    for frame in reply.chunks(16_000) {
        let (head, payload) = frame.split_at(9);
        let bufs = [IoSlice::new(head), IoSlice::new(payload)];
        assert_eq!(guard.write_vectored(&bufs).await.unwrap(), 16_000);
        guard.flush().await.unwrap();
    }
    // A small write behind a large one keeps its place.
    guard.write_all(b"trailers").await.unwrap();
    assert!(link.has_gathered());
    assert_eq!(link.bytes_written.load(Relaxed), 1);

    link.set_writes_all(true);
    guard.flush().await.unwrap();
    assert!(!link.has_gathered());
    assert_eq!(link.bytes_written.load(Relaxed), 48_009);
    let mut read = vec![0; 48_008];
    peer.read_exact(&mut read).await.unwrap();
    assert_eq!(read, [&reply[..], b"trailers"].concat());

    link.set_writes_all(false);
    guard.write_all(b"a small write alone").await.unwrap();
    assert!(!link.has_gathered());
    assert_eq!(peer.read(&mut read).await.unwrap(), 19);
}

#[tokio::test]
async fn more_than_the_guard_gathers_reaches_the_socket_in_order() {
    let (mut guard, link, mut peer) = greeted(1 << 20).await;
    let reply = reply().repeat(5);
    let mut given = 1;
    for frame in reply.chunks(16_000) {
        guard.write_all(frame).await.unwrap();
        given += 16_000;
        let held = given - link.bytes_written.load(Relaxed);
        assert!(held <= 80 << 10, "{held}");
    }
    guard.shutdown().await.unwrap();
    let mut read = Vec::new();
    drop(guard);
    peer.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, reply);
}

#[tokio::test]
async fn gathered_bytes_for_a_full_socket_block_the_connection() {
    let (mut guard, link, mut peer) = greeted(1_000).await;
    let mut cx = Context::from_waker(Waker::noop());
    let reply = reply();
    guard.write_all(&reply).await.unwrap();
    assert!(!link.is_write_blocked());
    link.set_writes_all(true);
    assert!(Pin::new(&mut guard).poll_flush(&mut cx).is_pending());
    assert!(link.is_write_blocked() && link.has_gathered());
    link.set_writes_all(false);
    // Nothing overtakes, and nothing is gathered any more.
    let late = Pin::new(&mut guard).poll_write(&mut cx, b"late");
    assert!(late.is_pending());

    let mut read = vec![0; reply.len()];
    let (flushed, read_all) = tokio::join!(guard.flush(), peer.read_exact(&mut read));
    flushed.unwrap();
    read_all.unwrap();
    assert_eq!(read, reply);
    assert!(!link.is_write_blocked() && !link.has_gathered());
}

#[tokio::test]
async fn the_small_answers_of_a_turn_reach_the_socket_together() {
    let (mut guard, link, mut peer) = greeted(1 << 20).await;
    link.set_gathers_all(true);
    // More than the first buffer holds.
    let answers: Vec<_> = (0..500)
        .map(|i| format!("the answer to request {i}, and its trailers"))
        .collect();
    for answer in &answers {
        guard.write_all(answer.as_bytes()).await.unwrap();
        guard.flush().await.unwrap();
    }
    assert!(link.has_gathered());
    assert_eq!(link.bytes_written.load(Relaxed), 1);
    link.set_gathers_all(false);
    link.set_writes_all(true);
    // The last answer comes with the poll that writes all.
    guard.write_all(b"the last").await.unwrap();
    assert_eq!(link.bytes_written.load(Relaxed), 1);
    guard.flush().await.unwrap();
    assert!(!link.has_gathered());
    let all = answers.concat() + "the last";
    let mut read = vec![0; all.len()];
    peer.read_exact(&mut read).await.unwrap();
    assert_eq!(String::from_utf8(read).unwrap(), all);
}

/// The buffer of a turn's answers is not kept for a peer that does not read its socket.
#[tokio::test]
async fn answers_for_a_full_socket_keep_little_room() {
    let (mut guard, link, _peer) = greeted(100).await;
    let mut cx = Context::from_waker(Waker::noop());
    link.set_gathers_all(true);
    guard.write_all(&[7; 1_000]).await.unwrap();
    assert!(guard.gathered.room() >= 16 << 10);
    link.set_writes_all(true);
    assert!(Pin::new(&mut guard).poll_flush(&mut cx).is_pending());
    assert!(guard.gathered.room() <= 900, "{}", guard.gathered.room());
}

/// While the connection accepts requests, the guard does not ask a socket again that had no more bytes.
#[tokio::test]
async fn the_socket_is_asked_again_when_the_requests_are_accepted() {
    let (mut guard, link, mut peer) = greeted(1 << 20).await;
    let mut cx = Context::from_waker(Waker::noop());
    let mut bytes = [0; 64];
    let mut read = |guard: &mut Guard<DuplexStream>| {
        let mut buf = ReadBuf::new(&mut bytes);
        let polled = Pin::new(guard).poll_read(&mut cx, &mut buf);
        polled.map(|read| read.map(|()| buf.filled().len()).unwrap())
    };
    assert_eq!(read(&mut guard), Poll::Pending);
    peer.write_all(b"PRI * HTTP/2.0").await.unwrap();
    link.set_gathers_all(true);
    assert_eq!(read(&mut guard), Poll::Pending);
    link.set_gathers_all(false);
    assert_eq!(read(&mut guard), Poll::Ready(14));
}
