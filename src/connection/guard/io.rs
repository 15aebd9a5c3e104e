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
use super::frames::Heads;
use super::greeting::Greeting;
use super::held::Held;
use super::linger::Lingering;
use super::policy::Policy;

/// A connection's byte stream, watched.
#[derive(Debug)]
pub(in crate::connection) struct Guard<T> {
    /// `None` only once it is handed over.
    io: Option<T>,
    heir: Option<oneshot::Sender<T>>,
    /// The peer has closed its side.
    ended: bool,
    link: Arc<Link>,
    policy: Policy,
    /// Until it is written.
    greeting: Option<Greeting>,
    /// The beginning of a frame, while late ones may come.
    held: Held,
    largest_frame: usize,
    /// How many of the bytes that h2 has offered the socket has not taken. h2 offers them again.
    offered: usize,
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
            link,
            policy: Policy::new(&config.guard()),
            greeting: Some(Greeting::new(config.max_header_list_size)),
            held: Held::default(),
            largest_frame: usize::try_from(config.max_frame_size).unwrap_or(usize::MAX),
            offered: 0,
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

    /// Shows the policy what h2 is about to write, as soon as h2 offers it: a frame that h2 has given away is one that h2 may have
    /// forgotten, whether or not the socket takes it at once.
    fn offer(&mut self, bufs: &[IoSlice<'_>]) {
        let mut known = self.offered;
        for buf in bufs {
            let new = buf.get(known..).unwrap_or_default();
            known = known.saturating_sub(buf.len());
            self.policy.wrote(new);
            self.offered += new.len();
        }
    }

    fn note_write(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(n)) = &result {
            add(&self.link.bytes_written, *n);
            self.offered = self.offered.saturating_sub(*n);
        }
        self.note(result)
    }

    /// How many bytes may be read at once now; none if other tasks are to run first.
    fn allowance(&mut self) -> usize {
        let read = self.link.read_in_poll();
        if read == 0 {
            self.policy.forget_headers();
        }
        if self.policy.headers() >= self.header_budget || self.policy.has_resets_to_look_at() {
            return 0;
        }
        let left = self.read_budget.saturating_sub(read);
        // What follows the current frame may all be headers.
        let most = self.header_budget.saturating_add(self.policy.data_left());
        usize::try_from(left.min(most)).unwrap_or(usize::MAX)
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
        }
    }
}

/// Judges what has just been read. False if the peer has gone too far.
fn admit(policy: &mut Policy, link: &Link, start: Instant, bytes: &[u8]) -> bool {
    add(&link.bytes_read, bytes.len());
    policy.excuse_resets(link.take_excused_resets());
    if policy.read(bytes, || start.elapsed()).is_err() {
        link.set_flooded();
        return false;
    }
    true
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
        if this.link.is_flooded() {
            // The connection knows, and does not wait for more.
            return Poll::Pending;
        }
        if this.held.is_passing() {
            // Nothing comes between the pieces of a frame: h2 is not to reset a stream with half of one.
            this.held.pass(buf);
            return Poll::Ready(Ok(()));
        }
        let most = this.allowance();
        if most == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if !this.held.is_empty() {
            return this.poll_held(cx, buf);
        }
        let before = buf.filled().len();
        let result = poll_read_at_most(this.io()?, cx, buf, most);
        if result.is_pending() {
            this.wait(cx);
            return Poll::Pending;
        }
        let place = this.policy.place();
        let new = buf.filled().get(before..).unwrap_or_default();
        if new.is_empty() {
            this.ended = true;
        } else if !admit(&mut this.policy, &this.link, this.start, new) {
            buf.set_filled(before);
            return Poll::Pending;
        }
        match place {
            Some(place) if !new_of(buf, before).is_empty() => {
                this.redirect(place, buf, before);
                // Nothing for h2 would be the end to it.
                if buf.filled().len() == before {
                    return this.poll_held(cx, buf);
                }
                result
            }
            _ => result,
        }
    }
}

fn new_of<'a>(buf: &'a mut ReadBuf<'_>, before: usize) -> &'a mut [u8] {
    buf.filled_mut().get_mut(before..).unwrap_or_default()
}

impl<T: AsyncRead + Unpin> Guard<T> {
    /// Redirects late frames, and holds back the beginning of a frame at the end.
    #[cold]
    fn redirect(&mut self, place: Heads, buf: &mut ReadBuf<'_>, before: usize) {
        let new = new_of(buf, before);
        let held = self.policy.redirect(place, new, self.largest_frame);
        let whole = new.len().saturating_sub(held);
        self.held.hold(new.get(whole..).unwrap_or_default());
        buf.set_filled(before + whole);
    }

    /// Completes the frame that is held back, and passes it on.
    #[cold]
    fn poll_held(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while !self.ended {
            if self.held.is_whole(self.largest_frame) {
                if let Some(head) = self.held.head() {
                    self.policy.redirect_one(head);
                }
                break;
            }
            let io = self.io.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            let Poll::Ready(n) = self.held.poll_more(cx, io, self.largest_frame)? else {
                self.wait(cx);
                return Poll::Pending;
            };
            self.ended = n == 0;
            if !admit(
                &mut self.policy,
                &self.link,
                self.start,
                self.held.newest(n),
            ) {
                return Poll::Pending;
            }
        }
        self.held.pass(buf);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> Guard<T> {
    /// Writes the server's first frame, or a part of it.
    #[cold]
    fn greet(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Some(mut greeting) = self.greeting.take() else {
            return Poll::Ready(Ok(0));
        };
        let bytes = greeting.bytes(buf);
        let result = Pin::new(self.io()?).poll_write(cx, bytes);
        if let Poll::Ready(Ok(n)) = &result {
            add(&self.link.bytes_written, *n);
            self.policy.wrote(bytes.get(..*n).unwrap_or(bytes));
            greeting.wrote(*n);
        }
        if !greeting.is_over() {
            self.greeting = Some(greeting);
        }
        self.note(result)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guard<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.greeting.is_some() {
            return this.greet(cx, buf);
        }
        this.offer(&[IoSlice::new(buf)]);
        let result = Pin::new(this.io()?).poll_write(cx, buf);
        this.note_write(result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.greeting.is_some() {
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return this.greet(cx, first.map_or(&[], |buf| buf));
        }
        this.offer(bufs);
        let result = Pin::new(this.io()?).poll_write_vectored(cx, bufs);
        this.note_write(result)
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
