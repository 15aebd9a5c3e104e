//! The memory that one connection's requests may take, and the windows that follow from the memory.
//!
//! A connection's window is open by a fixed number of bytes, and by as many bytes more as the server's budgets have room for. A quarter of
//! the server's budget is for messages that do not fit into a stream's window: such a message waits until its whole length has room. Three
//! eighths are for the bytes that arrive without asking: those within the streams' windows. A client may spend the connection's window on
//! any of its requests. So a connection whose requests may need more than the fixed part takes room for all of them at once, or waits for
//! its turn without any, and lets no message in meanwhile. Every message that was let in can then arrive whole, and requests never wait for
//! one another in a circle.
//!
//! The rest is for what a connection holds whatever the limit: the bytes within the fixed part of the window, the spare room of buffers,
//! and the calls that wait. When these need more than the rest, messages and other bytes get what is left of the budget, and an eighth each
//! in any case. What had room before keeps the room, so all together may be larger than the budget for a while.

mod stuck;
#[cfg(test)]
mod tests;
mod windows;

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::budget::{Budget, Full, Share};
use super::config::Config;
pub(super) use stuck::LEAST;

/// The bytes of a connection that are read before the connection counts what its requests hold.
const LOOK: u64 = 8 << 10;

/// How often a connection that holds room looks whether others wait for the room.
const PERIOD: Duration = Duration::from_secs(1);

/// After so many looks at a quiet connection the windows become small again.
const QUIET: u32 = 10;

/// What a waiting call counts: the memory of the call here and in h2, in bytes. The value is approximate: a call with few headers takes up
/// to 2 KiB, more headers take more, and the allocator takes its part.
const CALL: usize = 3 << 10;

/// So many waiting calls of a connection count nothing, and more are counted in steps of as many.
const FEW_CALLS: usize = 16;

/// A connection whose requests hold up to this many bytes counts nothing.
const FEW_BYTES: usize = 16 << 10;

/// A buffer of a message has this part more room than bytes at most: one in so many.
const SPARE: usize = 4;

/// The server's budget for the bytes of requests.
#[derive(Debug)]
pub(crate) struct Budgets {
    messages: Arc<Budget>,
    unread: Arc<Budget>,
    /// What connections hold whatever the limit.
    anyway: Arc<Budget>,
}

impl Budgets {
    pub(super) fn new(bytes: usize) -> Self {
        let (half, part) = (bytes / 8 * 3, bytes / 8);
        let anyway = Budget::new(usize::MAX);
        let unread = Budget::with_most(half, bytes / 4).beside(&[&anyway], half, part);
        let messages = Budget::with_most(bytes / 4, part).beside(&[&unread, &anyway], bytes, part);
        Self {
            messages,
            unread,
            anyway,
        }
    }
}

/// What the requests of a connection hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Holding {
    /// The bytes whose window is not returned.
    pub(super) held: usize,
    /// The bytes set aside for messages that were let in, and how many of these bytes have not arrived.
    pub(super) granted: usize,
    pub(super) coming: usize,
    /// How many requests are under way.
    pub(super) bodies: usize,
    /// How many bytes the requests may come to hold besides the messages that were let in.
    pub(super) need: usize,
    /// Whether a message waits for room.
    pub(super) wants: bool,
}

/// One connection's part of the budget, and its windows.
#[derive(Debug)]
pub(super) struct Intake {
    /// What the connection holds whatever the limit.
    anyway: Share,
    unread: Share,
    // Dropped behind the shares above: its budget depends on theirs.
    messages: Share,
    /// Wakes the connection, which then looks at its requests.
    waker: Waker,
    /// How far the connection's window is open without the budget, in bytes.
    open: usize,
    stream_window: usize,
    most_window: usize,
    holding: Holding,
    /// How many steps of waiting calls have been counted.
    calls: usize,
    /// Whether a message waits for room, and how many bytes have to be given back for the message.
    waits: bool,
    missing: usize,
    /// Whether the connection has something of the budget, or waits for it; waiting calls aside.
    active: bool,
    /// The connection's counter of read bytes at the last look.
    looked: u64,
    look_at: Option<Instant>,
    /// For how many looks the connection has been quiet, and the counter of read bytes at the last of them.
    quiet: u32,
    read_before: u64,
    /// The counter of read bytes when the connection was last found to be fast enough, and when that was.
    pace: (u64, Option<Instant>),
    /// Since when the requests have not used up most of the connection's window.
    free: Option<Instant>,
    /// Since when the requests have used up all of the connection's window.
    blocked: Option<Instant>,
    /// The windows that h2 has been told: the connection's, and the streams'.
    told: (u32, u32),
    /// The window that would fit the messages that have come; zero if all have fitted into the first window.
    wanted_window: usize,
    /// The window for which the budget has room; zero if the streams keep their first window.
    wide: usize,
}

