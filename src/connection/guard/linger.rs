//! Closes the socket of a connection that has ended with an error.
//!
//! The kernel resets a socket that is closed while bytes are unread, and the reset may overtake the GOAWAY that names the error. So after
//! an error the server goes on reading for a while, and discards the bytes.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::super::link::Link;
use super::super::phase::Phase;

/// How long the server goes on reading, and how many bytes it reads at most.
const TIME: Duration = Duration::from_secs(1);
const BYTES: usize = 64 << 10;
/// How many bytes are read at once.
const CHUNK: usize = 8 << 10;

/// Receives the socket that h2 leaves after an error.
#[derive(Debug)]
pub(in crate::connection) struct Lingering<T>(oneshot::Receiver<T>);

impl<T> Lingering<T> {
    pub(super) const fn new(rest: oneshot::Receiver<T>) -> Self {
        Self(rest)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Lingering<T> {
    /// Closes the socket, if h2 has left one. The socket remains part of the connection: the server counts it, and may cut it.
    pub(in crate::connection) async fn close(self, link: &Link) {
        if let Ok(io) = self.0.await {
            // The future is boxed, since most connections never need it.
            Box::pin(linger(io, link)).await;
        }
    }
}

/// Closes our side of a socket, and reads on for a while.
pub(in crate::connection) async fn linger<T: AsyncRead + AsyncWrite + Unpin>(
    mut io: T,
    link: &Link,
) {
    let mut time = pin!(sleep(TIME));
    let mut chunk = vec![0; CHUNK];
    let mut closed = false;
    let mut left = BYTES;
    poll_fn(|cx| {
        link.begin();
        loop {
            // Late wakes of streams that have ended are discarded.
            link.take(&mut Vec::new());
            if link.phase() >= Phase::Cut || time.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if !closed {
                closed = Pin::new(&mut io).poll_shutdown(cx).is_ready();
            }
            if let Poll::Ready(n) = skip(&mut io, &mut chunk, cx) {
                left = left.saturating_sub(n);
                if n == 0 || left == 0 {
                    return Poll::Ready(());
                }
            } else if link.park(cx.waker()) {
                return Poll::Pending;
            }
        }
    })
    .await;
}

/// Reads and discards. Returns how many bytes; zero at the end of the input or after an error.
fn skip<T: AsyncRead + Unpin>(io: &mut T, chunk: &mut [u8], cx: &mut Context<'_>) -> Poll<usize> {
    let mut buf = ReadBuf::new(chunk);
    let read = Pin::new(io).poll_read(cx, &mut buf);
    read.map(|read| read.map_or(0, |()| buf.filled().len()))
}
