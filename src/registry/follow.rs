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
            seen: Vec::new(),
            at: 0,
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
    /// The status of each slot that was yielded last.
    seen: Vec<ServingStatus>,
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
        let len = self.shared.slab.len();
        self.seen
            .resize(len as usize, ServingStatus::ServiceUnknown);
        for id in (self.at..len).chain(0..self.at) {
            let (Some(slot), Some(seen)) =
                (self.shared.slab.get(id), self.seen.get_mut(id as usize))
            else {
                continue;
            };
            let shown = slot.word.load().shown();
            if *seen != shown {
                *seen = shown;
                self.at = id + 1;
                return Some((slot.name().to_owned(), shown));
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
