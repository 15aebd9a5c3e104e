//! Events that are told in the order in which they happened.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// Tells of events one at a time, in the order in which they happened, whichever threads cause them.
///
/// A thread that causes an event while another thread tells of one waits for that thread. Whoever is told may cause the next event itself:
/// the next event happens at once, and is told when the first has been told.
#[derive(Debug)]
pub(crate) struct InOrder<E> {
    /// Held while events happen and are told.
    turn: Mutex<()>,
    /// Held for moments only, and never while other code runs.
    untold: Mutex<Untold<E>>,
}

#[derive(Debug)]
struct Untold<E> {
    /// The thread that tells. Only this thread adds events meanwhile.
    teller: Option<ThreadId>,
    events: VecDeque<E>,
}

impl<E> InOrder<E> {
    pub(crate) const fn new() -> Self {
        Self {
            turn: Mutex::new(()),
            untold: Mutex::new(Untold {
                teller: None,
                events: VecDeque::new(),
            }),
        }
    }

    fn untold(&self) -> MutexGuard<'_, Untold<E>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an event happen, and tells of the event. False if `happen` finds that there is none.
    pub(crate) fn step(&self, happen: impl FnOnce() -> Option<E>, tell: impl Fn(E)) -> bool {
        let current = thread::current().id();
        let is_told = self.untold().teller == Some(current);
        let _turn = (!is_told).then(|| self.turn.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(event) = happen() else {
            return false;
        };
        self.untold().events.push_back(event);
        if !is_told {
            self.untold().teller = Some(current);
            let _end = End(self);
            while let Some(event) = self.next() {
                tell(event);
            }
        }
        true
    }

    fn next(&self) -> Option<E> {
        self.untold().events.pop_front()
    }
}

/// Notes that nobody tells any more, also if whoever was told has panicked.
struct End<'a, E>(&'a InOrder<E>);

impl<E> Drop for End<'_, E> {
    fn drop(&mut self) {
        self.0.untold().teller = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_a_listener_causes_is_told_after_the_one_that_it_hears_of() {
        let order = InOrder::new();
        let told = Mutex::new(Vec::new());
        let tell = |event: u8| {
            if event < 3 {
                assert!(order.step(|| Some(event + 1), |_| panic!("the first teller tells")));
                assert!(!order.step(|| None, |_| panic!("nothing has happened")));
            }
            told.lock().unwrap().push(event);
        };
        assert!(order.step(|| Some(1), tell));
        assert_eq!(*told.lock().unwrap(), [1, 2, 3]);
    }

    #[test]
    fn a_panic_of_a_listener_leaves_the_order_to_the_next_event() {
        let order = InOrder::new();
        let panics = || order.step(|| Some(1), |_| panic!("as told"));
        assert!(super::super::contain(panics).is_err());
        let told = Mutex::new(Vec::new());
        assert!(order.step(|| Some(2), |event| told.lock().unwrap().push(event)));
        assert_eq!(*told.lock().unwrap(), [2]);
    }
}
