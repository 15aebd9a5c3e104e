//! The replies that are made and not yet taken: how much of them h2 may queue, and how much of them a server and a connection may hold.
//!
//! [`Outbox`] belongs to the server and [`Sending`] to a connection. A reply counts in full from the moment when the service has made the
//! reply until h2 has the last byte of the reply: the part that is left keeps the whole allocation. Small replies do not count.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use slab::Slab;

use super::budget::{Budget, Share};
use super::config::{Config, LONGEST_QUEUE};
use super::link::Link;

/// A reply of up to this many bytes is small: the reply does not count, waits for no budget and is never ended for a budget.
pub(super) const SMALL: usize = 1 << 10;

/// The length of the largest frame that every peer takes.
const FRAME: usize = 16 << 10;

/// How many bytes h2 may queue for a connection between two flushes, at first.
const QUEUE: usize = 128 << 10;

/// From this part of the budget on, the connection that holds most has to give something up, so that the rest has room for others.
const fn full(budget: usize) -> usize {
    budget - budget / 8
}

/// The replies of all connections of a server.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// The budget of the server in bytes. The shares' limit is the part that is "full".
    limit: usize,
    budget: Arc<Budget>,
    /// The connections that hold bytes of replies.
    holders: Mutex<Slab<Arc<Holder>>>,
}

/// A connection that holds bytes of replies.
#[derive(Debug)]
struct Holder {
    held: AtomicUsize,
    /// How many bytes the connection has to give up.
    owed: AtomicUsize,
    link: Arc<Link>,
}

impl Holder {
    fn rest(&self) -> usize {
        let owed = self.owed.load(Relaxed);
        self.held.load(Relaxed).saturating_sub(owed)
    }
}

impl Outbox {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            budget: Budget::new(full(limit)),
            holders: Mutex::default(),
        }
    }

    fn holders(&self) -> MutexGuard<'_, Slab<Arc<Holder>>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the connection that holds most to give up `bytes`. Does nothing if that is the connection itself: returns true.
    fn ask(&self, bytes: usize, asking: &Arc<Holder>) -> bool {
        let holders = self.holders();
        let most = holders.iter().map(|(_, holder)| holder);
        let Some(most) = most.max_by_key(|holder| holder.rest()).cloned() else {
            return false;
        };
        drop(holders);
        if Arc::ptr_eq(&most, asking) {
            return true;
        }
        most.owed.fetch_max(bytes, Relaxed);
        most.link.notify();
        false
    }
}

/// Wakes a connection whose streams wait for room in the server's budget.
struct Room(Arc<Link>);

impl Wake for Room {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// The replies of one connection.
#[derive(Debug)]
pub(super) struct Sending {
    outbox: Arc<Outbox>,
    share: Share,
    holder: Option<(Arc<Holder>, usize)>,
    link: Arc<Link>,
    /// The number of waiting replies that count.
    replies: usize,
    /// How many bytes of replies h2 has been given, and how many of them h2 has not written.
    given: u64,
    queued: usize,
    /// How many bytes of replies the peer has taken at their pace.
    at_pace: u64,
    /// The link's `bytes_written` when `queued` was last counted.
    written: u64,
    /// The bytes of the counted replies that h2 has taken since the last flush, and the same for a socket that has not taken them.
    finished: usize,
    stuck: usize,
    /// How many bytes h2 may queue between two flushes.
    queue: usize,
    least_queue: usize,
    /// Whether the queue was used up since the last flush.
    was_full: bool,
}

impl Sending {
    pub(super) fn new(outbox: &Arc<Outbox>, config: &Config, link: &Arc<Link>) -> Self {
        let least_queue = config.send_buffer().clamp(SMALL, QUEUE / 2);
        Self {
            outbox: Arc::clone(outbox),
            share: Share::new(&outbox.budget),
            holder: None,
            link: Arc::clone(link),
            replies: 0,
            given: 0,
            queued: 0,
            at_pace: 0,
            written: 0,
            finished: 0,
            stuck: 0,
            queue: 2 * least_queue,
            least_queue,
            was_full: false,
        }
    }

    /// How many bytes of replies h2 may get before the next flush.
    pub(super) const fn room(&self) -> usize {
        self.queue.saturating_sub(self.queued)
    }

    /// Whether h2 has so few bytes of replies that h2 writes them with one system call.
    #[inline]
    pub(super) const fn is_short(&self) -> bool {
        self.queued <= FRAME
    }

    /// How many bytes h2 may queue between two flushes.
    pub(super) const fn queue(&self) -> usize {
        self.queue
    }

    /// How many bytes of replies the socket has taken.
    pub(super) fn taken(&self) -> u64 {
        let queued = u64::try_from(self.queued).unwrap_or(u64::MAX);
        self.given.saturating_sub(queued)
    }

    /// Takes note that h2 has got `bytes` of a reply.
    #[inline]
    pub(super) const fn give(&mut self, bytes: usize) {
        self.given = self.given.wrapping_add(bytes as u64);
        self.queued = self.queued.saturating_add(bytes);
    }

    /// Takes note that h2 has got the last byte of a reply of `bytes`.
    #[inline]
    pub(super) const fn finish(&mut self, bytes: usize) {
        self.finished = self.finished.saturating_add(bytes);
    }

    /// Takes note that the peer has taken `bytes` of a reply at the reply's pace.
    pub(super) const fn met(&mut self, bytes: u64) {
        self.at_pace = self.at_pace.wrapping_add(bytes);
    }

