//! A reader of the changes of a monitor's pairs.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::futures::OwnedNotified;

use super::state::Pair;
use super::table::Table;

/// The changes of a [`Monitor`](super::Monitor)'s pairs, from [`Monitor::changes`](super::Monitor::changes).
///
/// A new reader first gets every pair with its present state, then each pair that has changed. A reader that is slower than the changes
/// gets the latest state of a pair and none of the states before: nothing is queued, however slow the reader is. A pair that the program
/// removes is no change. Readers do not disturb each other, and a clone goes on where the original is.
///
/// A reader is also a [`Stream`](futures_core::Stream), for programs that merge it with other streams.
///
/// # Cancel safety
///
/// Every method, and the stream, loses no change when a future is dropped: a change counts as read when it is returned.
pub struct Changes {
    table: Arc<Table>,
    /// Ready after a change. In a box: readers can be moved.
    told: Pin<Box<OwnedNotified>>,
    /// The number of the last change that the reader has got.
    seen: u64,
}

impl Changes {
    pub(super) fn new(table: Arc<Table>) -> Self {
        let told = Box::pin(table.listen());
        Self {
            table,
            told,
            seen: 0,
        }
    }

    /// Waits for the next change. Returns `None` when the monitor is gone and every change has been returned.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no change.
    pub async fn next(&mut self) -> Option<Pair> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Returns the next change if there is one, and does not wait.
    pub fn try_next(&mut self) -> Option<Pair> {
        let (change, pair) = self.table.after(self.seen)?;
        self.seen = change;
        Some(pair)
    }
}

/// Ends when the monitor is gone and every change has been returned.
impl Stream for Changes {
    type Item = Pair;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Pair>> {
        loop {
            // In this order: no change comes after the end.
            let closed = self.table.is_closed();
            if let Some(pair) = self.try_next() {
                return Poll::Ready(Some(pair));
            }
            if closed {
                return Poll::Ready(None);
            }
            if self.told.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let next = self.table.listen();
            self.told.set(next);
        }
    }
}

impl Clone for Changes {
    fn clone(&self) -> Self {
        Self {
            seen: self.seen,
            ..Self::new(Arc::clone(&self.table))
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").finish_non_exhaustive()
    }
}
