//! Reads from the socket for h2.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, sleep_until};

use super::super::super::link::{Link, yield_to_others};
use super::super::frames::Heads;
use super::super::policy::Policy;
use super::{Guard, add};

/// How many bytes over the read budget the guard may read to complete a DATA frame: the largest frame that every peer may send.
const OVERDRAFT: u64 = 16 << 10;

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
        if this.held.is_passing() {
            // The rest of a frame follows at once: h2 must not reset a stream after half of the stream's frame.
            return this.pass_held(cx, buf);
        }
        if this.drained && this.link.is_to_gather_all() {
            // The connection answers what has been read, and asks again before it waits.
            return Poll::Pending;
        }
        let most = this.allowance();
        if most == 0 {
            yield_to_others(cx);
            return Poll::Pending;
        }
        if !this.held.is_empty() {
            return this.poll_held(cx, buf);
        }
        let before = buf.filled().len();
        let result = poll_read_at_most(this.io()?, cx, buf, most);
        this.drained = result.is_pending();
        if this.drained {
            this.wait(cx);
            return Poll::Pending;
        }
        if this.is_flooded(&result) {
            return Poll::Pending;
        }
        let place = this.policy.place();
        if !this.take_in(buf, before, place) && matches!(result, Poll::Ready(Ok(()))) {
            // h2 takes a read of zero bytes for the end of the input, so this read is pending. The next read takes the detour, or completes
            // the held frame.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        result
    }
}

impl<T: AsyncRead + Unpin> Guard<T> {
    /// Completes the held frame, and passes the frame on.
    #[cold]
    fn poll_held(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while !self.ended {
            if self.held.is_whole(self.largest_frame) {
                if let Some(head) = self.held.head() {
                    self.policy.redirect_one(head);
                }
                break;
            }
            let io = self.io.as_mut().ok_or(ErrorKind::NotConnected)?;
            let more = self.held.poll_more(cx, io, self.largest_frame);
            if self.is_flooded(&more) {
                return Poll::Pending;
            }
            let Poll::Ready(n) = more? else {
                self.wait(cx);
                return Poll::Pending;
            };
            if n == 0 {
                self.end_input();
            } else if !admit(
                &mut self.policy,
                &self.link,
                self.start,
                self.held.newest(n),
            ) {
                self.detour = true;
                return Poll::Pending;
            }
        }
        self.pass_held(cx, buf)
    }

    /// Passes on as many bytes of the held frame as `buf` has room for.
    #[cold]
    fn pass_held(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        self.held.pass(buf);
        let passed = buf.filled_mut().get_mut(before..).unwrap_or_default();
        let free = self.repair(passed);
        buf.set_filled(before + free);
        if free == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T> Guard<T> {
    /// Judges the bytes after the first `before` bytes of `buf`, and leaves in `buf` the bytes that h2 may see now. `place` is the position
    /// of these bytes, if late frames are possible. Returns false if h2 may see nothing yet.
    // Not inlined, so that a read without bytes, the most frequent read, stays cheap.
    #[inline(never)]
    fn take_in(&mut self, buf: &mut ReadBuf<'_>, before: usize, place: Option<Heads>) -> bool {
        let new = buf.filled_mut().get_mut(before..).unwrap_or_default();
        if new.is_empty() {
            self.end_input();
            return false;
        }
        let mut free = 0;
        if admit(&mut self.policy, &self.link, self.start, new) {
            let mut whole = new.len();
            if let Some(place) = place {
                // An incomplete frame at the end is held: h2 must not reset a stream after half of the stream's frame.
                whole -= self.policy.redirect(place, new, self.largest_frame);
                self.held.hold(new.get(whole..).unwrap_or_default());
            }
            free = self.repair(new.get_mut(..whole).unwrap_or_default());
            if free == new.len() {
                return true;
            }
        } else {
            self.detour = true;
        }
        buf.set_filled(before + free);
        free > 0
    }

    /// Repairs bytes on their way to h2. Returns how many bytes h2 may see now; the repairer keeps the others.
    #[inline]
    fn repair(&mut self, bytes: &mut [u8]) -> usize {
        let free = self.repairer.read(bytes);
        self.detour |= free < bytes.len();
        free
    }

    /// Whether TLS has counted too many records in vain. The connection ends then, as after a flood of frames.
    #[inline]
    fn is_flooded<R>(&mut self, read: &Poll<io::Result<R>>) -> bool {
        let flooded = match read {
            Poll::Ready(Err(error)) => error.kind() == ErrorKind::QuotaExceeded,
            _ => false,
        };
        if flooded {
            self.link.set_flooded();
            self.detour = true;
        }
        flooded
    }

    /// Called when the peer has closed its side.
    #[cold]
    fn end_input(&mut self) {
        self.ended = true;
        self.detour = true;
        self.repairer.finish();
    }

    /// Returns the answer to h2's read if it is not the socket's. `None` if the guard has to read the socket first.
    #[cold]
    fn poll_detour(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Option<Poll<io::Result<()>>> {
        if self.link.is_flooded() {
            // The connection knows of the flood, and does not wait for more bytes.
            return Some(Poll::Pending);
        }
        if self.repairer.give(buf) {
            return Some(Poll::Ready(Ok(())));
        }
        if self.ended && self.held.is_empty() {
            return Some(self.end.poll(cx, &self.link));
        }
        self.detour = self.ended || self.repairer.keeps();
        None
    }

    /// Returns how many bytes may be read at once now; zero if other tasks have to run first.
    fn allowance(&mut self) -> usize {
        let read = self.link.read_in_poll();
        if read == 0 {
            self.policy.begin_turn(self.reader.busy());
        }
        let (mut budget, mut at_once, mut is_full) = (self.read_budget, u64::MAX, false);
        let portion = self.policy.portion();
        if portion.matters() {
            budget = budget.saturating_add(portion.spared());
            at_once = portion.at_once().unwrap_or(at_once);
            is_full = portion.is_full();
        }
        let left = budget.saturating_sub(read);
        if left == 0
            || is_full
            || self.policy.headers() >= self.header_budget
            || self.policy.has_resets_to_look_at()
        {
            self.reader.set_busy(true);
            return 0;
        }
        // All bytes after the current frame may be headers. The last frame is read to its end, which saves a read of its rest.
        let data = self.policy.data_left();
        let most = self.header_budget.saturating_add(data);
        let left = left.max(data.min(OVERDRAFT)).min(at_once);
        usize::try_from(left.min(most)).unwrap_or(usize::MAX)
    }

    /// Called when the socket has no more bytes. Sets the timer for an incomplete handshake or header block.
    #[inline]
    fn wait(&mut self, cx: &mut Context<'_>) {
        self.reader.set_busy(false);
        if self.timer.is_some() || self.policy.is_in_a_hurry() {
            self.wait_in_time(cx);
        }
    }

    #[cold]
    fn wait_in_time(&mut self, cx: &mut Context<'_>) {
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

/// Judges bytes that have just been read. Returns false after a flood.
fn admit(policy: &mut Policy, link: &Link, start: Instant, bytes: &[u8]) -> bool {
    add(&link.bytes_read, bytes.len());
    policy.excuse_resets(link.take_excused_resets());
    if policy.read(bytes, || start.elapsed()).is_err() {
        link.set_flooded();
        return false;
    }
    link.set_heads(policy.heads);
    true
}

/// Reads at most `most` bytes. `buf` may have more room, since h2's buffer grows with the peer's frames.
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