impl Intake {
    pub(super) fn new(budgets: &Budgets, config: &Config, waker: Waker) -> Self {
        let open = config.connection_window();
        let window = config.initial_stream_window;
        Self {
            anyway: Share::new(&budgets.anyway),
            unread: Share::new(&budgets.unread),
            messages: Share::new(&budgets.messages),
            waker,
            open: size(open),
            stream_window: size(window),
            most_window: size(config.max_stream_window.max(window)),
            holding: Holding::default(),
            calls: 0,
            waits: false,
            missing: 0,
            active: false,
            looked: 0,
            look_at: None,
            quiet: 0,
            read_before: 0,
            pace: (0, None),
            free: None,
            blocked: None,
            told: (open, window),
            wanted_window: 0,
            wide: 0,
        }
    }

    /// Whether the connection has to count what its requests hold. `read` is the number of bytes that the connection has read.
    #[inline]
    pub(super) fn is_due(&self, read: u64) -> bool {
        read.wrapping_sub(self.looked) >= LOOK
    }

    /// Whether the connection has something of the budget, or waits for it.
    #[inline]
    pub(super) const fn is_active(&self) -> bool {
        self.active
    }

    fn note_active(&mut self) {
        let has_room = self.messages.held() > 0 || self.unread.held() > 0;
        self.active = self.waits || has_room || self.holding.held > FEW_BYTES;
    }

    pub(super) const fn looked(&mut self, read: u64) {
        self.looked = read;
    }

    /// Takes note of how many calls wait.
    #[inline]
    pub(super) fn count_calls(&mut self, calls: usize) {
        if calls / FEW_CALLS != self.calls {
            self.calls = calls / FEW_CALLS;
            self.hold_anyway();
        }
    }

    /// Counts what the connection holds whatever the limit.
    #[cold]
    fn hold_anyway(&mut self) {
        let calls = self.calls.saturating_mul(FEW_CALLS * CALL);
        let held = Some(self.holding.held).filter(|held| *held > FEW_BYTES);
        let held = held.unwrap_or(0);
        // Other bytes may have come in place of a message that was let in.
        let allowed = self.unread.held().saturating_add(self.holding.coming);
        let open = held.saturating_sub(allowed);
        self.anyway.hold_anyway(calls + open + held / SPARE);
        self.unread.budget().wake_next();
        self.messages.budget().wake_next();
    }

    /// Counts what the requests hold now.
    pub(super) fn settle(&mut self, holding: Holding) {
        self.holding = holding;
        self.settle_unread();
        self.hold_anyway();
        self.note_active();
    }

    fn settle_unread(&mut self) {
        let holding = self.holding;
        let excess = self.messages.held().saturating_sub(holding.granted);
        self.messages.give_back(excess);
        // Half of the open window is free, so that a few small requests cost no budget.
        let due = holding.held.saturating_sub(self.open / 2);
        let need = holding.need.saturating_sub(self.open / 2);
        self.wide = self.widest();
        let wide = self.wide.saturating_mul(holding.bodies);
        if self.wide > 0 && self.charge(due.max(wide)).is_ok() {
            self.unread.leave();
            return;
        }
        self.wide = 0;
        let wants = holding.wants && holding.need > self.open;
        let charged = self.unread.held();
        let due = if wants || due > 0 {
            due.max(need)
        } else {
            need.min(charged)
        };
        match self.charge(due) {
            // Who waits makes others give up requests, so a connection whose window is still open does not wait.
            Err(Full::Budget) if wants || self.is_closing() => {
                let missing = due.min(self.unread.budget().most()).saturating_sub(charged);
                self.unread.wait(missing, &self.waker);
            }
            _ => self.unread.leave(),
        }
    }

