//! The entries of the lists in which calls wait.

use slab::Slab;

/// What has a number that tells it from all that had its place before.
pub(in crate::connection) trait Numbered {
    fn number(&self) -> u32;
}

/// A call in a list. The call may end before its turn comes, and another call may have its place then.
#[derive(Debug, Clone, Copy)]
pub(in crate::connection) struct Entry {
    pub(in crate::connection) key: u32,
    number: u32,
}

impl Entry {
    pub(super) fn new(key: u32, call: &impl Numbered) -> Self {
        Self {
            key,
            number: call.number(),
        }
    }

    /// The call, unless the call has ended.
    pub(in crate::connection) fn call<C: Numbered>(self, calls: &mut Slab<C>) -> Option<&mut C> {
        let call = calls.get_mut(self.key as usize)?;
        (call.number() == self.number).then_some(call)
    }
}
