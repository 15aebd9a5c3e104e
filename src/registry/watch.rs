//! A watcher of one name.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::names::Tag;
use super::shared::Shared;
use super::slab::Slot;
use super::waiters::Key;
use super::{RegistryError, ServingStatus};
use crate::sync::Arc;

/// Follows the status that clients are shown for one name; from [`Registry::watch`](super::Registry::watch).
///
/// A watcher yields the current status at once, and later every status that differs from the one it yielded
/// last. Only the latest status counts: a change that is undone before the watcher is polled yields nothing.
///
/// The name need not be registered. Until the name is registered its status is
/// [`ServiceUnknown`](ServingStatus::ServiceUnknown), and the registry keeps nothing for it except the
/// watcher's entry in a list.
#[must_use = "a watcher that is dropped hears of nothing"]
pub struct Watcher {
    shared: Arc<Shared>,
    place: Place,
    last: Option<ServingStatus>,
}

enum Place {
    /// The watcher is in the list of the name's slot.
    Slot { id: u32, key: Key },
    /// The watcher is in the list of the name's bucket, until the name is registered.
    Bucket { name: Box<str>, tag: Tag, key: Key },
}

impl Watcher {
    pub(super) fn new(shared: &Arc<Shared>, name: &str) -> Result<Self, RegistryError> {
        let tag = shared.tag(name)?;
        let place = match shared.find_tagged(tag, name) {
            Some((id, slot)) => join_slot(id, slot),
            None => {
                let key = shared.bucket(tag).1.join(|| ());
                Place::Bucket {
                    name: name.into(),
                    tag,
                    key,
                }
            }
        };
        Ok(Self {
            shared: Arc::clone(shared),
            place,
            last: None,
        })
    }

    /// Polls for the next status: ready at once the first time, later when the status differs from the one
    /// that was yielded last.
    ///
    /// When the result is pending, the next change wakes the waker of the latest poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<ServingStatus> {
        loop {
            self.move_to_slot();
            if let Some(status) = self.news() {
                return Poll::Ready(status);
            }
            self.park(cx);
            // Looks again: a sweep that ran before the waker was parked woke nobody.
            let moved = self.move_to_slot();
            if let Some(status) = self.news() {
                return Poll::Ready(status);
            }
            if !moved {
                return Poll::Pending;
            }
        }
    }

    /// Waits for the next status: completes at once the first time, later when the status differs from the
    /// one that was yielded last.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no status: a status counts as yielded only when the future completes.
    pub async fn changed(&mut self) -> ServingStatus {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The status that is shown, unless it was the last to be yielded.
    fn news(&mut self) -> Option<ServingStatus> {
        let shown = match &self.place {
            Place::Slot { id, .. } => match self.shared.slab.get(*id) {
                Some(slot) => slot.word.load().shown(),
                None => ServingStatus::ServiceUnknown,
            },
            Place::Bucket { .. } => ServingStatus::ServiceUnknown,
        };
        if self.last == Some(shown) {
            return None;
        }
        self.last = Some(shown);
        Some(shown)
    }

    /// Moves the watcher from the bucket to the slot if the name has been registered; true if the watcher
    /// moved.
    fn move_to_slot(&mut self) -> bool {
        let Place::Bucket { name, tag, key } = &self.place else {
            return false;
        };
        let Some((id, slot)) = self.shared.find_tagged(*tag, name) else {
            return false;
        };
        self.shared.bucket(*tag).1.leave(*key, || ());
        self.place = join_slot(id, slot);
        true
    }

    fn park(&self, cx: &Context<'_>) {
        match &self.place {
            Place::Slot { id, key } => {
                if let (Some(slot), Some(last)) = (self.shared.slab.get(*id), self.last) {
                    slot.waiters.park(*key, last as u32, cx.waker());
                }
            }
            Place::Bucket { tag, key, .. } => {
                self.shared.bucket(*tag).1.park(*key, tag.0, cx.waker());
            }
        }
    }
}

/// Joins the slot's list, and only then sets WATCHED: whoever sees the bit finds the watcher.
fn join_slot(id: u32, slot: &Slot) -> Place {
    let key = slot.waiters.join(|| slot.word.set_watched_while_locked());
    Place::Slot { id, key }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        match &self.place {
            Place::Slot { id, key } => {
                if let Some(slot) = self.shared.slab.get(*id) {
                    slot.waiters
                        .leave(*key, || slot.word.clear_watched_while_locked());
                }
            }
            Place::Bucket { tag, key, .. } => self.shared.bucket(*tag).1.leave(*key, || ()),
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.place {
            Place::Slot { id, .. } => self.shared.slab.get(*id).map_or("", |slot| slot.name()),
            Place::Bucket { name, .. } => name,
        };
        f.debug_struct("Watcher")
            .field("name", &name)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
