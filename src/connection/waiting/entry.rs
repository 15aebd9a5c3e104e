//! The entries of the lists in which calls wait.

use slab::Slab;

use super::Waiter;
use crate::service::Service;

/// A call in a list. The call may end before its turn comes, and another call may have its place then.
#[derive(Debug, Clone, Copy)]
pub(in crate::connection) struct Entry {
    pub(in crate::connection) key: u32,
    number: u32,
}

impl Entry {
    pub(super) const fn new<S: Service>(key: u32, call: &Waiter<S>) -> Self {
        Self {
            key,
            number: call.number,
        }
    }

    /// The call, unless the call has ended.
    pub(in crate::connection) fn call<S: Service>(
        self,
        calls: &mut Slab<Waiter<S>>,
    ) -> Option<&mut Waiter<S>> {
        let call = calls.get_mut(self.key as usize)?;
        (call.number == self.number).then_some(call)
    }
}
