//! The watchers of one slot, or of one bucket of unregistered names.

use std::task::Waker;

use super::queue::Links;
use crate::sync::Mutex;

/// The number of wakers that are taken each time the lock is held.
const BATCH: usize = 32;

/// A watcher's number in a list.
pub(super) type Key = u32;

/// The watchers of one slot or bucket, and the links of that slot or bucket in the queue.
///
/// Wakers are foreign code: they are cloned before the lock is taken, and woken and dropped after the lock is
/// released. Dropping a waker may drop a task, which may drop a watcher of this very list.
#[derive(Debug)]
pub(super) struct Waiters {
    pub(super) links: Links,
    /// `None` while nobody waits, so that an unwatched service allocates nothing.
    list: Mutex<Option<Box<List>>>,
}

impl Waiters {
    pub(super) fn new() -> Self {
        Self {
            links: Links::new(),
            list: Mutex::new(None),
        }
    }

    /// Adds a watcher without a waker, then calls `joined` under the same lock.
    pub(super) fn join(&self, joined: impl FnOnce()) -> Key {
        let mut list = self.list.lock();
        let key = list.get_or_insert_default().add();
        joined();
        key
    }

    /// Stores the waker of a watcher, and the watcher's `note`; [`wake`](Self::wake) decides by the note
    /// whether to call the waker.
    pub(super) fn park(&self, key: Key, note: u32, waker: &Waker) {
        let parked = Parked {
            waker: waker.clone(),
            note,
        };
        let old = match self
            .list
            .lock()
            .as_deref_mut()
            .and_then(|list| list.entry(key))
        {
            Some(entry) => entry.replace(parked),
            None => None,
        };
        drop(old);
    }

    /// Removes a watcher, and calls `emptied` under the same lock if the watcher was the last one.
    pub(super) fn leave(&self, key: Key, emptied: impl FnOnce()) {
        let mut guard = self.list.lock();
        let mut old = None;
        let mut freed = None;
        if let Some(list) = guard.as_deref_mut() {
            old = list.remove(key);
            if list.used == 0 {
                freed = guard.take();
                emptied();
            }
        }
        drop(guard);
        drop((old, freed));
    }

    /// Whether there are no watchers.
    pub(super) fn is_empty(&self) -> bool {
        self.list.lock().is_none()
    }

    /// Wakes the watchers for whose note `due` returns true, from entry `cursor` on, and at most a batch of
    /// them.
    ///
    /// `examine` is the number of entries that may be looked at; the number looked at is subtracted from it.
    /// True when the end of the list was reached.
    pub(super) fn wake(
        &self,
        cursor: &mut usize,
        examine: &mut usize,
        due: impl Fn(u32) -> bool,
    ) -> bool {
        let mut batch = [const { None }; BATCH];
        let mut free = batch.iter_mut();
        let mut done = true;
        if let Some(list) = self.list.lock().as_deref_mut() {
            for entry in list.entries.get_mut(*cursor..).unwrap_or_default() {
                if *examine == 0 || free.len() == 0 {
                    done = false;
                    break;
                }
                *examine -= 1;
                *cursor += 1;
                let Entry::Used(parked) = entry else {
                    continue;
                };
                if parked.as_ref().is_some_and(|parked| due(parked.note)) {
                    if let Some(place) = free.next() {
                        *place = parked.take();
                    }
                }
            }
        }
        for parked in batch.into_iter().flatten() {
            wake(parked.waker);
        }
        done
    }
}

/// Wakes one watcher. A waker that panics must not cost the other watchers their wake.
fn wake(waker: Waker) {
    // The panic hook has reported the panic; nobody else needs to know.
    if let Err(payload) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| waker.wake())) {
        // Its drop may panic.
        std::mem::forget(payload);
    }
}

/// A watcher's waker, and its note: what the watcher saw last, as a number that the list's kind (slot or
/// bucket) defines.
#[derive(Debug)]
struct Parked {
    waker: Waker,
    note: u32,
}

#[derive(Debug)]
enum Entry {
    /// A free entry. The number is that of the next free entry, or the number of entries when there is none.
    Free(Key),
    /// A watcher's entry. It has no waker while the watcher's task runs.
    Used(Option<Parked>),
}

/// Watchers keep their numbers while they are in the list, so that a cursor can walk over them.
#[derive(Debug, Default)]
struct List {
    entries: Vec<Entry>,
    free: Key,
    used: u32,
}

impl List {
    fn add(&mut self) -> Key {
        self.used += 1;
        let key = self.free;
        match self.entries.get_mut(key as usize) {
            Some(entry) => {
                if let Entry::Free(next) = *entry {
                    self.free = next;
                }
                *entry = Entry::Used(None);
            }
            None => {
                self.entries.push(Entry::Used(None));
                self.free = self.entries.len() as Key;
            }
        }
        key
    }

    fn entry(&mut self, key: Key) -> Option<&mut Option<Parked>> {
        match self.entries.get_mut(key as usize)? {
            Entry::Used(parked) => Some(parked),
            Entry::Free(_) => None,
        }
    }

    fn remove(&mut self, key: Key) -> Option<Parked> {
        let old = self.entry(key)?.take();
        if let Some(entry) = self.entries.get_mut(key as usize) {
            *entry = Entry::Free(self.free);
        }
        self.free = key;
        self.used -= 1;
        old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_reused_and_the_list_is_freed_with_its_last_watcher() {
        let waiters = Waiters::new();
        let keys: Vec<Key> = (0..4).map(|_| waiters.join(|| ())).collect();
        assert_eq!(keys, [0, 1, 2, 3]);
        let emptied = std::cell::Cell::new(0);
        waiters.leave(1, || emptied.set(emptied.get() + 1));
        waiters.leave(2, || emptied.set(emptied.get() + 1));
        assert_eq!(
            (
                waiters.join(|| ()),
                waiters.join(|| ()),
                waiters.join(|| ())
            ),
            (2, 1, 4)
        );
        for key in 0..5 {
            assert!(!waiters.is_empty());
            assert_eq!(emptied.get(), 0);
            waiters.leave(key, || emptied.set(emptied.get() + 1));
        }
        assert!(waiters.is_empty());
        assert_eq!(emptied.get(), 1);
        assert_eq!(waiters.join(|| ()), 0);
    }

    #[test]
    fn only_those_due_are_woken_and_the_examined_are_bounded() {
        let waiters = Waiters::new();
        for i in 0..100u32 {
            let key = waiters.join(|| ());
            waiters.park(key, i % 2, Waker::noop());
        }
        let (mut cursor, mut rounds) = (0, 0);
        loop {
            let mut examine = 30;
            let done = waiters.wake(&mut cursor, &mut examine, |note| note == 1);
            rounds += 1;
            if done {
                break;
            }
            assert_eq!(examine, 0);
        }
        assert_eq!((cursor, rounds), (100, 4));
        let mut list = waiters.list.lock();
        let list = list.as_deref_mut().unwrap();
        for i in 0..100 {
            assert_eq!(list.entry(i).unwrap().is_some(), i % 2 == 0);
        }
    }
}
