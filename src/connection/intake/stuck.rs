//! Which requests are stuck, and when a stuck request makes room for others.

use std::time::Duration;

use tokio::time::Instant;

use super::{Holding, Intake};

/// How long a request may bring less than [`LEAST`] bytes while others wait for room.
const STUCK: Duration = Duration::from_secs(2);
pub(in crate::connection) const LEAST: u64 = 4 << 10;

impl Intake {
    /// How many bytes the requests hold far beyond everything that the connection's window allows. A client that was let in for a message
    /// and sends other messages in its place gets so far.
    pub(in crate::connection) fn overdraft(&self) -> usize {
        let allowed = self.open.saturating_add(self.target());
        self.holding.held.saturating_sub(allowed)
    }

    /// Whether others wait for the room of a request that holds `held` bytes, and for which `granted` bytes are set aside. While the
    /// connection `moves`, its own messages do not count as others: a client need not send all of its messages at the same speed.
    pub(in crate::connection) fn is_wanted(
        &self,
        held: usize,
        granted: usize,
        moves: bool,
    ) -> bool {
        let waits = self.waits && self.missing > 0 && !moves;
        let messages = waits || self.messages.budget().is_short();
        // Who has nothing beyond the open window waits as the others do, unless such connections take all of the room.
        let is_full = self.unread.budget().used() == 0;
        let has_much = self.unread.held() > 0 || (is_full && self.holding.held > self.open / 2);
        let unread = has_much && self.unread.budget().is_short();
        (granted > 0 && messages) || (held > 0 && unread)
    }

    /// Whether the connection's messages wait for the messages of other connections.
    pub(in crate::connection) fn waits_for_others(&self) -> bool {
        self.messages.is_waiting()
    }

    /// Since when the connection has brought less than a sixteenth of the messages that were granted room.
    pub(in crate::connection) fn slow_since(&mut self, read: u64, now: Instant) -> Instant {
        let least = LEAST.max(self.messages.held() as u64 / 16);
        if read.wrapping_sub(self.pace.0) >= least {
            self.pace = (read, None);
        }
        *self.pace.1.get_or_insert(now)
    }

    /// A request that has been slow since then or earlier is stuck at `now`.
    pub(in crate::connection) fn slow_before(now: Instant) -> Option<Instant> {
        now.checked_sub(STUCK)
    }

    /// The same, for a request that may be slow because its connection waits for room. `None` if the connection has waited since then.
    pub(in crate::connection) fn idle_before(&mut self, now: Instant) -> Option<Instant> {
        if self.is_closing() {
            self.free = None;
            return None;
        }
        let since = *self.free.get_or_insert(now);
        Self::slow_before(now).filter(|slow| since <= *slow)
    }

    /// Whether the requests have used up the connection's window for so long that one of them is given up.
    pub(in crate::connection) fn is_blocked(&mut self, now: Instant) -> bool {
        if !self.is_closing() {
            self.blocked = None;
            return false;
        }
        let since = *self.blocked.get_or_insert(now);
        now.saturating_duration_since(since) >= 2 * STUCK
    }

    /// Whether a stuck request may be given up because its connection's window is used up: its handler has not taken all bytes, or the
    /// connection has room of the budget. The others wait for room as the connection does.
    pub(in crate::connection) fn may_block(&self, is_unread: bool) -> bool {
        is_unread || self.unread.held() > 0
    }

    /// Called when a request was given up that held so many bytes.
    pub(in crate::connection) fn forget(&mut self, held: usize, granted: usize) {
        self.missing = self.missing.saturating_sub(granted);
        let holding = Holding {
            held: self.holding.held.saturating_sub(held),
            granted: self.holding.granted.saturating_sub(granted),
            coming: self.holding.coming.saturating_sub(granted),
            bodies: self.holding.bodies.saturating_sub(1),
            need: self.holding.need.saturating_sub(held),
            wants: self.holding.wants,
        };
        self.settle(holding);
    }
}
