//! `Watch`: the status of one service now, and at every change.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::health::reply;
use crate::registry::Watcher;
use crate::service::Reply;

/// The replies of one `Watch`. It has no end of its own.
#[derive(Debug)]
pub struct WatchStream {
    watcher: Watcher,
    _open: Open,
}

impl WatchStream {
    pub(super) const fn new(watcher: Watcher, open: Open) -> Self {
        Self {
            watcher,
            _open: open,
        }
    }
}

impl Stream for WatchStream {
    type Item = Reply;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        self.watcher
            .poll_next(cx)
            .map(|status| Some(Ok(reply::envelope(status).into())))
    }
}

/// Counts the watches that are open. Nothing else depends on the count, so its order among other memory is of no matter.
#[derive(Debug, Clone, Default)]
pub(super) struct Watches(Arc<AtomicUsize>);

impl Watches {
    /// One more, until it is dropped. `None` if there are `max` already.
    pub(super) fn open(&self, max: usize) -> Option<Open> {
        let one_more = |open| (open < max).then_some(open + 1);
        self.0.fetch_update(Relaxed, Relaxed, one_more).ok()?;
        Some(Open(Arc::clone(&self.0)))
    }
}

/// An open watch.
#[derive(Debug)]
pub(super) struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_are_limited_and_given_back() {
        let watches = Watches::default();
        let first = watches.open(2);
        let second = watches.clone().open(2);
        assert!(first.is_some() && second.is_some());
        assert!(watches.open(2).is_none());
        drop(first);
        assert!(watches.open(2).is_some());
    }
}
