//! A queue in which addresses take turns.

use std::collections::{HashMap, VecDeque};

use crate::service::Address;

/// For how many addresses an empty queue keeps room.
const KEPT: usize = 128;

/// Items that wait, each for an address. An address has its next turn after every other address that waits, however many items an address
/// has here.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    len: usize,
    /// The addresses that have items here, in the order of their turns.
    turns: VecDeque<Address>,
    items: HashMap<Address, VecDeque<T>>,
}

impl<T> FairQueue<T> {
    pub(super) fn new() -> Self {
        Self {
            len: 0,
            turns: VecDeque::new(),
            items: HashMap::new(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn push(&mut self, address: Address, item: T) {
        let items = self.items.entry(address).or_default();
        if items.is_empty() {
            self.turns.push_back(address);
        }
        items.push_back(item);
        self.len += 1;
    }

    /// The oldest item of the address whose turn it is.
    pub(super) fn pop(&mut self) -> Option<T> {
        let address = self.turns.pop_front()?;
        let items = self.items.get_mut(&address)?;
        let item = items.pop_front()?;
        if items.is_empty() {
            self.items.remove(&address);
        } else {
            self.turns.push_back(address);
        }
        self.len -= 1;
        if self.is_empty() {
            self.turns.shrink_to(KEPT);
            self.items.shrink_to(KEPT);
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: Address = Address::V4(1);
    const B: Address = Address::V4(2);
    const C: Address = Address::V4(3);

    fn queue(items: &[(Address, u32)]) -> FairQueue<u32> {
        let mut queue = FairQueue::new();
        for &(address, item) in items {
            queue.push(address, item);
        }
        queue
    }

    fn all(mut queue: FairQueue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn addresses_take_turns_and_the_items_of_each_keep_their_order() {
        let items = [(A, 1), (A, 2), (A, 3), (B, 10), (C, 20), (B, 11)];
        assert_eq!(all(queue(&items)), [1, 10, 20, 2, 11, 3]);
    }

    #[test]
    fn whoever_comes_last_waits_for_one_item_of_each_other_address() {
        let mut queue = queue(&[(A, 1), (B, 10), (A, 2), (B, 11), (A, 3)]);
        assert_eq!(queue.pop(), Some(1));
        queue.push(C, 20);
        assert_eq!(all(queue), [10, 2, 20, 11, 3]);
    }

    #[test]
    fn an_empty_queue_keeps_no_room_for_a_crowd() {
        let mut queue = FairQueue::new();
        for address in 0..10_000 {
            queue.push(Address::V4(address), ());
        }
        while queue.pop().is_some() {}
        assert!(queue.turns.capacity() <= KEPT);
        assert!(queue.items.capacity() <= 2 * KEPT);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_is_kept(script in prop::collection::vec(prop::option::of(0_u32..4), 0..200)) {
            let (mut queue, mut pushed, mut popped) = (FairQueue::new(), 0, Vec::new());
            for step in script {
                match step {
                    Some(address) => {
                        queue.push(Address::V4(address), pushed);
                        pushed += 1;
                    }
                    None => popped.extend(queue.pop()),
                }
                prop_assert_eq!(queue.len(), pushed as usize - popped.len());
                prop_assert_eq!(queue.items.len(), queue.turns.len());
                prop_assert_eq!(queue.is_empty(), queue.items.is_empty());
            }
            popped.extend(std::iter::from_fn(|| queue.pop()));
            popped.sort_unstable();
            prop_assert_eq!(popped, (0..pushed).collect::<Vec<_>>());
        }
    }
}
