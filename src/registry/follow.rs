//! Subscribers: watchers in process, of one service or of all services.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::shared::Shared;
use super::waiters::Key;
use super::{Registry, RegistryError, ServingStatus, Watcher};
use crate::sync::Arc;

impl Registry {
    /// Follows the status of one service in process; the same as [`watch`](Self::watch).
    ///
    /// [`Watcher::changed`] works in every runtime, without a server, and without a [driver](super::Driver):
    /// the thread that sets a status then wakes the subscribers itself.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NameTooLong`] if the name is longer than
    /// [`Limits::max_name_len`](super::Limits::max_name_len).
    pub fn subscribe(&self, name: &str) -> Result<Watcher, RegistryError> {
        self.watch(name)
    }

    /// Follows the statuses of all services in process, also of those that are registered later; see
    /// [`Subscriber`].
    ///
    /// From the first subscriber on, setting any service of this registry takes a short lock.
    pub fn subscribe_all(&self) -> Subscriber {
        self.shared.hook_all(|ledger| ledger.followers += 1);
        Subscriber {
            key: self.shared.followers.join(|| ()),
            shared: Arc::clone(&self.shared),
            seen: Seen::default(),
            at: 0,
        }
    }

    /// Looks for changes of the statuses that clients are shown, whenever it is asked to; see [`Looks`].
    pub(crate) fn looks(&self) -> Looks {
        Looks {
            shared: Arc::clone(&self.shared),
            seen: Seen::default(),
        }
    }
}

/// The status of each slot that was seen last. One that nobody has looked at counts as unknown.
#[derive(Debug, Default)]
struct Seen(Vec<ServingStatus>);

impl Seen {
    /// Makes room for slots that are new, and returns the number of slots.
    fn grow(&mut self, shared: &Shared) -> u32 {
        let len = shared.slab.len();
        self.0.resize(len as usize, ServingStatus::ServiceUnknown);
        len
    }

    /// The name and the status of a slot, unless the status is the one that was seen last.
    fn news<'a>(&mut self, shared: &'a Shared, id: u32) -> Option<(&'a str, ServingStatus)> {
        let (slot, seen) = (shared.slab.get(id)?, self.0.get_mut(id as usize)?);
        let shown = slot.word.load().shown();
        (std::mem::replace(seen, shown) != shown).then(|| (slot.name(), shown))
    }
}

/// Looks at the statuses that clients are shown for all services; from [`Registry::looks`].
///
/// Nobody is woken by a change, and so setting a service costs no more than without the looks. A look costs
/// some nanoseconds for each service, and one byte of each service is kept between the looks.
pub(crate) struct Looks {
    shared: Arc<Shared>,
    seen: Seen,
}

impl Looks {
    /// Calls `tell` with each service whose status differs from the one at the last look, and with the status.
    /// Every service was unknown before the first look.
    pub(crate) fn look(&mut self, mut tell: impl FnMut(&str, ServingStatus)) {
        for id in 0..self.seen.grow(&self.shared) {
            if let Some((name, status)) = self.seen.news(&self.shared, id) {
                tell(name, status);
            }
        }
    }
}

/// Follows the statuses that clients are shown for all services; from [`Registry::subscribe_all`].
///
/// A subscriber yields the current status of each service at once, and later each status that differs from the
/// one it yielded last for that service. Only the latest status counts: a change that is undone before the
/// subscriber is polled yields nothing. A cleared service yields
/// [`ServiceUnknown`](ServingStatus::ServiceUnknown).
///
/// A subscriber keeps one byte for each service, however many changes it has not seen. Finding a change takes
/// a look at each service.
#[must_use = "a subscriber that is dropped hears of nothing"]
pub struct Subscriber {
    shared: Arc<Shared>,
    key: Key,
    seen: Seen,
    /// The slot to look at first, so that one that changes often hides no other.
    at: u32,
}

impl Subscriber {
    /// Polls for the next change: the service's name, and its status. When the result is pending, the next
    /// change wakes the waker of the latest poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(String, ServingStatus)> {
        if let Some(news) = self.news() {
            return Poll::Ready(news);
        }
        self.shared.followers.park(self.key, 0, cx.waker());
        // Looks again: a sweep that ran before the waker was parked woke nobody.
        match self.news() {
            Some(news) => Poll::Ready(news),
            None => Poll::Pending,
        }
    }

    /// Waits for the next change, and returns the service's name and its status.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no change: a status counts as yielded only when the future completes.
    pub async fn changed(&mut self) -> (String, ServingStatus) {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn news(&mut self) -> Option<(String, ServingStatus)> {
        let len = self.seen.grow(&self.shared);
        for id in (self.at..len).chain(0..self.at) {
            if let Some((name, status)) = self.seen.news(&self.shared, id) {
                self.at = id + 1;
                return Some((name.to_owned(), status));
            }
        }
        None
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.shared.ledger.lock().followers -= 1;
        self.shared.followers.leave(self.key, || ());
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").finish_non_exhaustive()
    }
}
