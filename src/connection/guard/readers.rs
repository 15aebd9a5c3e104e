//! Which connections of a server have more to read than one turn allows.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// The number of connections of a server that are busy: their last turn ended before they had read everything.
#[derive(Debug, Clone, Default)]
pub(in crate::connection) struct Readers(Arc<AtomicU32>);

/// A connection that may be busy.
#[derive(Debug)]
pub(super) struct Reader {
    all: Readers,
    is_busy: bool,
}

impl Reader {
    pub(super) const fn new(all: Readers) -> Self {
        Self {
            all,
            is_busy: false,
        }
    }

    /// The number of busy connections, with this one.
    pub(super) fn busy(&self) -> u32 {
        let myself = u32::from(!self.is_busy);
        self.all.0.load(Relaxed).saturating_add(myself)
    }

    /// Takes note of whether the connection is busy.
    #[inline]
    pub(super) fn set_busy(&mut self, is_busy: bool) {
        if self.is_busy != is_busy {
            self.change(is_busy);
        }
    }

    #[cold]
    fn change(&mut self, is_busy: bool) {
        self.is_busy = is_busy;
        // The number only says how much to read, so no memory depends on its order.
        if is_busy {
            self.all.0.fetch_add(1, Relaxed);
        } else {
            self.all.0.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.set_busy(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_connections_are_counted_until_they_are_idle_or_dropped() {
        let all = Readers::default();
        let (mut one, mut other) = (Reader::new(all.clone()), Reader::new(all));
        assert_eq!(one.busy(), 1);
        one.set_busy(true);
        one.set_busy(true);
        assert_eq!((one.busy(), other.busy()), (1, 2));
        other.set_busy(true);
        one.set_busy(false);
        assert_eq!((one.busy(), other.busy()), (2, 1));
        drop(other);
        assert_eq!(one.busy(), 1);
    }
}
