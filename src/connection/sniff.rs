//! Which version of HTTP a client speaks, by its first bytes.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The beginning of the preface of HTTP/2 (RFC 9113, section 3.4). No method of a health probe begins so.
const HTTP2: [u8; 3] = *b"PRI";

/// A byte stream that has been looked into, and gives what has been read first.
#[derive(Debug)]
pub(super) struct Sniffed<T> {
    io: T,
    bytes: [u8; HTTP2.len()],
    read: usize,
    given: usize,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Sniffed<T> {
    pub(super) const fn new(io: T) -> Self {
        Self {
            io,
            bytes: [0; HTTP2.len()],
            read: 0,
            given: 0,
        }
    }

    /// Waits for the client's first bytes. Returns whether the client speaks HTTP/2.
    pub(super) async fn is_http2(&mut self) -> io::Result<bool> {
        poll_fn(|cx| {
            loop {
                let (read, expected) = (self.bytes.get(..self.read), HTTP2.get(..self.read));
                if read != expected {
                    return Poll::Ready(Ok(false));
                }
                let Some(rest) = self
                    .bytes
                    .get_mut(self.read..)
                    .filter(|rest| !rest.is_empty())
                else {
                    return Poll::Ready(Ok(true));
                };
                let mut buf = ReadBuf::new(rest);
                ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
                match buf.filled().len() {
                    0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                    n => self.read += n,
                }
            }
        })
        .await
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Sniffed<T> {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.given == self.read {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let this = &mut *self;
        let rest = this.bytes.get(this.given..this.read).unwrap_or_default();
        let n = rest.len().min(buf.remaining());
        buf.put_slice(rest.get(..n).unwrap_or_default());
        this.given += n;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Sniffed<T> {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bytes)
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
