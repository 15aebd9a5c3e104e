//! The sweep: it wakes the watchers of everything in the queue.

use super::queue::{Node, Queue};
use super::waiters::Waiters;

/// What a sweep walks over: a queue, and the watchers of each of its nodes.
pub(super) trait Queued {
    fn queue(&self) -> &Queue;

    /// The watchers of a queue node, or `None` if there is no such node.
    fn waiters(&self, node: Node) -> Option<&Waiters>;

    /// Wakes some of a node's watchers; see [`Waiters::wake`].
    fn wake(&self, node: Node, cursor: &mut usize, examine: &mut usize) -> bool;
}

/// A walk over the queued nodes and over the watchers of each node. It can stop anywhere and go on later.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// The first of the nodes that were taken from the queue and not looked at yet; 0 if there is none.
    chain: Node,
    /// The node whose watchers are being woken; 0 if there is none. The node is no longer in the queue: a
    /// change from now on queues it again.
    current: Node,
    cursor: usize,
}

impl Sweep {
    /// Continues the walk, and looks at no more than `budget` nodes and watchers. True when nothing is left.
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

    /// Queues the rest of the walk again.
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
