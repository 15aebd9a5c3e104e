//! The driver: it wakes the watchers of changed services, a bounded number at a time.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::shared::Shared;
use super::sweep::Sweep;
use crate::sync::{Arc, Weak};

/// The number of list entries and queue nodes that one poll looks at, and so the largest number of wakers
/// that it calls.
const BUDGET: usize = 128;

/// The future that wakes the watchers of changed services; from
/// [`Registry::driver`](super::Registry::driver).
///
/// While a driver is alive, the cost of setting a status does not depend on the number of watchers: each poll
/// of the driver wakes at most 128 watchers and then yields. Without a driver, the thread that sets a status
/// wakes the watchers itself.
///
/// A registry may have many drivers, but one works at a time: the first to be polled. The others stand by,
/// and one of them takes over when the working driver is dropped. Once polled, a driver must be polled
/// whenever it is woken, or be dropped: a driver that is kept and not polled keeps watchers asleep.
///
/// A driver does not keep the registry alive. It completes when no [`Registry`],
/// [`ServiceHandle`](super::ServiceHandle) or [`Watcher`](super::Watcher) is left.
///
/// # Cancel safety
///
/// Dropping a driver loses no wake: the next driver takes over the queued changes. If there is no other
/// driver, the drop wakes the watchers.
///
/// [`Registry`]: super::Registry
#[derive(Debug)]
#[must_use = "a future does nothing unless polled"]
pub struct Driver {
    shared: Weak<Shared>,
    /// The driver's number among the drivers, once it has been polled.
    id: Option<u64>,
    seated: bool,
    sweep: Sweep,
}

impl Driver {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::downgrade(shared),
            id: None,
            seated: false,
            sweep: Sweep::default(),
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Some(shared) = this.shared.upgrade() else {
            return Poll::Ready(());
        };
        if !this.seated {
            this.seated = shared.seats.claim(&mut this.id, cx.waker(), &shared.queue);
        }
        if this.seated {
            // The waker is registered before the queue is taken: a push that this take misses wakes it.
            shared.driver.register(cx.waker());
            if !this.sweep.run(&*shared, BUDGET) {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let (Some(shared), Some(id)) = (self.shared.upgrade(), self.id) {
            self.sweep.put_back(&*shared);
            if shared.seats.leave(id, &shared.queue) {
                Sweep::default().run(&*shared, usize::MAX);
            }
        }
    }
}
