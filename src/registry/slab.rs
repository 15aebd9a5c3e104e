//! The slab: append-only storage of services, in slots that never move.

use super::ServingStatus;
use super::waiters::Waiters;
use super::word::{AtomicWord, Word};
use crate::sync::{Arc, AtomicU32, MODEL, OnceLock, Ordering};

/// The number of slots in the first chunk. Each further chunk has twice as many as the one before.
const FIRST: u32 = if MODEL { 2 } else { 32 };
const CHUNKS: usize = if MODEL { 3 } else { 26 };
/// The largest number of slots.
const MAX_SLOTS: u32 = FIRST * ((1 << CHUNKS) - 1);
const _: () = assert!(MAX_SLOTS >= super::names::MAX_NAMES);

/// One service. It has a cache line for itself, so that setters of different services do not contend.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Slot {
    pub(super) word: AtomicWord,
    pub(super) waiters: Waiters,
    name: OnceLock<Box<str>>,
}

impl Slot {
    fn vacant() -> Self {
        Self {
            word: AtomicWord::new(Word::new(ServingStatus::ServiceUnknown, false)),
            waiters: Waiters::new(),
            name: OnceLock::new(),
        }
    }

    /// The service's name; empty for a vacant slot, which no reader is shown.
    pub(super) fn name(&self) -> &str {
        self.name.get().map_or("", |name| name)
    }
}

/// A reference to a slot that needs no look-up: the slot's chunk, and its offset in the chunk.
#[derive(Clone, Debug)]
pub(super) struct SlotRef {
    chunk: Arc<[Slot]>,
    offset: u32,
}

impl SlotRef {
    #[inline]
    #[expect(
        clippy::indexing_slicing,
        reason = "`slot_ref` checked the offset, and chunks never shrink"
    )]
    pub(super) fn slot(&self) -> &Slot {
        &self.chunk[self.offset as usize]
    }
}

/// Chunks of slots. Each chunk is allocated once, and lives as long as anything refers to it.
#[derive(Debug)]
pub(super) struct Slab {
    chunks: [OnceLock<Arc<[Slot]>>; CHUNKS],
    /// The number of filled slots. Stored with Release and loaded with Acquire, so that a reader sees the
    /// name and the word of each slot below this number.
    len: AtomicU32,
}

impl Slab {
    pub(super) fn new() -> Self {
        Self {
            chunks: std::array::from_fn(|_| OnceLock::new()),
            len: AtomicU32::new(0),
        }
    }

    pub(super) fn len(&self) -> u32 {
        self.len.load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn get(&self, id: u32) -> Option<&Slot> {
        let (chunk, offset) = place(id);
        self.chunks.get(chunk)?.get()?.get(offset as usize)
    }

    pub(super) fn slot_ref(&self, id: u32) -> Option<SlotRef> {
        let (chunk, offset) = place(id);
        let chunk = self.chunks.get(chunk)?.get()?;
        chunk.get(offset as usize)?;
        Some(SlotRef {
            chunk: Arc::clone(chunk),
            offset,
        })
    }

    /// Fills the next slot. The caller is the only writer. `None` if every chunk is full.
    pub(super) fn push_while_locked(&self, name: &str, word: Word) -> Option<u32> {
        // Relaxed: only the writer stores it.
        let id = self.len.load(Ordering::Relaxed);
        let (index, _) = place(id);
        let chunk = self.chunks.get(index)?;
        if chunk.get().is_none() {
            let slots = (0..FIRST << index).map(|_| Slot::vacant()).collect();
            // There is no other writer, so the chunk cannot have been set meanwhile.
            let _ = chunk.set(slots);
        }
        let slot = self.get(id)?;
        slot.word.init_while_unpublished(word);
        let _ = slot.name.set(name.into());
        self.len.store(id + 1, Ordering::Release);
        Some(id)
    }
}

/// The chunk of slot `id`, and the slot's offset in the chunk. Chunk k starts at slot `FIRST * (2^k - 1)`.
#[inline]
fn place(id: u32) -> (usize, u32) {
    let chunk = (id / FIRST + 1).ilog2();
    (chunk as usize, id - FIRST * ((1 << chunk) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_one_cache_line() {
        assert_eq!(size_of::<Slot>(), 64);
    }

    #[test]
    fn places_follow_one_another_without_a_gap() {
        let mut expected = (0, 0);
        for id in 0..100_000 {
            assert_eq!(place(id), expected);
            expected.1 += 1;
            if expected.1 == FIRST << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert_eq!(place(MAX_SLOTS - 1).0, CHUNKS - 1);
        assert_eq!(place(MAX_SLOTS), (CHUNKS, 0));
    }

    #[test]
    fn a_slot_never_moves() {
        let slab = Slab::new();
        let word = Word::new(ServingStatus::Serving, false);
        assert_eq!(slab.push_while_locked("first", word), Some(0));
        let first = slab.slot_ref(0).unwrap();
        let address = std::ptr::from_ref(first.slot());
        for i in 1..1000u32 {
            assert_eq!(slab.push_while_locked(&i.to_string(), word), Some(i));
        }
        assert_eq!(slab.len(), 1000);
        assert!(std::ptr::eq(address, slab.get(0).unwrap()));
        assert!(std::ptr::eq(address, first.slot()));
        assert_eq!(first.slot().name(), "first");
        assert_eq!(slab.get(999).unwrap().name(), "999");
    }

    #[test]
    fn a_slot_not_filled_is_service_unknown() {
        let slab = Slab::new();
        assert!(slab.get(0).is_none());
        slab.push_while_locked("a", Word::new(ServingStatus::Serving, false));
        assert_eq!(
            slab.get(1).unwrap().word.load().shown(),
            ServingStatus::ServiceUnknown
        );
        assert!(slab.slot_ref(FIRST).is_none());
    }
}
