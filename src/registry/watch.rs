//! Following one name.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::names::Tag;
use super::shared::Shared;
use super::slab::Slot;
use super::waiters::Key;
use super::{RegistryError, ServingStatus};
use crate::sync::Arc;

/// Follows the status shown for one name; from [`Registry::watch`](super::Registry::watch).
///
/// It yields the current status at once, and then each time the status shown differs from the one
/// it yielded last. Only the latest counts: a change and its undoing in between yield nothing.
///
/// The name need not be registered. Until it is, the status is
/// [`ServiceUnknown`](ServingStatus::ServiceUnknown), and nothing is kept for it in the registry
/// but this watcher's place in a list.
#[must_use = "a watcher that is dropped hears of nothing"]
pub struct Watcher {
    shared: Arc<Shared>,
    place: Place,
    last: Option<ServingStatus>,
}

enum Place {
    /// In the list of the name's slot.
    Slot { id: u32, key: Key },
    /// In the list of the name's bucket, until the name is registered.
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

    /// The next status: ready at once the first time, then when the status shown differs from
    /// the one yielded last.
    ///
    /// When it is pending, the waker of the latest poll is woken on the next change.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<ServingStatus> {
        loop {
            self.move_to_slot();
            if let Some(status) = self.news() {
                return Poll::Ready(status);
            }
            self.park(cx);
            // Again: a sweep from before the waker was there woke nobody.
            let moved = self.move_to_slot();
            if let Some(status) = self.news() {
                return Poll::Ready(status);
            }
            if !moved {
                return Poll::Pending;
            }
        }
    }

    /// Waits for the next status, as [`poll_next`](Self::poll_next) gives it.
    ///
    /// # Cancel safety
    ///
    /// A status counts as yielded only when this completes; dropping the future loses nothing.
    pub async fn changed(&mut self) -> ServingStatus {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The status shown, if it has not been yielded.
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

    /// Out of the bucket if the name has been registered; true if it moved.
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

/// Into the slot's list, and only then WATCHED: whoever sees the bit finds the watcher.
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
