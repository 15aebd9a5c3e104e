//! The state that all clones of a registry, its handles and its watchers share.

use super::names::{MAX_NAMES, Names, Tag};
use super::queue::{Node, Queue};
use super::seats::Seats;
use super::slab::{Slab, Slot, SlotRef};
use super::sweep::{Queued, Sweep};
use super::waiters::Waiters;
use super::weak::Attached;
use super::word::Word;
use super::{Limits, RegistryError, ServingStatus};
use crate::sync::{AtomicWaker, MODEL, Mutex};

/// The number of buckets in which watchers of unregistered names wait, by hash: a registration looks into one
/// bucket.
const BUCKETS: usize = if MODEL { 2 } else { 64 };

/// The state of a registry. Slots are only ever added, under the writers' lock; everything else is reached
/// without that lock.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) slab: Slab,
    pub(super) seats: Seats,
    /// The waker of the driver with the seat.
    pub(super) driver: AtomicWaker,
    pub(super) queue: Queue,
    names: Names,
    buckets: [Waiters; BUCKETS],
    writer: Mutex<Writer>,
    /// What the plane keeps.
    pub(super) attached: Attached,
}

/// What the writers' lock guards, besides the growth of the slab and of the names.
#[derive(Debug)]
struct Writer {
    /// Whether the registry is shut down. `shutdown` holds the lock during its whole walk, and a slot is
    /// registered under the same lock. So the walk reaches the slot, or the slot is drained from its
    /// beginning.
    drained: bool,
}

/// The slot of `""`, which every registry registers first.
const OVERALL: u32 = 0;

impl Shared {
    pub(super) fn new(limits: Limits) -> Self {
        let limits = Limits {
            // `""` is always there.
            max_services: limits.max_services.clamp(1, MAX_NAMES as usize),
            ..limits
        };
        Self {
            limits,
            slab: Slab::new(),
            names: Names::new(),
            buckets: std::array::from_fn(|_| Waiters::new()),
            queue: Queue::new(),
            seats: Seats::new(),
            driver: AtomicWaker::new(),
            writer: Mutex::new(Writer { drained: false }),
            attached: Attached::new(),
        }
    }

    /// The name's tag, or an error if the name is too long to be registered.
    #[inline]
    pub(super) fn tag(&self, name: &str) -> Result<Tag, RegistryError> {
        if name.len() > self.limits.max_name_len {
            return Err(RegistryError::NameTooLong {
                len: name.len(),
                max: self.limits.max_name_len,
            });
        }
        Ok(self.names.tag(name))
    }

    /// The slot of a name, and the slot's number.
    #[inline]
    pub(super) fn find(&self, name: &str) -> Option<(u32, &Slot)> {
        // The name that is asked for most needs no search. (An empty slice should not be compared either: its
        // pointer leads nowhere, and the masked load with which some C libraries compare costs a hundred
        // times the rest there.)
        if name.is_empty() {
            return self.slab.get(OVERALL).map(|slot| (OVERALL, slot));
        }
        self.find_tagged(self.tag(name).ok()?, name)
    }

    #[inline]
    pub(super) fn find_tagged(&self, tag: Tag, name: &str) -> Option<(u32, &Slot)> {
        let mut found = None;
        self.names.find(tag, |id| {
            found = self
                .slab
                .get(id)
                .filter(|slot| slot.name() == name)
                .map(|slot| (id, slot));
            found.is_some()
        });
        found
    }

    /// Sets a status, and registers the name if the name is new. Returns the number of the name's slot.
    pub(super) fn register(&self, name: &str, status: ServingStatus) -> Result<u32, RegistryError> {
        self.upsert(name, |word| word.with_status(status))
    }

    /// Changes a name's word, and registers the name if the name is new: its word is then what the change
    /// makes of a cleared one. Returns the number of the name's slot.
    pub(super) fn upsert(
        &self,
        name: &str,
        change: impl Fn(Word) -> Word,
    ) -> Result<u32, RegistryError> {
        let tag = self.tag(name)?;
        let known = match self.find_tagged(tag, name) {
            None => {
                let writer = self.writer.lock();
                // Looks again: another thread may have registered the name meanwhile.
                match self.find_tagged(tag, name) {
                    None => {
                        let cleared = Word::new(ServingStatus::ServiceUnknown, writer.drained);
                        let id = self.insert_while_locked(tag, name, change(cleared))?;
                        drop(writer);
                        self.published(tag);
                        return Ok(id);
                    }
                    Some(known) => known,
                }
            }
            Some(known) => known,
        };
        let (id, slot) = known;
        self.update(id, slot, change);
        Ok(id)
    }