    /// How many bytes of replies the peer has taken at their pace.
    pub(super) const fn at_pace(&self) -> u64 {
        self.at_pace
    }

    /// Takes note that a reply has no room before the next flush.
    pub(super) const fn set_full(&mut self) {
        self.was_full = true;
    }

    /// Called when h2 has written as much as the socket takes.
    #[inline]
    pub(super) fn flushed(&mut self) {
        if self.link.is_write_blocked() {
            // Streams of a connection that cannot write make no replies, and must not keep others from making theirs.
            self.share.leave();
        }
        if self.queued != 0 || self.finished != 0 || self.stuck != 0 {
            self.count_queue();
        }
    }

    fn count_queue(&mut self) {
        let written = self.link.bytes_written.load(Relaxed);
        let finished = std::mem::take(&mut self.finished);
        let was_full = std::mem::take(&mut self.was_full);
        if self.link.is_write_blocked() {
            let since = written.wrapping_sub(self.written);
            let since = usize::try_from(since).unwrap_or(usize::MAX);
            self.queued = self.queued.saturating_sub(since);
            self.queue = (self.queue / 2).max(self.least_queue);
            self.stuck = self.stuck.saturating_add(finished);
            self.take(finished);
        } else {
            self.queued = 0;
            if was_full {
                self.queue = (2 * self.queue).min(self.longest_queue());
            }
            if self.stuck > 0 {
                let stuck = std::mem::take(&mut self.stuck);
                self.give_back(stuck);
            }
        }
        self.written = written;
    }

    /// The queue grows for a peer that takes everything, but not if the user has set a shorter one, or the server's budget is small.
    fn longest_queue(&self) -> usize {
        if self.least_queue < QUEUE / 2 {
            return 2 * self.least_queue;
        }
        LONGEST_QUEUE.min(self.outbox.limit / 64).max(QUEUE)
    }

    /// Takes note that a waiting reply holds `now` bytes, after it held `before`.
    #[inline]
    pub(super) fn recount(&mut self, before: &mut usize, now: usize) {
        let before = std::mem::replace(before, now);
        if before == now {
            return;
        }
        self.replies += usize::from(before == 0);
        self.replies -= usize::from(now == 0);
        if now > before {
            self.take(now - before);
        } else {
            self.give_back(before - now);
        }
    }

    fn take(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.share.take_anyway(bytes);
        self.tell();
    }

    fn give_back(&mut self, bytes: usize) {
        self.share.give_back(bytes);
        self.tell();
    }

    /// Tells the outbox how much the connection holds.
    fn tell(&mut self) {
        let held = self.share.held();
        let (holder, _) = match &mut self.holder {
            Some(holder) => holder,
            None if held == 0 => return,
            none => {
                let holder = Arc::new(Holder {
                    held: AtomicUsize::new(held),
                    owed: AtomicUsize::new(0),
                    link: Arc::clone(&self.link),
                });
                let key = self.outbox.holders().insert(Arc::clone(&holder));
                none.insert((holder, key))
            }
        };
        holder.held.store(held, Relaxed);
        if held == 0 {
            self.leave_outbox();
        }
    }

    fn leave_outbox(&mut self) {
        if let Some((_, key)) = self.holder.take() {
            self.outbox.holders().try_remove(key);
        }
    }

    /// Whether this connection has to end a reply to keep to the budgets. If another connection holds more, tells that connection.
    pub(super) fn is_over(&mut self) -> bool {
        let Some((holder, _)) = &self.holder else {
            return false;
        };
        let limit = self.outbox.limit;
        let used = self.share.budget().used();
        // A single reply may be longer than one connection's part, if the server has room for the reply.
        if used > limit || (self.share.held() > limit / 4 && self.replies > 1) {
            return true;
        }
        let full = full(limit);
        used > full && self.outbox.ask(used - full, holder)
    }

    /// Takes the order to give up bytes, if there is one. Returns how many.
    #[inline]
    pub(super) fn take_order(&mut self) -> usize {
        match &self.holder {
            None => 0,
            Some((holder, _)) if holder.owed.load(Relaxed) == 0 => 0,
            Some((holder, _)) => holder.owed.swap(0, Relaxed),
        }
    }

    /// Whether the budgets have room for a further reply of about `bytes`. If not, the connection's task will be woken when there is room,
    /// or the connection has room as soon as it holds less.
    pub(super) fn has_room_for(&mut self, bytes: usize) -> bool {
        let bytes = bytes.min(self.share.budget().most());
        let held = self.share.held();
        if held > 0 && held.saturating_add(bytes) > self.share.budget().most() {
            // The connection waits for its own client, and must not keep others from making replies.
            self.share.leave();
            return false;
        }
        if self.share.try_take(bytes).is_ok() {
            // The reply counts when it is made.
            self.share.give_back(bytes);
            return true;
        }
        let waker = Waker::from(Arc::new(Room(Arc::clone(&self.link))));
        self.share.wait(bytes, &waker);
        false
    }

    /// Called when no stream waits for room any more.
    pub(super) fn leave_queue(&mut self) {
        self.share.leave();
    }

    /// Whether the queue has grown.
    pub(super) const fn is_swollen(&self) -> bool {
        self.queue > 2 * self.least_queue
    }

    /// Called when nothing is left to send.
    pub(super) const fn shrink(&mut self) {
        self.queue = 2 * self.least_queue;
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.leave_outbox();
    }
}
