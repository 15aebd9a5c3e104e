//! A number of bytes that all connections of a server share fairly.
//!
//! A [`Budget`] belongs to the server, and each connection has one [`Share`] of the budget. A share may hold a quarter of the budget at
//! most. A connection that finds no room waits in a queue. The budget wakes only the first connection of the queue, and wakes the next
//! connection when the first has taken its bytes or has left: a byte that is given back never wakes more than one task.

use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// The part of the budget that one share may hold: one in so many.
const PART: usize = 4;

/// Bytes that all connections of a server share.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    /// The most bytes that one share may take.
    most: usize,
    /// Other budgets, and the limit of all together.
    beside: Option<Beside>,
    used: AtomicUsize,
    /// The length of `queue`, so that the shares need no lock while nobody waits.
    waiting: AtomicUsize,
    queue: Mutex<VecDeque<Place>>,
}

/// What other budgets leave to a budget.
#[derive(Debug)]
struct Beside {
    others: Vec<Arc<Budget>>,
    together: usize,
    /// What the budget has in any case.
    least: usize,
}

/// The place of a share in the queue.
#[derive(Debug)]
struct Place {
    /// The address of the share's counter: unique while the share lives, and a share leaves the queue when it is dropped.
    share: usize,
    bytes: usize,
    /// How many bytes other shares may still take while this share is the first and has no room.
    may_pass: usize,
    /// `None` once the share has been woken.
    waker: Option<Waker>,
}

impl Budget {
    /// A budget of `limit` bytes, of which one share may hold a quarter.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Self::with_most(limit, limit / PART)
    }

    /// A budget of `limit` bytes, of which one share may hold `most` bytes.
    pub(crate) fn with_most(limit: usize, most: usize) -> Arc<Self> {
        Arc::new(Self::empty(limit, most, None))
    }

    /// The same budget, which shrinks while its bytes and those of `others` would be more than `together`, down to `least` bytes.
    pub(crate) fn beside(
        self: Arc<Self>,
        others: &[&Arc<Self>],
        together: usize,
        least: usize,
    ) -> Arc<Self> {
        let beside = Beside {
            others: others.iter().map(|&other| Arc::clone(other)).collect(),
            together,
            least,
        };
        Arc::new(Self::empty(self.limit, self.most, Some(beside)))
    }

    fn empty(limit: usize, most: usize, beside: Option<Beside>) -> Self {
        Self {
            limit,
            most,
            beside,
            used: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            queue: Mutex::default(),
        }
    }

    /// How many bytes all shares may hold now.
    fn limit(&self) -> usize {
        match &self.beside {
            None => self.limit,
            Some(beside) => {
                let used =
                    |left: usize, other: &Arc<Self>| left.saturating_sub(other.used.load(SeqCst));
                let left = beside.others.iter().fold(beside.together, used);
                left.clamp(beside.least, self.limit)
            }
        }
    }

    /// The bytes that all shares hold now.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// The most bytes that one share may [take](Share::try_take).
    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// Whether a connection waits for room.
    pub(crate) fn is_wanted(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }

    /// Whether a connection waits for more room than there is.
    pub(crate) fn is_short(&self) -> bool {
        self.is_wanted() && {
            let first = self.queue().front().map_or(0, |place| place.bytes);
            !self.fits(first)
        }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Place>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fits(&self, bytes: usize) -> bool {
        self.used.load(SeqCst).saturating_add(bytes) <= self.limit()
    }

    /// Takes `bytes` if the limit allows.
    fn take(&self, bytes: usize) -> bool {
        let limit = self.limit();
        let take = |used: usize| used.checked_add(bytes).filter(|used| *used <= limit);
        self.used.fetch_update(SeqCst, SeqCst, take).is_ok()
    }

    /// Returns the waker of the first share of the queue, if the share has not been woken and its bytes have room now. The caller wakes
    /// without the lock.
    fn next(&self, queue: &mut VecDeque<Place>) -> Option<Waker> {
        self.waiting.store(queue.len(), SeqCst);
        let first = queue.front_mut()?;
        let fits = self.fits(first.bytes);
        fits.then(|| first.waker.take()).flatten()
    }

    /// Wakes the first share of the queue if its bytes have room now. The caller has given bytes back, to this budget or to the budget
    /// beside this one.
    pub(crate) fn wake_next(&self) {
        // A share that joins writes `waiting` and then reads `used`; this thread has written `used` before it reads `waiting`. So one of
        // the two sees the other.
        if self.waiting.load(SeqCst) == 0 {
            return;
        }
        let waker = self.next(&mut self.queue());
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// One connection's share of a [`Budget`]. Dropping the share gives its bytes back.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    /// Boxed, so that the counter's address names the share in the queue.
    held: Box<AtomicUsize>,
    /// Whether the share has a place in the queue.
    queued: bool,
}

/// Why a share gets no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The share would hold more than one share may hold. The share gets room when it gives bytes back.
    Share,
    /// The budget has no room, or other shares wait for room. The share gets room after [`Share::wait`].
    Budget,
}

