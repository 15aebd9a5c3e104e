//! A reader of the changes of a monitor's pairs.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use super::state::Pair;
use super::table::Table;

/// The changes of a [`Monitor`](super::Monitor)'s pairs, from [`Monitor::changes`](super::Monitor::changes).
///
/// A new reader first gets every pair with its present state, then each pair that has changed. A reader that is slower than the changes
/// gets the latest state of a pair and none of the states before: nothing is queued, however slow the reader is. A pair that the program
/// removes is no change. Readers do not disturb each other, and a clone goes on where the original is.
#[derive(Clone)]
pub struct Changes {
    table: Arc<Table>,
    told: watch::Receiver<()>,
    /// The number of the last change that the reader has got.
    seen: u64,
}

impl Changes {
    pub(super) fn new(table: Arc<Table>) -> Self {
        let told = table.listen();
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
        loop {
            self.told.mark_unchanged();
            // In this order: no change comes after the end.
            let closed = self.table.is_closed();
            if let Some(pair) = self.try_next() {
                return Some(pair);
            }
            if closed || self.told.changed().await.is_err() {
                return None;
            }
        }
    }

    /// Returns the next change if there is one, and does not wait.
    pub fn try_next(&mut self) -> Option<Pair> {
        let (change, pair) = self.table.after(self.seen)?;
        self.seen = change;
        Some(pair)
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").finish_non_exhaustive()
    }
}
