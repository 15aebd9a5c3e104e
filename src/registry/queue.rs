//! What has changed and waits for the driver: a list threaded through the slots themselves.

use crate::sync::{AtomicBool, AtomicU32, Ordering};

/// The number of a node in the queue; never 0, which is the end of a chain.
pub(super) type Node = u32;

/// In the head: a driver holds the seat.
const SEATED: u32 = 1 << 31;

/// A node's place in the queue, so that queueing allocates nothing.
#[derive(Debug)]
pub(super) struct Links {
    /// In a queue, or about to be. A swap to true by the setter and to false by the consumer,
    /// both AcqRel: the setter who finds true knows that a consumer will come after it and see
    /// its change; the one who finds false comes after the consumer's last reading of `next`.
    queued: AtomicBool,
    /// Relaxed: owned by whoever turned `queued`, and handed over through the queue's head.
    next: AtomicU32,
}

impl Links {
    pub(super) fn new() -> Self {
        Self {
            queued: AtomicBool::new(false),
            next: AtomicU32::new(0),
        }
    }

    /// Takes a node out of a chain; its successor. From here on it can be queued again.
    pub(super) fn unlink(&self) -> Node {
        let next = self.next.load(Ordering::Relaxed);
        self.queued.swap(false, Ordering::AcqRel);
        next
    }

    /// The node after this one, which stays in its chain.
    pub(super) fn next(&self) -> Node {
        self.next.load(Ordering::Relaxed)
    }
}

/// A stack that is pushed to one by one and taken whole, which is why it knows no ABA.
///
/// Whether a driver has the seat is a bit of the same word. So a setter's push and its look at
/// the seat, or a leaving driver's and its look at the queue, are one operation each: one of the
/// two sees the other, without a fence.
///
/// It has a cache line of its own: setters write it while others search the names.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Queue {
    head: AtomicU32,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            head: AtomicU32::new(0),
        }
    }

    /// Queues a node unless it is in the queue already; true if it was not.
    pub(super) fn push(&self, node: Node, links: &Links) -> bool {
        if links.queued.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.push_again(node, links);
        true
    }

    /// Queues a node which the caller has taken, and not unlinked.
    pub(super) fn push_again(&self, node: Node, links: &Links) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            links.next.store(head & !SEATED, Ordering::Relaxed);
            // Release: publishes `next`, and the change that led here. Only read-modify-writes
            // touch the head, so each one's Release reaches the Acquire of the take.
            match self.head.compare_exchange_weak(
                head,
                node | head & SEATED,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(current) => head = current,
            }
        }
    }

    /// The first of all nodes queued, 0 if none.
    pub(super) fn take(&self) -> Node {
        // Acquire: for `next` and the changes before each push.
        self.head.fetch_and(SEATED, Ordering::Acquire) & !SEATED
    }

    /// Whether some driver is responsible for what the caller has pushed.
    ///
    /// The caller's push comes before this load in the head's order. If the load says yes and the
    /// driver has left since, it takes the queue after leaving, and the push with it.
    pub(super) fn is_seated(&self) -> bool {
        // Relaxed: nothing is read on the strength of it but the head and the waker, which
        // synchronise themselves.
        self.head.load(Ordering::Relaxed) & SEATED != 0
    }

    /// The caller holds the seats' lock.
    pub(super) fn seat_while_locked(&self) {
        // Relaxed: the new driver takes the queue afterwards, with Acquire.
        self.head.fetch_or(SEATED, Ordering::Relaxed);
    }

    /// Whoever pushed before this has counted on the driver, which is to take the queue now.
    /// The caller holds the seats' lock.
    pub(super) fn leave_while_locked(&self) {
        // Relaxed: as above.
        self.head.fetch_and(!SEATED, Ordering::Relaxed);
    }
}
