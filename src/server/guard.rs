//! The wrapper between the socket and h2: it counts bytes and knows whether the socket takes more.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::link::Link;

/// A connection's byte stream, watched.
#[derive(Debug)]
pub(super) struct Guard<T> {
    io: T,
    link: Arc<Link>,
}

impl<T> Guard<T> {
    pub(super) const fn new(io: T, link: Arc<Link>) -> Self {
        Self { io, link }
    }

    /// Notes whether the peer's side is full: h2 gives up a write at the first `Pending` and takes it up again when woken.
    fn note<R>(&self, result: Poll<R>) -> Poll<R> {
        let blocked = result.is_pending();
        if self.link.is_write_blocked() != blocked {
            self.link.write_blocked.store(blocked, Relaxed);
        }
        result
    }

    fn note_written(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(n)) = &result {
            add(&self.link.bytes_written, *n);
        }
        self.note(result)
    }
}

/// There is one writer, so a load and a store do.
fn add(counter: &AtomicU64, n: usize) {
    let n = u64::try_from(n).unwrap_or(u64::MAX);
    counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected)
}

impl<T: AsyncRead + Unpin> AsyncRead for Guard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.io).poll_read(cx, buf);
        add(
            &self.link.bytes_read,
            buf.filled().len().saturating_sub(before),
        );
        result
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guard<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, buf);
        self.note_written(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.note_written(result)
    }

    // h2 chooses by this from which size on it does not copy.
    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_flush(cx);
        self.note(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_shutdown(cx) {
            // TLS says goodbye. A peer that does not wait for it has not done anything wrong.
            Poll::Ready(Err(error)) if is_gone(&error) => Poll::Ready(Ok(())),
            result => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn bytes_are_counted_both_ways_and_a_full_pipe_is_seen() {
        let (ours, mut peer) = duplex(8);
        let link = Arc::new(Link::new());
        let mut guard = Guard::new(ours, Arc::clone(&link));
        let mut cx = Context::from_waker(std::task::Waker::noop());

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
        let (client, accepted) =
            tokio::join!(tokio::net::TcpStream::connect(addr), listener.accept());
        let link = Arc::new(Link::new());
        let mut guard = Guard::new(client.unwrap(), Arc::clone(&link));
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
}
