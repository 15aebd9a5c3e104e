//! The wrapper between the socket and h2.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use super::super::config::Config;
use super::super::link::Link;
use super::end::End;
use super::farewell;
use super::linger::Lingering;
use super::policy::Policy;
use super::repair::Repairer;

/// A connection's byte stream, watched.
#[derive(Debug)]
pub(in crate::connection) struct Guard<T> {
    /// `None` only once it is handed over.
    io: Option<T>,
    heir: Option<oneshot::Sender<T>>,
    /// The peer has closed its side.
    ended: bool,
    /// A read is not what the socket has: the peer has gone too far, something is kept from h2, or this is the end.
    detour: bool,
    end: End,
    repairer: Repairer,
    /// The GOAWAY that is written in place of h2's, and how much of it is.
    farewell: (Vec<u8>, usize),
    link: Arc<Link>,
    policy: Policy,
    start: Instant,
    /// How many bytes are read in one poll of the connection.
    read_budget: u64,
    header_budget: u64,
    header_block_timeout: Duration,
    handshake_timeout: Duration,
    /// Only while one of them runs.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<T> Guard<T> {
    /// The stream, and what takes the socket over when h2 is done with it.
    pub(in crate::connection) fn new(
        io: T,
        link: Arc<Link>,
        config: &Config,
    ) -> (Self, Lingering<T>) {
        let (heir, rest) = oneshot::channel();
        let guard = Self {
            io: Some(io),
            heir: Some(heir),
            ended: false,
            detour: false,
            end: End::default(),
            repairer: Repairer::new(),
            farewell: (Vec::new(), 0),
            link,
            policy: Policy::new(&config.guard()),
            start: Instant::now(),
            read_budget: u64::try_from(config.read_budget.max(1)).unwrap_or(u64::MAX),
            header_budget: u64::try_from(config.header_budget.max(1)).unwrap_or(u64::MAX),
            header_block_timeout: config.header_block_timeout,
            handshake_timeout: config.handshake_timeout,
            timer: None,
        };
        (guard, Lingering::new(rest))
    }

