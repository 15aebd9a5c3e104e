//! A limit on how many of something may be open at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Counts what is open. Relaxed: the count orders no other memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limit(Arc<AtomicUsize>);

impl Limit {
    /// Counts one more until the result is dropped. `None` if `max` are open already.
    pub(crate) fn open(&self, max: usize) -> Option<Open> {
        let one_more = |open| (open < max).then_some(open + 1);
        self.0.fetch_update(Relaxed, Relaxed, one_more).ok()?;
        Some(Open(Arc::clone(&self.0)))
    }
}

/// One open place, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_limited_and_given_back() {
        let limit = Limit::default();
        let first = limit.open(2);
        let second = limit.clone().open(2);
        assert!(first.is_some() && second.is_some());
        assert!(limit.open(2).is_none());
        drop(first);
        assert!(limit.open(2).is_some());
    }
}
