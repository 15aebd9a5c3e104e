//! Waking the watchers of what has changed, a bounded number at a time.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::queue::Node;
use super::shared::Shared;
use crate::sync::{Arc, Mutex, Weak};

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
            this.seated = shared.seats.claim(&mut this.id, cx.waker(), &shared);
        }
        if this.seated {
            // Before the queue is taken: a push that is not taken finds this waker.
            shared.driver.register(cx.waker());
            if !this.sweep.run(&shared, BUDGET) {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let (Some(shared), Some(id)) = (self.shared.upgrade(), self.id) {
            self.sweep.put_back(&shared);
            shared.seats.leave(id, &shared);
        }
    }
}

/// Who drives, and who would.
#[derive(Debug)]
pub(super) struct Seats(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    holder: Option<u64>,
    standbys: Vec<(u64, Waker)>,
    last_id: u64,
}

impl Seats {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Places::default()))
    }

    /// Takes the seat if it is free or has been passed on to this driver, else stands by.
    fn claim(&self, id: &mut Option<u64>, waker: &Waker, shared: &Shared) -> bool {
        let waker = waker.clone();
        let mut places = self.0.lock();
        let id = *id.get_or_insert_with(|| {
            places.last_id += 1;
            places.last_id
        });
        let old = match places.holder {
            Some(holder) if holder == id => return true,
            None => {
                places.holder = Some(id);
                shared.queue.seat_while_locked();
                return true;
            }
            Some(_) => match places
                .standbys
                .iter_mut()
                .find(|(standby, _)| *standby == id)
            {
                Some((_, old)) => Some(std::mem::replace(old, waker)),
                None => {
                    places.standbys.push((id, waker));
                    None
                }
            },
        };
        drop(places);
        drop(old);
        false
    }

    /// Gives up a place. A seat goes to the first standby, who is woken and takes the queue; with
    /// no standby the watchers of what is queued are woken here.
    fn leave(&self, id: u64, shared: &Shared) {
        let mut places = self.0.lock();
        if places.holder != Some(id) {
            let at = places
                .standbys
                .iter()
                .position(|(standby, _)| *standby == id);
            let gone = at.map(|at| places.standbys.remove(at));
            drop(places);
            drop(gone);
        } else if places.standbys.is_empty() {
            places.holder = None;
            shared.queue.leave_while_locked();
            drop(places);
            Sweep::default().run(shared, usize::MAX);
        } else {
            let (next, waker) = places.standbys.remove(0);
            places.holder = Some(next);
            drop(places);
            waker.wake();
        }
    }

    /// Wakes all drivers, so that they find the registry gone.
    pub(super) fn close(&self) {
        let standbys = std::mem::take(&mut self.0.lock().standbys);
        for (_, waker) in standbys {
            waker.wake();
        }
    }
}

/// A walk over the nodes queued and over the watchers of each, that can stop anywhere.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// Taken from the queue and not looked at; 0 if none.
    chain: Node,
    /// Whose watchers are being woken; 0 if none. It is out of the queue: a change from now on
    /// queues it again.
    current: Node,
    cursor: usize,
}

impl Sweep {
    /// Goes on, looking at `budget` nodes and watchers at most; true when nothing is left.
    pub(super) fn run(&mut self, shared: &Shared, mut budget: usize) -> bool {
        loop {
            if self.current == 0 {
                if self.chain == 0 {
                    self.chain = shared.queue.take();
                }
                let Some(waiters) = shared.waiters(self.chain) else {
                    return true;
                };
                if budget == 0 {
                    return false;
                }
                budget -= 1;
                self.current = self.chain;
                self.cursor = 0;
                self.chain = waiters.links.unlink();
            }
            if shared.wake(self.current, &mut self.cursor, &mut budget) {
                self.current = 0;
            } else if budget == 0 {
                return false;
            }
        }
    }

    /// Queues again what is left.
    fn put_back(&mut self, shared: &Shared) {
        if let Some(waiters) = shared.waiters(self.current) {
            shared.queue.push(self.current, &waiters.links);
        }
        while let Some(waiters) = shared.waiters(self.chain) {
            let next = waiters.links.next();
            shared.queue.push_again(self.chain, &waiters.links);
            self.chain = next;
        }
        self.current = 0;
    }
}
