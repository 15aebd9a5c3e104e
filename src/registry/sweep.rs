//! Waking the watchers of all that is queued.

use super::queue::{Node, Queue};
use super::waiters::Waiters;

/// What is walked over: a queue, and the watchers of each of its nodes.
pub(super) trait Queued {
    fn queue(&self) -> &Queue;

    /// The watchers of a node of the queue.
    fn waiters(&self, node: Node) -> Option<&Waiters>;

    /// Wakes some of a node's watchers; see [`Waiters::wake`].
    fn wake(&self, node: Node, cursor: &mut usize, examine: &mut usize) -> bool;
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
    pub(super) fn run(&mut self, shared: &impl Queued, mut budget: usize) -> bool {
        loop {
            if self.current == 0 {
                if self.chain == 0 {
                    self.chain = shared.queue().take();
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
    pub(super) fn put_back(&mut self, shared: &impl Queued) {
        if let Some(waiters) = shared.waiters(self.current) {
            shared.queue().push(self.current, &waiters.links);
        }
        while let Some(waiters) = shared.waiters(self.chain) {
            let next = waiters.links.next();
            shared.queue().push_again(self.chain, &waiters.links);
            self.chain = next;
        }
        self.current = 0;
    }
}
