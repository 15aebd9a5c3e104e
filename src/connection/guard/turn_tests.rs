//! How much the wrapper reads in one turn, over pipes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Wake, Waker};

use tokio::io::{AsyncRead, AsyncWriteExt as _, ReadBuf, duplex};

use super::super::config::Config;
use super::super::link::Link;
use super::io::Guard;
use super::readers::{Reader, Readers};

#[tokio::test]
async fn a_connection_that_has_more_to_say_lets_others_run() {
    let (ours, mut peer) = duplex(64);
    let link = Arc::new(Link::new());
    let config = Config {
        read_budget: 4,
        ..Config::default()
    };
    let (mut guard, _) = Guard::new(ours, Arc::clone(&link), &config, &Readers::default());
    peer.write_all(b"three reads of all").await.unwrap();
    let woken = Arc::<Woken>::default();
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    let mut said = Vec::new();
    let mut read = |cx: &mut Context<'_>| {
        let mut bytes = [0; 3];
        let mut buf = ReadBuf::new(&mut bytes);
        let result = Pin::new(&mut guard).poll_read(cx, &mut buf);
        said.extend_from_slice(buf.filled());
        result.is_ready()
    };
    for polls in 1..=3 {
        link.begin();
        assert!(read(&mut cx) && read(&mut cx));
        assert!(!read(&mut cx), "3 bytes and 1 are read");
        // The runtime wakes the task only after others have had their turn.
        assert_eq!(woken.0.load(Relaxed), polls - 1);
        tokio::task::yield_now().await;
        assert_eq!(woken.0.load(Relaxed), polls);
        assert_eq!(link.bytes_read.load(Relaxed), 4 * polls);
    }
    assert_eq!(said, b"three reads ");
}

/// How many bytes the guard reads in one turn, into buffers of `size` bytes.
fn turn<T: AsyncRead + Unpin>(
    guard: &mut Guard<T>,
    link: &Link,
    cx: &mut Context<'_>,
    size: usize,
) -> u64 {
    link.begin();
    let mut bytes = vec![0; size];
    loop {
        let mut buf = ReadBuf::new(&mut bytes);
        if Pin::new(&mut *guard).poll_read(cx, &mut buf).is_pending() {
            return link.read_in_poll();
        }
    }
}

#[tokio::test]
async fn of_frames_of_one_byte_a_turn_reads_few() {
    let (ours, mut peer) = duplex(1 << 17);
    let readers = Readers::default();
    let link = Arc::new(Link::new());
    let (mut guard, _) = Guard::new(ours, Arc::clone(&link), &Config::default(), &readers);
    let mut cx = Context::from_waker(Waker::noop());
    let mut read = || turn(&mut guard, &link, &mut cx, 8 << 10);
    peer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(read(), 24);
    let crumbs = [0, 0, 1, 0, 0, 0, 0, 0, 1, 0].repeat(2_000);
    peer.write_all(&crumbs).await.unwrap();
    assert_eq!([read(), read(), read()], [8 << 10, 4_000, 4_000]);
    let busy = |_| {
        let mut reader = Reader::new(readers.clone());
        reader.set_busy(true);
        reader
    };
    let crowd: Vec<Reader> = (0..40).map(busy).collect();
    assert_eq!([read(), read()], [512, 512]);
    drop(crowd);
    while read() > 0 {}
    // A peer that sends larger frames again is read as before.
    let data = [0, 0, 91, 0, 0, 0, 0, 0, 1].into_iter().chain([0; 91]);
    peer.write_all(&data.collect::<Vec<_>>().repeat(150))
        .await
        .unwrap();
    assert_eq!(read(), 15_000);
}

/// A busy connection is one that has more to read than a turn allows, until it has read everything or is gone.
#[tokio::test]
async fn a_turn_reads_more_of_large_frames_while_few_connections_are_busy() {
    let (ours, mut peer) = duplex(1 << 20);
    let link = Arc::new(Link::new());
    let readers = Readers::default();
    let (mut guard, _) = Guard::new(ours, Arc::clone(&link), &Config::default(), &readers);
    let mut cx = Context::from_waker(Waker::noop());
    let mut read = || turn(&mut guard, &link, &mut cx, 8 << 10);
    let busy = || Reader::new(readers.clone()).busy() - 1;
    peer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    assert_eq!((read(), busy()), (24, 0));
    let frame = [0, 0x40, 0, 0, 0, 0, 0, 0, 1]
        .into_iter()
        .chain([0; 16 << 10]);
    let frame: Vec<u8> = frame.collect();
    peer.write_all(&frame.repeat(40)).await.unwrap();
    let frames = |bytes: u64| bytes.div_ceil(frame.len() as u64);
    assert_eq!((frames(read()), busy()), (8, 1));
    let crowd: Vec<Reader> = (0..7)
        .map(|_| {
            let mut reader = Reader::new(readers.clone());
            reader.set_busy(true);
            reader
        })
        .collect();
    assert_eq!((frames(read()), busy()), (4, 8));
    drop(crowd);
    while read() > 0 {}
    assert_eq!(busy(), 0);
    peer.write_all(&frame.repeat(40)).await.unwrap();
    assert_eq!((frames(read()), busy()), (8, 1));
    drop(guard);
    assert_eq!(busy(), 0);
}

#[tokio::test]
async fn headers_are_looked_at_before_more_is_read() {
    let (ours, mut peer) = duplex(1 << 10);
    let link = Arc::new(Link::new());
    let config = Config {
        header_budget: 64,
        ..Config::default()
    };
    let (mut guard, _) = Guard::new(ours, Arc::clone(&link), &config, &Readers::default());
    let mut cx = Context::from_waker(Waker::noop());
    let mut read = |cx: &mut Context<'_>| turn(&mut guard, &link, cx, 1 << 10);
    peer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    // DATA frames only.
    let data = [0, 0, 91, 0, 0, 0, 0, 0, 1].into_iter().chain([0; 91]);
    peer.write_all(&data.collect::<Vec<_>>().repeat(5))
        .await
        .unwrap();
    assert_eq!(read(&mut cx), 524);
    // HEADERS of 20 bytes, in 29: the second 64 bytes bring the fourth and fifth.
    let headers = [0, 0, 20, 1, 4, 0, 0, 0, 1].into_iter().chain([0; 20]);
    peer.write_all(&headers.collect::<Vec<_>>().repeat(8))
        .await
        .unwrap();
    assert_eq!([read(&mut cx), read(&mut cx), read(&mut cx)], [128, 104, 0]);
}

#[derive(Default)]
struct Woken(AtomicU64);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}
