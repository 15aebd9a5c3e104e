//! The index of names: from a service's name to its slot.

use std::hash::{BuildHasher, Hasher};

use crate::sync::{AtomicU32, AtomicU64, MODEL, OnceLock, Ordering};

/// The keyed hash of names. Each registry has a random key of its own.
#[cfg(not(grpc_health_loom))]
type NameHasher = foldhash::fast::RandomState;
/// The hash of names under loom. Every run of a model must be the same, so the key is fixed.
#[cfg(grpc_health_loom)]
type NameHasher = foldhash::fast::FixedState;

/// The number of cells in the first table. Each further table has twice as many as the one before.
const FIRST: usize = if MODEL { 4 } else { 64 };
const TABLES: usize = if MODEL { 3 } else { 26 };
/// The largest number of names: as many as fill half of the last table.
pub(super) const MAX_NAMES: u32 = ((FIRST << (TABLES - 1)) / 2) as u32;

/// The part of a name's hash that is kept. It says where the name's probe starts, and tells most names apart
/// before the names are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(pub(super) u32);

/// An insert-only hash index that is searched without a lock.
///
/// The index uses open addressing with linear probing, in a table that is at most half full. When a table is
/// half full, its entries are copied into a table of twice the size, and readers are pointed to the new
/// table. The tags say where the entries go, so no name is hashed again. A reader that is still in the old
/// table misses only names that were published after its search began.
///
/// A cell is 0 or `tag << 32 | slot + 1`. It is stored with Release after its slot is filled, and loaded with
/// Acquire. The hash is keyed, so that remote peers cannot choose names that collide.
#[derive(Debug)]
pub(super) struct Names {
    hasher: NameHasher,
    tables: [OnceLock<Box<[AtomicU64]>>; TABLES],
    /// The number of the table in use. Stored with Release after the table is filled; readers load it with
    /// Acquire.
    current: AtomicU32,
}

impl Names {
    pub(super) fn new() -> Self {
        let tables = std::array::from_fn(|_| OnceLock::new());
        if let Some(first) = tables.first() {
            let _ = first.set(empty(FIRST));
        }
        Self {
            hasher: NameHasher::default(),
            tables,
            current: AtomicU32::new(0),
        }
    }

    #[inline]
    pub(super) fn tag(&self, name: &str) -> Tag {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(name.as_bytes());
        let hash = hasher.finish();
        // Both halves are used: the hash function promises only that the whole hash is good.
        Tag((hash ^ hash >> 32) as u32)
    }

    /// The first slot with that tag for which `is_it` returns true.
    #[inline]
    pub(super) fn find(&self, tag: Tag, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let table = self.table()?;
        let mask = table.len() - 1;
        let mut at = tag.0 as usize & mask;
        loop {
            let cell = table.get(at)?.load(Ordering::Acquire);
            if cell == 0 {
                return None;
            }
            if (cell >> 32) as u32 == tag.0 {
                let slot = (cell as u32).wrapping_sub(1);
                if is_it(slot) {
                    return Some(slot);
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// Whether a name with that tag has been published.
    pub(super) fn has(&self, tag: Tag) -> bool {
        self.find(tag, |_| true).is_some()
    }

    /// Publishes slot number `slot`. The caller is the only writer and has filled the slot; `slot` names were
    /// published before.
    pub(super) fn insert_while_locked(&self, tag: Tag, slot: u32) {
        let full = self
            .table()
            .is_none_or(|table| slot as usize >= table.len() / 2);
        if full {
            self.grow_while_locked();
        }
        if let Some(table) = self.table() {
            put(table, cell(tag, slot));
        }
    }

    fn grow_while_locked(&self) {
        // Relaxed: only the writer stores it.
        let next = self.current.load(Ordering::Relaxed) + 1;
        let (Some(old), Some(place)) = (self.table(), self.tables.get(next as usize)) else {
            return;
        };
        let table = empty(old.len() * 2);
        for entry in old {
            // Relaxed: the writer itself stored the entries.
            let entry = entry.load(Ordering::Relaxed);
            if entry != 0 {
                put(&table, entry);
            }
        }
        if place.set(table).is_ok() {
            self.current.store(next, Ordering::Release);
        }
    }

    #[inline]
    fn table(&self) -> Option<&[AtomicU64]> {
        let current = self.current.load(Ordering::Acquire);
        self.tables
            .get(current as usize)?
            .get()
            .map(|table| &**table)
    }
}

fn empty(len: usize) -> Box<[AtomicU64]> {
    (0..len).map(|_| AtomicU64::new(0)).collect()
}

fn cell(tag: Tag, slot: u32) -> u64 {
    u64::from(tag.0) << 32 | u64::from(slot + 1)
}

/// Stores an entry in the first free cell of its probe. The table has one, because tables are never full.
fn put(table: &[AtomicU64], entry: u64) {
    let mask = table.len() - 1;
    let mut at = (entry >> 32) as usize & mask;
    while let Some(cell) = table.get(at) {
        // Relaxed: only the writer stores cells.
        if cell.load(Ordering::Relaxed) == 0 {
            // Release: whoever finds the entry finds the entry's slot filled.
            cell.store(entry, Ordering::Release);
            return;
        }
        at = (at + 1) & mask;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_thousand_names_are_found_after_growing() {
        let names = Names::new();
        let all: Vec<String> = (0..10_000).map(|i| format!("service.{i}")).collect();
        for (slot, name) in all.iter().enumerate() {
            names.insert_while_locked(names.tag(name), slot as u32);
        }
        for (slot, name) in all.iter().enumerate() {
            let found = names.find(names.tag(name), |slot| all[slot as usize] == *name);
            assert_eq!(found, Some(slot as u32));
        }
        assert_eq!(
            names.find(names.tag("absent"), |slot| all[slot as usize] == "absent"),
            None
        );
        assert!(names.table().unwrap().len() >= 20_000);
    }

    #[test]
    fn each_registry_has_its_own_hash_key() {
        let tags: Vec<Tag> = (0..8).map(|_| Names::new().tag("a.service")).collect();
        assert!(tags.iter().any(|tag| *tag != tags[0]));
    }

    proptest! {
        /// The worst input has many equal tags.
        #[test]
        fn equal_tags_are_told_apart_by_name(tags in prop::collection::vec(0..4u32, 0..200)) {
            let names = Names::new();
            for (slot, tag) in tags.iter().enumerate() {
                names.insert_while_locked(Tag(*tag), slot as u32);
            }
            for (slot, tag) in tags.iter().enumerate() {
                let slot = slot as u32;
                prop_assert_eq!(names.find(Tag(*tag), |found| found == slot), Some(slot));
                prop_assert_eq!(names.find(Tag(*tag + 4), |found| found == slot), None);
            }
            for tag in 0..8 {
                prop_assert_eq!(names.has(Tag(tag)), tags.contains(&tag));
            }
        }
    }
}
