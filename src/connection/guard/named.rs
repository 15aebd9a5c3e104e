//! Which entries of HPACK's dynamic table are named `:authority`.

use std::collections::VecDeque;

/// An entry takes 32 bytes of the table, besides its name and value (RFC 7541, section 4.1).
const SMALLEST: u32 = 32;

/// A bit for each entry of the table, newest first: whether the entry is named `:authority`.
///
/// The oldest entries are evicted first, and an index of an evicted entry is an error, so evictions need not be tracked.
#[derive(Debug)]
pub(super) enum Named {
    /// The bits of a table of at most 4,096 bytes, the default. The lowest bit is the newest entry's.
    Few(u128),
    Many(Box<Many>),
}

/// The bits of a larger table. They take memory as entries are added, since a table may be allowed to be large and stay small.
#[derive(Debug)]
pub(super) struct Many {
    /// The newest word is the first, and the lowest bit of a word is the newest entry's. Only the first word may have less than 64 bits.
    words: VecDeque<u64>,
    /// The number of bits of the first word.
    newest: usize,
    /// How many words the bits of a full table may lie in.
    most: usize,
}

impl Named {
    /// For a table of at most `table` bytes.
    pub(super) fn new(table: u32) -> Self {
        let entries = table / SMALLEST;
        if entries <= u128::BITS {
            return Self::Few(0);
        }
        let words = entries.div_ceil(u64::BITS) + 1;
        Self::Many(Box::new(Many {
            words: VecDeque::from([0]),
            newest: 0,
            most: usize::try_from(words).unwrap_or(usize::MAX),
        }))
    }

    /// Adds an entry.
    pub(super) fn add(&mut self, named: bool) {
        match self {
            Self::Few(bits) => *bits = *bits << 1 | u128::from(named),
            Self::Many(many) => many.add(named),
        }
    }

    /// Adds `n` entries with other names.
    #[inline]
    pub(super) fn add_others(&mut self, n: u32) {
        match self {
            Self::Few(bits) => *bits = bits.checked_shl(n).unwrap_or(0),
            Self::Many(many) => (0..n).for_each(|_| many.add(false)),
        }
    }

    /// Whether this entry is named `:authority`. The newest entry is 0.
    pub(super) fn has(&self, entry: usize) -> bool {
        match self {
            Self::Few(bits) => u32::try_from(entry)
                .ok()
                .and_then(|entry| bits.checked_shr(entry))
                .is_some_and(|bits| bits & 1 == 1),
            Self::Many(many) => many.has(entry),
        }
    }
}

impl Many {
    fn add(&mut self, named: bool) {
        if self.newest == 64 {
            self.words.truncate(self.most - 1);
            self.words.push_front(0);
            self.newest = 0;
        }
        if let Some(word) = self.words.front_mut() {
            *word = *word << 1 | u64::from(named);
            self.newest += 1;
        }
    }

    fn has(&self, entry: usize) -> bool {
        let (word, bit) = match entry.checked_sub(self.newest) {
            None => (0, entry),
            Some(older) => (1 + older / 64, older % 64),
        };
        self.words
            .get(word)
            .is_some_and(|word| word >> bit & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_known_as_long_as_it_may_be_in_the_table() {
        for table in [0, 4_096, 4_097, 4_128, 8_192, 65_536] {
            let entries = (table / SMALLEST).max(1) as usize;
            let mut named = Named::new(table);
            // By turns one by one and several at once.
            let mut all = Vec::new();
            for n in 0..4 * entries {
                let wanted = n % 3 == 0 || n % 7 == 0;
                named.add(wanted);
                let others = [0, 0, 1, 5][n % 4];
                named.add_others(others);
                all.push(wanted);
                all.extend((0..others).map(|_| false));
                if n % 97 == 0 || n + 1 == 4 * entries {
                    let newest = all.iter().rev().take(entries).enumerate();
                    for (entry, wanted) in newest {
                        assert_eq!(named.has(entry), *wanted, "{entry} of {table}");
                    }
                }
            }
            named.add_others(u32::try_from(entries).unwrap() + 200);
            assert!((0..entries).all(|entry| !named.has(entry)), "{table}");
            assert!(!named.has(usize::MAX));
        }
    }

    /// A table may be allowed to be as large as 4 GiB, and the bits of a full one take less than a half percent more.
    #[test]
    fn the_bits_take_memory_only_for_entries() {
        let room = |named: &Named| match named {
            Named::Few(_) => 0,
            Named::Many(many) => many.words.capacity() * size_of::<u64>(),
        };
        assert_eq!(room(&Named::new(4_096)), 0);
        assert!(room(&Named::new(u32::MAX)) <= 64);
        let mut named = Named::new(1 << 20);
        for _ in 0..1_000_000 {
            named.add(true);
        }
        assert!(room(&named) <= 1 << 13, "{}", room(&named));
    }
}
