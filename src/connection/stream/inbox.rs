//! The bytes of one request that the server holds, and their window.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use tokio::time::Instant;

use crate::buffers::{self, Buffer};
use crate::wire::envelope::PREFIX_LEN;

/// How many bytes of the window are returned at once while there is more to read. A smaller number would cost a call of h2 for every frame.
const HELD: usize = 4 << 10;

/// How many windows of bytes a request brings within a second before its window grows. The window then fits a round trip of up to a quarter
/// of a second.
const FAST: u64 = 4;

/// A message of which only a part has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::connection) struct Partial {
    /// How many bytes of the message have arrived.
    pub(in crate::connection) have: usize,
    /// The length that the message's prefix declares.
    pub(in crate::connection) len: usize,
}

/// The body of one request: h2's stream, and the bytes that were taken out of h2 before anybody asked for them.
///
/// The window of a byte is returned to the client once the byte is no longer held, or once the whole message has been
/// [granted](Self::grant) room.
#[derive(Debug)]
pub(in crate::connection) struct Inbox {
    stream: RecvStream,
    /// The bytes that nobody has asked for. These bytes are copies: a small DATA frame in h2's queue holds a whole read buffer.
    early: Buffer,
    /// How many bytes were given out whose window is not returned.
    handed: usize,
    partial: Option<Partial>,
    /// The bytes that the budget has set aside for the message under way; zero if the message has to fit into the stream's window.
    granted: usize,
    ticket: Option<u64>,
    pace: Pace,
}

/// How fast a request arrives.
#[derive(Debug, Default)]
struct Pace {
    /// How many bytes have arrived.
    arrived: u64,
    /// The value of `arrived` when the request was last found to be fast enough, and when that was.
    seen: u64,
    since: Option<Instant>,
    /// The value of `arrived` at the last look at how fast the request arrives, and when that was.
    marked: u64,
    marked_at: Option<Instant>,
}

impl Inbox {
    pub(in crate::connection) fn new(stream: RecvStream) -> Self {
        Self {
            stream,
            early: Buffer::default(),
            handed: 0,
            partial: None,
            granted: 0,
            ticket: None,
            pace: Pace::default(),
        }
    }

    /// The same, after the first `bytes` of the request were given out.
    pub(super) const fn after(mut self, bytes: usize) -> Self {
        self.handed = bytes;
        self.pace.arrived = bytes as u64;
        self
    }

