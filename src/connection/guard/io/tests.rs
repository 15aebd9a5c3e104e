//! The wrapper over pipes.

use std::task::{Wake, Waker};

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

#[tokio::test]
async fn bytes_are_counted_both_ways_and_a_full_pipe_is_seen() {
    let (ours, mut peer) = duplex(8);
    let link = Arc::new(Link::new());
    let (mut guard, _) = Guard::new(ours, Arc::clone(&link), &Config::default());
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
    let (mut guard, _) = Guard::new(client.unwrap(), Arc::clone(&link), &Config::default());
    assert!(guard.is_write_vectored());
    let n = guard
        .write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"cd")])
        .await
        .unwrap();
    assert_eq!(n, 4);
    let mut buf = [0; 4];
    accepted.unwrap().0.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"abcd");
    assert_eq!(link.bytes_written.load(Relaxed), 4);
}

#[tokio::test]
async fn a_connection_that_has_more_to_say_lets_others_run() {
    let (ours, mut peer) = duplex(64);
    let link = Arc::new(Link::new());
    let config = Config {
        read_budget: 4,
        ..Config::default()
    };
    let (mut guard, _) = Guard::new(ours, Arc::clone(&link), &config);
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
        assert_eq!(woken.0.load(Relaxed), polls);
        assert_eq!(link.bytes_read.load(Relaxed), 4 * polls);
    }
    assert_eq!(said, b"three reads ");
}

#[tokio::test]
async fn headers_are_looked_at_before_more_is_read() {
    let (ours, mut peer) = duplex(1 << 10);
    let link = Arc::new(Link::new());
    let config = Config {
        header_budget: 64,
        ..Config::default()
    };
    let (mut guard, _) = Guard::new(ours, Arc::clone(&link), &config);
    let mut cx = Context::from_waker(Waker::noop());
    let mut read = |cx: &mut Context<'_>| {
        link.begin();
        let mut bytes = [0; 1 << 10];
        loop {
            let mut buf = ReadBuf::new(&mut bytes);
            if Pin::new(&mut guard).poll_read(cx, &mut buf).is_pending() {
                return link.read_in_poll();
            }
        }
    };
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
