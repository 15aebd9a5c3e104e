//! The queue of changed slots, which waits for the driver: a list threaded through the slots themselves.

use crate::sync::{AtomicBool, AtomicU32, Ordering};

/// The number of a node in the queue. It is never 0, which marks the end of a chain.
pub(super) type Node = u32;

/// A bit of the queue's head: a driver holds the seat.
const SEATED: u32 = 1 << 31;

/// A node's links in the queue. They are part of the node, so that queueing allocates nothing.
#[derive(Debug)]
pub(super) struct Links {
    /// Whether the node is in a queue, or about to be. A setter swaps in true and a consumer swaps in false,
    /// both with AcqRel. A setter who finds true knows that a consumer will come later and see the setter's
    /// change. A setter who finds false comes after the consumer's last reading of `next`.
    queued: AtomicBool,
    /// Relaxed: whoever flipped `queued` owns this field, and hands it over through the queue's head.
    next: AtomicU32,
}

impl Links {
    pub(super) fn new() -> Self {
        Self {
            queued: AtomicBool::new(false),
            next: AtomicU32::new(0),
        }
    }

    /// Takes a node out of a chain and returns its successor. From now on the node can be queued again.
    pub(super) fn unlink(&self) -> Node {
        let next = self.next.load(Ordering::Relaxed);
        self.queued.swap(false, Ordering::AcqRel);
        next
    }

    /// The successor of a node that stays in its chain.
    pub(super) fn next(&self) -> Node {
        self.next.load(Ordering::Relaxed)
    }
}

/// A stack. Nodes are pushed one by one and all taken at once, which is why there is no ABA problem.
///
/// A bit of the head says whether a driver has the seat. So pushing a node and looking at the seat is one
/// operation for a setter, and giving up the seat and looking at the queue is one for a driver: one of the
/// two always sees the other, without a fence.
///
/// The queue has a cache line for itself, because setters write to it while other threads search the names.
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

    /// Queues a node unless the node is in the queue already; true if it was not.
    pub(super) fn push(&self, node: Node, links: &Links) -> bool {
        if links.queued.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.push_again(node, links);
        true
    }

    /// Queues a node that the caller has taken from the queue and not unlinked.
    pub(super) fn push_again(&self, node: Node, links: &Links) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            links.next.store(head & !SEATED, Ordering::Relaxed);
            // Release: publishes `next`, and the change that led here. Only read-modify-writes touch the
            // head, so each push's Release reaches the Acquire of the take.
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

    /// Takes all nodes, and returns the first of them; 0 if there is none.
    pub(super) fn take(&self) -> Node {
        // Acquire: for `next` and the changes before each push.
        self.head.fetch_and(SEATED, Ordering::Acquire) & !SEATED
    }

    /// Whether a driver is responsible for the node that the caller has just pushed.
    ///
    /// The caller's push comes before this load in the head's order. If the load says yes and the driver has
    /// given up its seat since, then the driver takes the queue afterwards, and the pushed node with it.
    pub(super) fn is_seated(&self) -> bool {
        // Relaxed: what the caller reads because of this answer is the head and the waker, which synchronise
        // themselves.
        self.head.load(Ordering::Relaxed) & SEATED != 0
    }

    /// Marks the seat as taken. The caller holds the seats' lock.
    pub(super) fn seat_while_locked(&self) {
        // Relaxed: the new driver takes the queue afterwards, with Acquire.
        self.head.fetch_or(SEATED, Ordering::Relaxed);
    }

    /// Marks the seat as free. The caller holds the seats' lock, and must take the queue afterwards: whoever
    /// pushed before this has counted on the driver.
    pub(super) fn leave_while_locked(&self) {
        // Relaxed: the caller takes the queue afterwards, with Acquire.
        self.head.fetch_and(!SEATED, Ordering::Relaxed);
    }
}
