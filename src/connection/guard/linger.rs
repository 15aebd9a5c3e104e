//! A socket after its connection.
//!
//! To close a socket that has bytes unread resets it, and a reset may overtake the GOAWAY that says why. So after an error
//! what the peer still sends is taken for a while, and thrown away.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::super::link::Link;
use super::super::phase::Phase;

/// How long a peer may go on, and for how many bytes.
const TIME: Duration = Duration::from_secs(1);
const BYTES: usize = 64 << 10;
/// How many of them are read at once.
const CHUNK: usize = 8 << 10;

/// A socket that h2 may leave behind.
#[derive(Debug)]
pub(in crate::connection) struct Lingering<T>(oneshot::Receiver<T>);

impl<T> Lingering<T> {
    pub(super) const fn new(rest: oneshot::Receiver<T>) -> Self {
        Self(rest)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Lingering<T> {
    /// Closes the socket, if there is one left to close. It belongs to the connection: a server counts it, and cuts it.
    pub(in crate::connection) async fn close(self, link: &Link) {
        if let Ok(io) = self.0.await {
            // Apart, and boxed: most connections never come here.
            Box::pin(linger(io, link)).await;
        }
    }
}

async fn linger<T: AsyncRead + AsyncWrite + Unpin>(mut io: T, link: &Link) {
    let mut time = pin!(sleep(TIME));
    let mut chunk = vec![0; CHUNK];
    let mut closed = false;
    let mut left = BYTES;
    poll_fn(|cx| {
        link.begin();
        loop {
            // Streams that are no more may have been woken.
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

/// Reads and throws away: how many bytes, none at the end.
fn skip<T: AsyncRead + Unpin>(io: &mut T, chunk: &mut [u8], cx: &mut Context<'_>) -> Poll<usize> {
    let mut buf = ReadBuf::new(chunk);
    let read = Pin::new(io).poll_read(cx, &mut buf);
    read.map(|read| read.map_or(0, |()| buf.filled().len()))
}
