//! The ledger: what is kept of a service beside its word, under one lock.
//!
//! A service has an entry once something other than its watchers depends on its status: a group, a lease, a
//! reason, hysteresis, the history. Such a service's word has the bit HOOKED, which sends every change of the
//! word here. All other services never come here.

use super::damper::Damper;
use super::group::Counted;
use super::history::{Clock, Past, Transition};
use super::word::Word;
use super::{Reason, ServingStatus};

/// The reason of a status that a shutdown shows.
pub(super) const SHUT_DOWN: &str = "the registry is shut down";

/// What is kept of one service.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// Why the service has the status that was set last.
    pub(super) reason: Option<Reason>,
    pub(super) past: Past,
    /// The groups that count this service.
    pub(super) groups: Vec<u32>,
    /// What the service is computed from, if it is a group.
    pub(super) counted: Option<Box<Counted>>,
    pub(super) leases: Leases,
    pub(super) damper: Damper,
}

/// The leases of one name.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// Leases that are held, stale ones included.
    pub(super) held: u32,
    /// Leases that are held and were not beaten in time.
    pub(super) stale: u32,
    /// Leases that were dropped and not replaced.
    pub(super) lost: u32,
}

impl Leases {
    /// Whether every holder beats.
    pub(super) const fn all_beat(&self) -> bool {
        self.held > 0 && self.stale == 0 && self.lost == 0
    }
}

/// The entries of all hooked services, by slot.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: Vec<Option<Box<Entry>>>,
    /// The clock, and how many changes are remembered of each service, once the history is recorded.
    pub(super) history: Option<(Clock, usize)>,
    /// How many subscribers follow all services.
    pub(super) followers: usize,
    /// Groups whose counts have changed and whose statuses have not been computed anew yet, each with the
    /// slot of the member that changed. Empty between changes; it is here so that a change allocates nothing.
    pending: Vec<(u32, u32)>,
}

impl Ledger {
    pub(super) fn get(&self, id: u32) -> Option<&Entry> {
        self.entries.get(id as usize)?.as_deref()
    }

    /// The entry of a slot, which is made if need be.
    pub(super) fn entry(&mut self, id: u32) -> &mut Entry {
        let at = id as usize;
        if self.entries.len() <= at {
            self.entries.resize_with(at + 1, || None);
        }
        #[expect(clippy::indexing_slicing, reason = "the vector was made long enough")]
        self.entries[at].get_or_insert_default()
    }

    pub(super) fn counted(&mut self, id: u32) -> Option<&mut Counted> {
        let entry = self.entries.get_mut(id as usize)?.as_deref_mut()?;
        entry.counted.as_deref_mut()
    }

    /// Notes that the status of a service, as it was set, has changed.
    pub(super) fn status_changed(
        &mut self,
        id: u32,
        from: ServingStatus,
        to: ServingStatus,
        reason: Option<Reason>,
    ) {
        let entry = self.entry(id);
        entry.reason = reason;
        entry.damper.reset();
        // Taken out for the loop, and put back.
        let groups = std::mem::take(&mut entry.groups);
        for &group in &groups {
            if let Some(counted) = self.counted(group) {
                counted.discount(from);
                counted.count(to);
                self.pending.push((group, id));
            }
        }
        self.entry(id).groups = groups;
    }

    /// A group to compute anew: its slot, the status that it is to have, and the slot of the member that
    /// changed.
    pub(super) fn next_pending(&mut self) -> Option<(u32, ServingStatus, u32)> {
        loop {
            let (group, member) = self.pending.pop()?;
            if let Some(counted) = self.counted(group) {
                return Some((group, counted.status(), member));
            }
        }
    }

    /// Notes that the status that clients are shown has changed.
    pub(super) fn shown_changed(&mut self, id: u32, word: Word) {
        let Some((clock, keep)) = self.history else {
            return;
        };
        let at = clock();
        let entry = self.entry(id);
        let transition = Transition {
            status: word.shown(),
            reason: reason_of(word, entry.reason.as_ref()),
            at,
        };
        entry.past.push(transition, keep);
    }
}

/// The reason of the status that is shown.
pub(super) fn reason_of(word: Word, set: Option<&Reason>) -> Option<Reason> {
    if word.hidden() {
        Some(Reason::fixed(SHUT_DOWN))
    } else {
        set.cloned()
    }
}
