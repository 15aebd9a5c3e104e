//! One service's state in one `u64`.

use std::fmt;

use super::ServingStatus;
use crate::sync::{AtomicU64, Ordering};

const STATUS: u64 = 0b11;
const PINNED: u64 = 1 << 2;
const DRAINED: u64 = 1 << 3;
const WATCHED: u64 = 1 << 4;
const HOOKED: u64 = 1 << 5;
const VERSION_SHIFT: u32 = 6;

/// The status that is shown, two bits for each combination of the low four bits: reading a status takes no
/// branch.
const SHOWN: u64 = {
    let mut table = 0;
    let mut low = 0;
    while low < 16 {
        table |= (Word(low).shown_by_the_rule() as u64) << (low * 2);
        low += 1;
    }
    table
};

/// The fields, from the low bit: status (2 bits), PINNED, DRAINED, WATCHED, HOOKED, version (58 bits).
///
/// HOOKED says that the ledger must hear of every change: whoever finds the bit changes the word under the
/// ledger's lock. The bit is only ever set.
///
/// *status* is the last value that was set, also while the registry is drained. The status that is *shown* is
/// computed from the whole word, so one load decides it. The version counts the changes of the shown status;
/// it wraps after 2^58, which takes nine years at one change per nanosecond.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(u64);

impl Word {
    /// A word whose status has not been shown to anybody yet.
    pub(super) const fn new(status: ServingStatus, drained: bool) -> Self {
        Self(0).with_status(status).with(DRAINED, drained)
    }

    /// The status that was set last.
    #[inline]
    pub(super) const fn status(self) -> ServingStatus {
        ServingStatus::from_bits(self.0)
    }

    /// Whether the service is exempt from the registry's shutdown.
    #[inline]
    pub(super) const fn pinned(self) -> bool {
        self.0 & PINNED != 0
    }

    /// Whether the registry is shut down.
    #[inline]
    pub(super) const fn drained(self) -> bool {
        self.0 & DRAINED != 0
    }

    /// Whether the service has watchers.
    #[inline]
    pub(super) const fn watched(self) -> bool {
        self.0 & WATCHED != 0
    }

    /// Whether the ledger must hear of every change.
    #[inline]
    pub(super) const fn hooked(self) -> bool {
        self.0 & HOOKED != 0
    }

    /// Whether a shutdown hides the status that was set last.
    pub(super) const fn hidden(self) -> bool {
        self.drained() && !self.pinned() && !matches!(self.status(), ServingStatus::ServiceUnknown)
    }

    /// How often the shown status has changed.
    #[inline]
    pub(super) const fn version(self) -> u64 {
        self.0 >> VERSION_SHIFT
    }

    /// The status that clients are shown. A cleared name stays unknown, drained or not.
    #[inline]
    pub(super) const fn shown(self) -> ServingStatus {
        ServingStatus::from_bits(SHOWN >> ((self.0 & (DRAINED | PINNED | STATUS)) * 2))
    }

    const fn shown_by_the_rule(self) -> ServingStatus {
        match self.status() {
            ServingStatus::ServiceUnknown => ServingStatus::ServiceUnknown,
            _ if self.drained() && !self.pinned() => ServingStatus::NotServing,
            status => status,
        }
    }

    #[inline]
    pub(super) const fn with_status(self, status: ServingStatus) -> Self {
        Self(self.0 & !STATUS | status as u64)
    }

    #[inline]
    pub(super) const fn with_pinned(self, pinned: bool) -> Self {
        self.with(PINNED, pinned)
    }

    #[inline]
    pub(super) const fn with_drained(self, drained: bool) -> Self {
        self.with(DRAINED, drained)
    }

    pub(super) const fn with_hooked(self, hooked: bool) -> Self {
        self.with(HOOKED, hooked)
    }

    #[inline]
    const fn with(self, bit: u64, on: bool) -> Self {
        if on {
            Self(self.0 | bit)
        } else {
            Self(self.0 & !bit)
        }
    }

    #[inline]
    const fn next_version(self) -> Self {
        Self(self.0.wrapping_add(1 << VERSION_SHIFT))
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Word")
            .field("status", &self.status())
            .field("pinned", &self.pinned())
            .field("drained", &self.drained())
            .field("watched", &self.watched())
            .field("version", &self.version())
            .finish()
    }
}

/// One change of a word.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Status(ServingStatus),
    Pinned(bool),
    Drained(bool),
}

impl Change {
    #[inline]
    pub(super) const fn of(self, word: Word) -> Word {
        match self {
            Self::Status(status) => word.with_status(status),
            Self::Pinned(pinned) => word.with_pinned(pinned),
            Self::Drained(drained) => word.with_drained(drained),
        }
    }
}