impl Share {
    pub(crate) fn new(budget: &Arc<Budget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            held: Box::default(),
            queued: false,
        }
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Whether the share waits for others to give bytes back.
    pub(crate) const fn is_waiting(&self) -> bool {
        self.queued
    }

    /// The bytes that the share holds.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    fn name(&self) -> usize {
        std::ptr::from_ref::<AtomicUsize>(&self.held).addr()
    }

    /// Takes `bytes`, unless the share would hold too much or the budget has no room. Shares that wait come first. While the first of them
    /// waits for more than there is, other shares may take as many bytes as the first waits for, so that little room lies idle.
    pub(crate) fn try_take(&mut self, bytes: usize) -> Result<(), Full> {
        let held = self.held();
        if held.saturating_add(bytes) > self.budget.most() {
            return Err(Full::Share);
        }
        if self.budget.waiting.load(Relaxed) > 0 {
            return self.take_in_turn(bytes);
        }
        if !self.budget.take(bytes) {
            return Err(Full::Budget);
        }
        self.held.store(held + bytes, Relaxed);
        Ok(())
    }

    #[cold]
    fn take_in_turn(&mut self, bytes: usize) -> Result<(), Full> {
        let mut queue = self.budget.queue();
        let name = self.name();
        let passed = queue.front_mut().filter(|first| first.share != name);
        let is_in_turn = passed
            .as_ref()
            .is_none_or(|first| bytes <= first.may_pass && !self.budget.fits(first.bytes));
        if !is_in_turn || !self.budget.take(bytes) {
            return Err(Full::Budget);
        }
        if let Some(first) = passed {
            first.may_pass -= bytes;
        }
        if std::mem::take(&mut self.queued) {
            queue.retain(|place| place.share != name);
        }
        let waker = self.budget.next(&mut queue);
        drop(queue);
        self.held.store(self.held() + bytes, Relaxed);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Makes the share hold `bytes` that are there already, whatever the limit.
    pub(crate) fn hold_anyway(&mut self, bytes: usize) {
        let held = self.held();
        if bytes > held {
            self.take_anyway(bytes - held);
        } else {
            self.give_back(held - bytes);
        }
    }

    /// Takes `bytes` that are there already, whatever the limit. For the part that each connection is guaranteed.
    pub(crate) fn take_anyway(&mut self, bytes: usize) {
        // More than `usize::MAX` bytes cannot be there.
        self.budget.used.fetch_add(bytes, SeqCst);
        self.held.store(self.held() + bytes, Relaxed);
    }

    /// Gives `bytes` back, at most those that the share holds.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.held());
        if bytes == 0 {
            return;
        }
        self.held.store(self.held() - bytes, Relaxed);
        self.budget.used.fetch_sub(bytes, SeqCst);
        self.budget.wake_next();
    }

    /// Waits for room for `bytes`: wakes `waker` once, when the share is the first of the queue and the budget has room. The share keeps
    /// its place when it waits again, with the new `bytes` and `waker`. A share that wakes must take, wait again or [leave](Self::leave).
    pub(crate) fn wait(&mut self, bytes: usize, waker: &Waker) {
        let waker = waker.clone();
        let mut queue = self.budget.queue();
        let name = self.name();
        let place = Place {
            share: name,
            bytes,
            may_pass: bytes,
            waker: Some(waker),
        };
        let before = match queue.iter_mut().find(|place| place.share == name) {
            Some(old) => {
                let may_pass = old.may_pass.min(bytes);
                Some(std::mem::replace(old, Place { may_pass, ..place }))
            }
            None => {
                queue.push_back(place);
                None
            }
        };
        let waker = self.budget.next(&mut queue);
        drop(queue);
        self.queued = true;
        drop(before);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits no longer.
    pub(crate) fn leave(&mut self) {
        if !std::mem::take(&mut self.queued) {
            return;
        }
        let mut queue = self.budget.queue();
        let name = self.name();
        let at = queue.iter().position(|place| place.share == name);
        let place = at.and_then(|at| queue.remove(at));
        let waker = self.budget.next(&mut queue);
        drop(queue);
        drop(place);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.leave();
        self.give_back(self.held());
        // The shares of the budget beside this one have been dropped before, if both are a connection's.
        self.budget.wake_next();
    }
}

#[cfg(test)]
mod tests;