    /// The next bytes of the request, `None` at the end. An error means that the stream is gone.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        if !self.early.is_empty() {
            let chunk = std::mem::take(&mut self.early).freeze();
            self.handed += chunk.len();
            return Poll::Ready(Some(Ok(chunk)));
        }
        let polled = self.stream.poll_data(cx);
        if let Poll::Ready(Some(Ok(chunk))) = &polled {
            self.handed += chunk.len();
            self.pace.arrived += chunk.len() as u64;
        }
        polled
    }

    /// Whether all bytes of the request have been given out.
    #[inline]
    pub(super) fn is_at_end(&self) -> bool {
        self.early.is_empty() && self.stream.is_end_stream()
    }

    /// Takes all bytes out of h2. `reader` is the waker of whoever waits for more bytes.
    pub(in crate::connection) fn drain(&mut self, reader: Option<&Waker>) {
        let mut cx = Context::from_waker(reader.unwrap_or(Waker::noop()));
        while let Poll::Ready(Some(Ok(chunk))) = self.stream.poll_data(&mut cx) {
            self.pace.arrived += chunk.len() as u64;
            buffers::append(&mut self.early, &chunk);
        }
    }

    /// Called when the reader has used the bytes that were given out, except those of `partial`. Returns whether the message needs room
    /// beyond the stream's window of `window` bytes.
    pub(super) fn used(&mut self, partial: Option<Partial>, window: usize) -> bool {
        let Some(partial) = partial else {
            if self.handed >= HELD || self.granted > 0 {
                self.end_message();
            }
            return false;
        };
        self.partial = Some(partial);
        if self.granted > 0 {
            self.release(0);
            return false;
        }
        self.release(partial.have.saturating_add(PREFIX_LEN));
        partial.len.saturating_add(PREFIX_LEN) > window
    }

    /// Called when no message is under way.
    pub(super) fn end_message(&mut self) {
        self.partial = None;
        self.ticket = None;
        self.granted = 0;
        self.release(0);
    }

    /// Returns the window of all bytes that were given out, except of the last `keep`. An error means that the stream is gone. The next
    /// poll reports the stream's end.
    fn release(&mut self, keep: usize) {
        let freed = self.handed.saturating_sub(keep);
        if freed > 0 {
            let _ = self.stream.flow_control().release_capacity(freed);
            self.handed -= freed;
        }
    }

    /// The message that needs room beyond the stream's window of `window` bytes: its length.
    pub(in crate::connection) fn wanted(&self, window: usize) -> Option<usize> {
        let partial = self.partial.filter(|_| self.granted == 0)?;
        (partial.len.saturating_add(PREFIX_LEN) > window).then_some(partial.len)
    }

    /// Lets the rest of the message arrive.
    pub(in crate::connection) fn grant(&mut self, bytes: usize) {
        self.granted = bytes;
        self.ticket = None;
        self.pace.since = None;
        self.release(0);
    }

    /// The number of the message among those of its connection that wait for room. `next` is the number of a message that has none.
    pub(in crate::connection) fn ticket(&mut self, next: &mut u64) -> u64 {
        *self.ticket.get_or_insert_with(|| {
            *next += 1;
            *next
        })
    }

    pub(in crate::connection) const fn granted(&self) -> usize {
        self.granted
    }

    /// How many bytes of the message that was granted room have not arrived.
    pub(in crate::connection) fn coming(&self) -> usize {
        let have = self.partial.map_or(0, |partial| partial.have);
        self.granted.saturating_sub(have)
    }

    /// How many bytes are held whose window is not returned.
    pub(in crate::connection) fn held(&self) -> usize {
        self.early.len() + self.handed
    }

    /// Whether bytes have arrived that the reader has not asked for.
    pub(in crate::connection) fn is_unread(&self) -> bool {
        !self.early.is_empty()
    }

    /// How many bytes the server may come to hold of the request without setting room aside, if the stream's window is `window` bytes. A
    /// request that has been slow since `slow` or earlier counts as it is.
    pub(in crate::connection) fn need(&self, window: usize, slow: Option<Instant>) -> usize {
        if self.granted > 0 {
            return 0;
        }
        let held = self.held();
        let is_slow = self.pace.since.is_some_and(|since| Some(since) <= slow);
        match self.partial {
            _ if is_slow || self.is_at_end() => held,
            Some(partial) => partial.len.saturating_add(PREFIX_LEN).min(window).max(held),
            // A stream between two messages may stay so.
            None if held == 0 && self.pace.arrived > 0 => 0,
            None => window.max(held),
        }
    }

    /// Since when the request has brought less than `least` bytes, or a sixteenth of the message that was granted room.
    pub(in crate::connection) fn slow_since(&mut self, least: u64, now: Instant) -> Instant {
        let least = least.max(self.granted as u64 / 16);
        let pace = &mut self.pace;
        if pace.arrived - pace.seen >= least {
            pace.seen = pace.arrived;
            pace.since = None;
        }
        *pace.since.get_or_insert(now)
    }

    /// Whether the request has used up [`FAST`] windows of `window` bytes within a second.
    pub(in crate::connection) fn is_fast(&mut self, window: usize, now: Instant) -> bool {
        let pace = &mut self.pace;
        let at = *pace.marked_at.get_or_insert(now);
        if pace.arrived - pace.marked < FAST.saturating_mul(window as u64) {
            return false;
        }
        pace.marked = pace.arrived;
        pace.marked_at = Some(now);
        now.saturating_duration_since(at) <= Duration::from_secs(1)
    }

    /// Gives up the bytes that nobody has asked for, and the room of the message.
    pub(in crate::connection) fn give_up(&mut self) {
        self.handed += self.early.len();
        self.early = Buffer::default();
        self.end_message();
    }
}