/// What is left to do after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Updated {
    /// Nothing.
    Silent,
    /// The watchers must be told.
    Watched,
    /// The word has not been changed: it must be changed under the ledger's lock.
    Hooked,
}

/// A [`Word`] that threads share.
///
/// Readers decide everything from this one word, so its own modification order settles every race about
/// statuses; statuses need no memory ordering. The orderings below serve the memory around the word: a change
/// is a Release, so that whoever reads the change with Acquire (and the driver, through the queue) also sees
/// what the setter did before the change.
#[derive(Debug)]
pub(super) struct AtomicWord(AtomicU64);

impl AtomicWord {
    pub(super) fn new(word: Word) -> Self {
        Self(AtomicU64::new(word.0))
    }

    /// Acquire: pairs with the Release of [`update`](Self::update).
    #[inline]
    pub(super) fn load(&self) -> Word {
        Word(self.0.load(Ordering::Acquire))
    }

    /// Overwrites the word of a slot that no reader can have found yet.
    pub(super) fn init_while_unpublished(&self, word: Word) {
        // Relaxed: the index entry that publishes the slot is stored with Release.
        self.0.store(word.0, Ordering::Relaxed);
    }

    /// Applies `change`, unless the word is hooked.
    ///
    /// A `change` that leaves the word as it is stores nothing.
    #[inline]
    pub(super) fn update(&self, change: impl Fn(Word) -> Word) -> Updated {
        // The other attempts are out of line, so that the first one stays short.
        match self.try_update(self.load(), &change) {
            Ok(updated) => updated,
            Err(current) => self.update_again(current, change),
        }
    }

    /// Applies `change` if the word is still `old`. Otherwise returns the word as it is.
    #[inline]
    fn try_update(&self, old: Word, change: impl Fn(Word) -> Word) -> Result<Updated, Word> {
        // Without HOOKED: the new word of a hooked one always differs, so a set that changes nothing tests one thing only.
        let mut new = change(old.with(HOOKED, false));
        if new == old {
            return Ok(Updated::Silent);
        }
        if old.hooked() {
            return Ok(Updated::Hooked);
        }
        let seen = new.shown() != old.shown();
        if seen {
            new = new.next_version();
        }
        // AcqRel: Release as the type's comment says; Acquire so that a setter who sees WATCHED comes
        // after the `watch` that set the bit. On failure Acquire, as in `load`.
        match self
            .0
            .compare_exchange_weak(old.0, new.0, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) if seen && old.watched() => Ok(Updated::Watched),
            Ok(_) => Ok(Updated::Silent),
            Err(current) => Err(Word(current)),
        }
    }

    /// Applies `change` while other threads change the word as well.
    #[cold]
    fn update_again(&self, mut old: Word, change: impl Fn(Word) -> Word) -> Updated {
        loop {
            match self.try_update(old, &change) {
                Ok(updated) => return updated,
                Err(current) => old = current,
            }
        }
    }

    /// Applies `change` to a hooked word, and returns the words before and after. The caller holds the
    /// ledger's lock.
    ///
    /// Only the WATCHED bit changes without that lock.
    pub(super) fn update_while_locked(&self, change: impl Fn(Word) -> Word) -> (Word, Word) {
        let mut old = self.load();
        loop {
            let mut new = change(old);
            if new == old {
                return (old, old);
            }
            if new.shown() != old.shown() {
                new = new.next_version();
            }
            // As in `update`.
            match self
                .0
                .compare_exchange_weak(old.0, new.0, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return (old, new),
                Err(current) => old = Word(current),
            }
        }
    }

    /// Sends every change from now on to the ledger, and returns the word. The caller holds the ledger's lock.
    ///
    /// This is a read-modify-write, so every `update` comes either before it, and the returned word has the
    /// change, or after it, and the update finds the word hooked.
    pub(super) fn hook_while_locked(&self) -> Word {
        // AcqRel: as in `set_watched_while_locked`.
        Word(self.0.fetch_or(HOOKED, Ordering::AcqRel)).with(HOOKED, true)
    }

    /// Reports changes from now on. The caller holds the lock of the slot's list, which has a watcher in it.
    ///
    /// This is a read-modify-write, so every `update` comes either before it, and the watcher's first load
    /// sees the update, or after it, and the update sees WATCHED. No update falls between.
    pub(super) fn set_watched_while_locked(&self) {
        // AcqRel: Acquire, so that the load that follows sees at least this value; Release, for the setter's
        // Acquire.
        self.0.fetch_or(WATCHED, Ordering::AcqRel);
    }

    /// Reports changes no more. The caller holds the lock of the slot's list, which is empty: under that lock
    /// no `watch` can have set the bit for a watcher of its own.
    pub(super) fn clear_watched_while_locked(&self) {
        // Relaxed: the store publishes nothing, and a setter who still sees the bit finds no watcher.
        self.0.fetch_and(!WATCHED, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
