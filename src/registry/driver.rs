//! Waking the watchers of what has changed, a bounded number at a time.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::shared::Shared;
use super::sweep::Sweep;
use crate::sync::{Arc, Weak};

/// List entries and nodes looked at in one poll, and so the most wakers called.
const BUDGET: usize = 128;

/// The future that wakes the watchers of changed services; from
/// [`Registry::driver`](super::Registry::driver).
///
/// With a driver alive, a setter's cost does not depend on how many watch. Each poll wakes a
/// bounded number (at most 128) and then yields. Without one, the setter calls the wakers itself.
///
/// Many may be made, but one works: it takes the seat when first polled, the others stand by and
/// one of them takes over when it is dropped. So a driver that has been polled must be polled
/// when woken, or dropped: to keep it without polling it is to keep the watchers asleep.
///
/// It holds the registry weakly, and is ready once the registry is gone: when no [`Registry`],
/// [`ServiceHandle`](super::ServiceHandle) or [`Watcher`](super::Watcher) is left.
///
/// # Cancel safety
///
/// Dropping it loses nothing: what was queued goes to the next driver, or, if there is none, its
/// watchers are woken in the drop.
///
/// [`Registry`]: super::Registry
#[derive(Debug)]
#[must_use = "a future does nothing unless polled"]
pub struct Driver {
    shared: Weak<Shared>,
    /// Its number among the drivers, once it has been polled.
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
            // Before the queue is taken: a push that is not taken finds this waker.
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