    fn insert_while_locked(&self, tag: Tag, name: &str, word: Word) -> Result<u32, RegistryError> {
        let max = self.limits.max_services;
        if self.slab.len() as usize >= max {
            return Err(RegistryError::Full { max });
        }
        let id = self
            .slab
            .push_while_locked(name, word)
            .ok_or(RegistryError::Full { max })?;
        self.names.insert_while_locked(tag, id);
        Ok(id)
    }

    /// Wakes the watchers that wait for the name to be registered.
    ///
    /// A watcher joins the bucket and then looks for the name. The registering thread publishes the name and
    /// then looks into the bucket. Both use the bucket's lock, so one of the two sees the other.
    fn published(&self, tag: Tag) {
        let (node, bucket) = self.bucket(tag);
        if !bucket.is_empty() && self.queue.push(node, &bucket.links) {
            self.notify();
        }
    }

    /// Changes one word, and has the word's watchers woken if the change concerns them.
    #[inline]
    pub(super) fn update(&self, id: u32, slot: &Slot, change: impl Fn(Word) -> Word) {
        if slot.word.update(change) {
            self.changed(id, slot);
        }
    }

    /// Queues a changed slot. It is out of line, because setters without watchers never come here.
    #[cold]
    fn changed(&self, id: u32, slot: &Slot) {
        if self.queue.push(node(id), &slot.waiters.links) {
            self.notify();
        }
    }

    /// Shuts the registry down, or resumes it: changes every word, then has the watchers of changed words
    /// woken.
    pub(super) fn drain(&self, drained: bool) {
        let mut any = false;
        let mut writer = self.writer.lock();
        writer.drained = drained;
        for id in 0..self.slab.len() {
            let Some(slot) = self.slab.get(id) else {
                continue;
            };
            if slot.word.update(|word| word.with_drained(drained)) {
                any |= self.queue.push(node(id), &slot.waiters.links);
            }
        }
        drop(writer);
        if any {
            self.notify();
        }
    }

    /// Has the queue swept, by the driver or here. The caller holds no lock, because wakers are called.
    fn notify(&self) {
        if self.queue.is_seated() {
            self.driver.wake();
        } else {
            Sweep::default().run(self, usize::MAX);
        }
    }

    pub(super) fn slot_ref(&self, id: u32) -> Option<SlotRef> {
        self.slab.slot_ref(id)
    }

    /// The bucket of a name, and the bucket's number in the queue.
    pub(super) fn bucket(&self, tag: Tag) -> (Node, &Waiters) {
        let index = tag.0 as usize % BUCKETS;
        #[expect(
            clippy::indexing_slicing,
            reason = "a remainder is less than its divisor"
        )]
        (index as Node + 1, &self.buckets[index])
    }
}

impl Queued for Shared {
    fn queue(&self) -> &Queue {
        &self.queue
    }

    fn waiters(&self, node: Node) -> Option<&Waiters> {
        match slot_of(node) {
            Some(id) => self.slab.get(id).map(|slot| &slot.waiters),
            None => self.buckets.get((node as usize).wrapping_sub(1)),
        }
    }

    fn wake(&self, node: Node, cursor: &mut usize, examine: &mut usize) -> bool {
        match slot_of(node) {
            Some(id) => self.slab.get(id).is_none_or(|slot| {
                // A change that comes after this load queues the slot again.
                let shown = slot.word.load().shown();
                slot.waiters
                    .wake(cursor, examine, |seen| seen != shown as u32)
            }),
            None => self
                .waiters(node)
                .is_none_or(|bucket| bucket.wake(cursor, examine, |tag| self.names.has(Tag(tag)))),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.driver.wake();
        self.seats.close();
    }
}

/// The number of slot `id` in the queue. Buckets have the numbers below those of slots.
fn node(id: u32) -> Node {
    id + 1 + BUCKETS as Node
}

fn slot_of(node: Node) -> Option<u32> {
    node.checked_sub(1 + BUCKETS as Node)
}
