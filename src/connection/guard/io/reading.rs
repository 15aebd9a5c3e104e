//! From the socket to h2.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, sleep_until};

use super::super::super::link::Link;
use super::super::frames::Heads;
use super::super::policy::Policy;
use super::{Guard, add};

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
            // Nothing comes between the pieces of a frame: h2 is not to reset a stream with half of one.
            return this.pass_held(cx, buf);
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
        if !this.take_in(buf, before, place) && matches!(result, Poll::Ready(Ok(()))) {
            // To h2 a read of nothing is the end. The next one takes the detour, or completes the frame that is held back.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        result
    }
}

impl<T: AsyncRead + Unpin> Guard<T> {
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

    /// Passes on as much of the frame that is held back as there is room for.
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
    /// Judges what has just been read, behind the first `before` bytes of `buf`, and leaves there what h2 may see of it now. `place` is
    /// where these bytes stand, if some of them may be late. False if h2 may see nothing yet.
    // Apart, so that reads of nothing, which are most, cost no more than they have to.
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
                // The beginning of a frame at the end is held back: h2 is not to reset a stream with half of one.
                whole -= self.policy.redirect(place, new, self.largest_frame);
                self.held.hold(new.get(whole..).unwrap_or_default());
            }
            let whole = new.get_mut(..whole).unwrap_or_default();
            free = self.repairer.read(whole);
            self.detour |= free < whole.len();
            if free == new.len() {
                return true;
            }
        } else {
            self.detour = true;
        }
        buf.set_filled(before + free);
        free > 0
    }

    /// Repairs bytes on their way to h2: how many of them h2 may see now. The repairer keeps the others.
    fn repair(&mut self, bytes: &mut [u8]) -> usize {
        let free = self.repairer.read(bytes);
        self.detour |= free < bytes.len();
        free
    }

    /// The peer has closed its side.
    #[cold]
    fn end_input(&mut self) {
        self.ended = true;
        self.detour = true;
        self.repairer.finish();
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
        if self.ended && self.held.is_empty() {
            return Some(self.end.poll(cx, &self.link));
        }
        self.detour = self.ended || self.repairer.keeps();
        None
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
