//! Streams that make the server's life hard.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Delivers one byte per read and accepts at most three per write, and is not ready every other
/// time it is asked.
#[derive(Debug)]
pub(crate) struct Trickle<T> {
    inner: T,
    read_ready: bool,
    write_ready: bool,
}

impl<T> Trickle<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner,
            read_ready: true,
            write_ready: true,
        }
    }
}

/// Pending, and woken at once, every other call.
fn every_other(ready: &mut bool, cx: &Context<'_>) -> Poll<()> {
    *ready = !*ready;
    if *ready {
        return Poll::Ready(());
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl<T: AsyncRead + Unpin> AsyncRead for Trickle<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(every_other(&mut self.read_ready, cx));
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut one))?;
        buf.put_slice(one.filled());
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Trickle<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(every_other(&mut self.write_ready, cx));
        let some = &buf[..buf.len().min(3)];
        Pin::new(&mut self.inner).poll_write(cx, some)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// What a [`Scripted`] stream's reader gets when it asks.
pub(crate) enum Read {
    Bytes(Vec<u8>),
    /// Nothing yet.
    Pending,
    /// What comes after it; this happens before.
    Meanwhile(Box<dyn FnOnce() + Send>),
}

/// What is to be read, in order, before the inner stream is asked.
pub(crate) type Script = Arc<Mutex<VecDeque<Read>>>;

/// Reads a script, one piece for each time it is asked.
pub(crate) struct Scripted<T> {
    inner: T,
    script: Script,
}

impl<T> Scripted<T> {
    pub(crate) fn new(inner: T) -> (Self, Script) {
        let script = Script::default();
        let scripted = Self {
            inner,
            script: Arc::clone(&script),
        };
        (scripted, script)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Scripted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let next = self.script.lock().unwrap().pop_front();
            match next {
                Some(Read::Bytes(bytes)) => {
                    buf.put_slice(&bytes);
                    return Poll::Ready(Ok(()));
                }
                Some(Read::Pending) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Read::Meanwhile(happens)) => happens(),
                None => return Pin::new(&mut self.inner).poll_read(cx, buf),
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Scripted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