    /// Takes as much of the budget for unread bytes as makes `due` bytes in all, or gives back what is more.
    fn charge(&mut self, due: usize) -> Result<(), Full> {
        let charged = self.unread.held();
        if due <= charged {
            self.unread.give_back(charged - due);
            return Ok(());
        }
        let most = self.unread.budget().most();
        let taken = self.unread.try_take(due.min(most).saturating_sub(charged));
        taken?;
        if due > most {
            return Err(Full::Share);
        }
        Ok(())
    }

    /// The window that the streams may have if the budget has room for all of them; zero if they keep their first window. A window grows
    /// into half of the connection's room, so that a few more streams do not make the window smaller again at once.
    fn widest(&self) -> usize {
        if self.wanted_window == 0 || self.holding.bodies == 0 {
            return 0;
        }
        let room = self.unread.budget().most() / self.holding.bodies;
        let fitting = self.wanted_window.min(self.most_window).min(room / 2);
        let kept = size(self.told.1).min(room);
        let window = fitting.max(kept);
        let window = window - window % STEP;
        if window > self.stream_window {
            window
        } else {
            0
        }
    }

    /// Sets room aside for a message of `len` bytes. `None` if there is no room now; the connection is woken when there is.
    pub(super) fn grant(&mut self, len: usize) -> Option<usize> {
        let ahead = len.saturating_mul(AHEAD).saturating_add(STEP);
        self.wanted_window = self.wanted_window.max(ahead);
        let most = self.messages.budget().most();
        // A message that is longer than all the room of a connection comes alone.
        let bytes = len.clamp(1, most.max(1));
        // While no other connection has room, waiting for the room leads nowhere.
        let others = self.unread.budget().used() > self.unread.held();
        if others && !self.is_safe() {
            self.messages.leave();
            self.waits = true;
            self.active = true;
            self.missing = 0;
            return None;
        }
        let held = self.messages.held();
        let all = held.saturating_add(self.unread.held()).saturating_add(len);
        let taken = if held > 0 && all > self.unread.budget().most() {
            Err(Full::Share)
        } else {
            self.messages.try_take(bytes)
        };
        match taken {
            Ok(()) => {
                self.messages.take_anyway(len - bytes.min(len));
                self.holding.granted += len.max(1);
                self.holding.coming += len.max(1);
                self.active = true;
                Some(len.max(1))
            }
            Err(full) => {
                self.waits = true;
                self.active = true;
                self.missing = match full {
                    Full::Share => {
                        self.messages.leave();
                        held.saturating_add(len).saturating_sub(most).max(1)
                    }
                    Full::Budget => {
                        self.messages.wait(bytes, &self.waker);
                        bytes
                    }
                };
                None
            }
        }
    }

    /// Called when no message waits for room.
    pub(super) fn nobody_waits(&mut self) {
        if std::mem::take(&mut self.waits) {
            self.messages.leave();
            self.note_active();
        }
    }

    /// When to look whether others wait for the room that the connection has.
    pub(super) fn next(&self) -> Option<Instant> {
        self.look_at
    }

    /// Whether it is time to look at the requests that are stuck. Sets the time of the next look.
    pub(super) fn is_time(&mut self, now: Instant, read: u64) -> bool {
        if self.look_at.is_none_or(|at| at > now) {
            return false;
        }
        let quiet = read.wrapping_sub(self.read_before) < LOOK;
        self.quiet = if quiet { self.quiet + 1 } else { 0 };
        self.read_before = read;
        if self.quiet >= QUIET {
            self.wanted_window = 0;
        }
        self.look_at = None;
        self.look_again(now);
        true
    }

    /// Sets the time of the next look, if the connection has room or wide windows.
    pub(super) fn look_again(&mut self, now: Instant) {
        if self.look_at.is_none() && (self.is_wide() || self.is_active()) {
            self.look_at = now.checked_add(PERIOD);
        }
    }

    /// Whether the connection's window is so far open that what other requests send cannot use up the room of a message that is let in.
    fn is_safe(&self) -> bool {
        let unread = self.unread.held();
        self.open.saturating_add(unread) >= self.holding.need
            || unread >= self.unread.budget().most()
    }

    /// Whether the requests have used up most of the connection's window.
    fn is_closing(&self) -> bool {
        self.target().saturating_sub(self.holding.held) < self.open / 4
    }
}

/// How many messages a stream's window has room for, once a message did not fit.
const AHEAD: usize = 4;

/// The window of a stream changes in steps of so many bytes, so that the client gets few SETTINGS.
const STEP: usize = 16 << 10;

fn size(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