    fn io(&mut self) -> io::Result<&mut T> {
        self.io
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Notes whether the peer's side is full: h2 gives up a write at the first `Pending` and takes it up again when woken.
    fn note<R>(&self, result: Poll<R>) -> Poll<R> {
        let blocked = result.is_pending();
        if self.link.is_write_blocked() != blocked {
            self.link.write_blocked.store(blocked, Relaxed);
        }
        result
    }

    /// How many bytes may be read at once now; none if other tasks are to run first.
    fn allowance(&mut self) -> usize {
        let read = self.link.read_in_poll();
        if read == 0 {
            self.policy.forget_headers();
        }
        if self.policy.headers() >= self.header_budget {
            return 0;
        }
        let left = self.read_budget.saturating_sub(read);
        // What follows the current frame may all be headers.
        let most = self.header_budget.saturating_add(self.policy.data_left());
        usize::try_from(left.min(most)).unwrap_or(usize::MAX)
    }

    /// Judges what has just been read, behind the first `before` bytes of `buf`, and leaves there what h2 may see of it now. False if
    /// that is nothing.
    // Apart, so that reads of nothing, which are most, cost no more than they have to.
    #[inline(never)]
    fn take_in(&mut self, buf: &mut ReadBuf<'_>, before: usize) -> bool {
        let new = buf.filled_mut().get_mut(before..).unwrap_or_default();
        add(&self.link.bytes_read, new.len());
        let start = self.start;
        let mut free = 0;
        if new.is_empty() {
            self.ended = true;
            self.repairer.finish();
        } else if self.policy.read(new, || start.elapsed()).is_err() {
            self.link.set_flooded();
        } else {
            free = self.repairer.read(new);
            if free == new.len() {
                return true;
            }
        }
        self.detour = true;
        buf.set_filled(before + free);
        free > 0
    }

    /// What h2 is told in place of what the socket has. `None` if more has to be read first.
    #[cold]
    fn poll_detour(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Option<Poll<io::Result<()>>> {
        if self.link.is_flooded() {
            // The connection knows, and does not wait for more.
            return Some(Poll::Pending);
        }
        if self.repairer.give(buf) {
            return Some(Poll::Ready(Ok(())));
        }
        if self.ended {
            return Some(self.end.poll(cx, &self.link));
        }
        self.detour = self.repairer.keeps();
        None
    }

    /// Nothing more has come. Sees to it that what cannot wait does not: the rest of the handshake, and of a header block.
    fn wait(&mut self, cx: &mut Context<'_>) {
        let end = match self.policy.header_block_since() {
            Some(since) => since.checked_add(self.header_block_timeout),
            None if self.policy.is_greeting() => Some(self.handshake_timeout),
            None => None,
        };
        let Some(end) = end.and_then(|end| self.start.checked_add(end)) else {
            self.timer = None;
            return;
        };
        let timer = match &mut self.timer {
            Some(timer) if timer.deadline() == end => timer,
            timer => timer.insert(Box::pin(sleep_until(end))),
        };
        if timer.as_mut().poll(cx).is_ready() {
            self.link.set_late();
            self.detour = true;
        }
    }
}

impl<T: AsyncWrite + Unpin> Guard<T> {
    fn poll_write_as_it_is(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(self.io()?).poll_write(cx, buf);
        if let Poll::Ready(Ok(n)) = &result {
            add(&self.link.bytes_written, *n);
            self.policy.wrote(buf.get(..*n).unwrap_or(buf));
            self.link.add_malformed(self.policy.malformed());
        }
        self.note(result)
    }

    /// Writes what comes before the GOAWAY, or the GOAWAY with a text.
    #[cold]
    fn poll_write_farewell(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let (Some(text), Some(at)) = (
            self.policy.flood().map(farewell::text),
            farewell::find(self.policy.outgoing(), buf),
        ) else {
            return self.poll_write_as_it_is(cx, buf);
        };
        if at > 0 {
            return self.poll_write_as_it_is(cx, buf.get(..at).unwrap_or(buf));
        }
        let (frame, mut written) = std::mem::take(&mut self.farewell);
        let frame = if frame.is_empty() {
            farewell::with_text(buf, text)
        } else {
            frame
        };
        let result = loop {
            let rest = frame.get(written..).unwrap_or_default();
            if rest.is_empty() {
                add(&self.link.bytes_written, frame.len());
                self.policy.wrote(&frame);
                return self.note(Poll::Ready(Ok(farewell::LEN)));
            }
            match Pin::new(self.io()?).poll_write(cx, rest) {
                Poll::Ready(Ok(n)) if n > 0 => written += n,
                result => break result,
            }
        };
        self.farewell = (frame, written);
        self.note(result)
    }
}

/// Reads `most` bytes at most. `buf` may have room for more: it grows with the frames that the peer sends.
fn poll_read_at_most<T: AsyncRead + Unpin>(
    io: &mut T,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
    most: usize,
) -> Poll<io::Result<()>> {
    if buf.remaining() <= most {
        return Pin::new(io).poll_read(cx, buf);
    }
    let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
    let result = Pin::new(io).poll_read(cx, &mut part);
    let read = part.filled().len();
    buf.advance(read);
    result
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
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.detour {
            if let Some(result) = this.poll_detour(cx, buf) {
                return result;
            }
        }
        let most = this.allowance();
        if most == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let result = poll_read_at_most(this.io()?, cx, buf, most);
        if result.is_pending() {
            this.wait(cx);
            return Poll::Pending;
        }
        if !this.take_in(buf, before) && matches!(result, Poll::Ready(Ok(()))) {
            // To h2 a read of nothing is the end. The next one takes the detour.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        result
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guard<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.link.is_flooded() {
            return this.poll_write_farewell(cx, buf);
        }
        this.poll_write_as_it_is(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.link.is_flooded() {
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return this.poll_write_farewell(cx, first.map_or(&[], |buf| buf));
        }
        let result = Pin::new(this.io()?).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(n)) = &result {
            add(&this.link.bytes_written, *n);
            let mut left = *n;
            for buf in bufs {
                let written = buf.get(..left).unwrap_or(buf);
                this.policy.wrote(written);
                left -= written.len();
            }
            this.link.add_malformed(this.policy.malformed());
        }
        this.note(result)
    }

    // h2 chooses by this from which size on it does not copy.
    fn is_write_vectored(&self) -> bool {
        self.io.as_ref().is_some_and(T::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(self.io()?).poll_flush(cx);
        self.note(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(self.io()?).poll_shutdown(cx) {
            // TLS says goodbye. A peer that does not wait for it has not done anything wrong.
            Poll::Ready(Err(error)) if is_gone(&error) => Poll::Ready(Ok(())),
            result => result,
        }
    }
}

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        let at_odds =
            self.policy.is_foreign() || self.link.is_flooded() || self.link.failed.load(Relaxed);
        if self.ended || !at_odds {
            return;
        }
        if let (Some(io), Some(heir)) = (self.io.take(), self.heir.take()) {
            // Nobody waits for it when the connection's task is aborted.
            let _ = heir.send(io);
        }
    }
}

#[cfg(test)]
mod tests;
