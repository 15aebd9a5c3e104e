//! The state that all clones of a registry, its handles and its watchers share.

use std::any::Any;

use super::ledger::Ledger;
use super::names::{MAX_NAMES, Names, Tag};
use super::queue::{Node, Queue};
use super::seats::Seats;
use super::slab::{Slab, Slot, SlotRef};
use super::sweep::{Queued, Sweep};
use super::waiters::Waiters;
use super::word::{Change, Updated, Word};
use super::{Limits, RegistryError, ServingStatus};
use crate::sync::{Arc, AtomicWaker, MODEL, Mutex};

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
    /// The subscribers to all services.
    pub(super) followers: Waiters,
    /// Whoever needs both locks takes this one first, and then the ledger's.
    pub(super) writer: Mutex<Writer>,
    /// No foreign code runs under this lock, so a setter may take it in `Drop` and on any thread.
    pub(super) ledger: Mutex<Ledger>,
    /// What the plane keeps with the registry; empty until the plane first asks. This is std's `OnceLock` also
    /// under loom: no model depends on the value.
    pub(super) attached: std::sync::OnceLock<Arc<dyn Any + Send + Sync>>,
}

/// What the writers' lock guards, besides the growth of the slab and of the names.
#[derive(Debug)]
pub(super) struct Writer {
    /// Whether the registry is shut down. `shutdown` holds the lock during its whole walk, and a slot is
    /// registered under the same lock. So the walk reaches the slot, or the slot is drained from its
    /// beginning.
    pub(super) drained: bool,
    /// Whether new slots are hooked from their beginning, because the ledger must hear of every service.
    pub(super) hook_all: bool,
}

impl Writer {
    /// The word of a new slot before any status was set.
    pub(super) const fn cleared(&self) -> Word {
        Word::new(ServingStatus::ServiceUnknown, self.drained).with_hooked(self.hook_all)
    }
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
            followers: Waiters::new(),
            writer: Mutex::new(Writer {
                drained: false,
                hook_all: false,
            }),
            ledger: Mutex::default(),
            attached: std::sync::OnceLock::new(),
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
        self.upsert(name, Change::Status(status))
    }

    /// Changes a name's word, and registers the name if the name is new: its word is then what the change
    /// makes of a cleared one. Returns the number of the name's slot.
    pub(super) fn upsert(&self, name: &str, change: Change) -> Result<u32, RegistryError> {
        let tag = self.tag(name)?;
        let known = match self.find_tagged(tag, name) {
            None => {
                let writer = self.writer.lock();
                // Looks again: another thread may have registered the name meanwhile.
                match self.find_tagged(tag, name) {
                    None => {
                        let mut word = writer.cleared();
                        if !word.hooked() {
                            word = change.of(word);
                        }
                        let id = self.insert_while_locked(tag, name, word)?;
                        drop(writer);
                        self.published(tag);
                        if !word.hooked() {
                            return Ok(id);
                        }
                        self.slab.get(id).map(|slot| (id, slot))
                    }
                    known => known,
                }
            }
            known => known,
        };
        let Some((id, slot)) = known else {
            return Err(RegistryError::Full {
                max: self.limits.max_services,
            });
        };
        self.update(id, slot, change)?;
        Ok(id)
    }

    pub(super) fn insert_while_locked(
        &self,
        tag: Tag,
        name: &str,
        word: Word,
    ) -> Result<u32, RegistryError> {
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
    pub(super) fn published(&self, tag: Tag) {
        let (node, bucket) = self.bucket(tag);
        if !bucket.is_empty() && self.queue.push(node, &bucket.links) {
            self.notify();
        }
    }

    /// Changes one word, and has the word's watchers woken if the change concerns them. An error if the
    /// change would set the status of a group.
    #[inline]
    pub(super) fn update(&self, id: u32, slot: &Slot, change: Change) -> Result<(), RegistryError> {
        match slot.word.update(|word| change.of(word)) {
            Updated::Silent => {}
            Updated::Watched => self.changed(id, slot),
            Updated::Hooked => return self.update_hooked(id, change),
        }
        Ok(())
    }

    /// Queues a changed slot. It is out of line, because setters without watchers never come here.
    #[cold]
    fn changed(&self, id: u32, slot: &Slot) {
        if self.push(id, slot) {
            self.notify();
        }
    }

    /// Queues a changed slot; true if the slot was not queued already.
    pub(super) fn push(&self, id: u32, slot: &Slot) -> bool {
        self.queue.push(node(id), &slot.waiters.links)
    }

    /// Queues the subscribers to all services; true if they were not queued already.
    pub(super) fn push_followers(&self) -> bool {
        self.queue.push(FOLLOWERS, &self.followers.links)
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
            let change = Change::Drained(drained);
            any |= match slot.word.update(|word| change.of(word)) {
                Updated::Silent => false,
                Updated::Watched => self.push(id, slot),
                Updated::Hooked => self.apply(&mut self.ledger.lock(), id, change, None),
            };
        }
        drop(writer);
        if any {
            self.notify();
        }
    }

    /// Has the queue swept, by the driver or here. The caller holds no lock, because wakers are called.
    pub(super) fn notify(&self) {
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
            None if node == FOLLOWERS => Some(&self.followers),
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
            None if node == FOLLOWERS => self.followers.wake(cursor, examine, |_| true),
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

/// The number of the subscribers to all services in the queue. Buckets have the numbers below it.
const FOLLOWERS: Node = BUCKETS as Node + 1;

/// The number of slot `id` in the queue.
fn node(id: u32) -> Node {
    id + 1 + FOLLOWERS
}

fn slot_of(node: Node) -> Option<u32> {
    node.checked_sub(1 + FOLLOWERS)
}
