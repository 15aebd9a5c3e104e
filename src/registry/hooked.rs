//! Changes of hooked words, under the ledger's lock.

use super::ledger::Ledger;
use super::shared::Shared;
use super::word::{Change, Word};
use super::{Reason, RegistryError, ServingStatus};

impl Shared {
    /// Changes a hooked word; an error if the change would set the status of a group.
    #[cold]
    pub(super) fn update_hooked(&self, id: u32, change: Change) -> Result<(), RegistryError> {
        self.change_by_hand(id, change, None)
    }

    /// Sets a status by hand, with a reason. Hooks the word, so that a later change of the status forgets the
    /// reason.
    #[cold]
    pub(super) fn set_with_reason(
        &self,
        id: u32,
        status: ServingStatus,
        reason: Reason,
    ) -> Result<(), RegistryError> {
        self.change_by_hand(id, Change::Status(status), Some(reason))
    }

    fn change_by_hand(
        &self,
        id: u32,
        change: Change,
        reason: Option<Reason>,
    ) -> Result<(), RegistryError> {
        let mut ledger = self.ledger.lock();
        if let Change::Status(status) = change {
            self.hook(id);
            if ledger.counted(id).is_some() {
                if status != ServingStatus::ServiceUnknown {
                    return Err(RegistryError::IsGroup);
                }
                ledger.dissolve(id);
            }
        }
        let told = self.apply(&mut ledger, id, change, reason);
        drop(ledger);
        if told {
            self.notify();
        }
        Ok(())
    }

    /// Hooks the word of a slot, and returns the word. The caller holds the ledger's lock.
    pub(super) fn hook(&self, id: u32) -> Word {
        match self.slab.get(id) {
            Some(slot) => slot.word.hook_while_locked(),
            None => Word::new(ServingStatus::ServiceUnknown, false),
        }
    }

    /// Changes a hooked word, and with it the groups that count it. True if there are watchers to notify,
    /// once the lock is released.
    pub(super) fn apply(
        &self,
        ledger: &mut Ledger,
        id: u32,
        change: Change,
        reason: Option<Reason>,
    ) -> bool {
        let mut told = self.apply_one(ledger, id, change, |_, _| reason);
        while let Some((group, status, member)) = ledger.next_pending() {
            let change = Change::Status(status);
            told |= self.apply_one(ledger, group, change, |ledger, changed| {
                self.blame(ledger, member)
                    .filter(|_| changed && status != ServingStatus::Serving)
            });
        }
        told
    }

    /// `reason` is told whether the status changes. A reason for a status that stays replaces the old reason.
    fn apply_one(
        &self,
        ledger: &mut Ledger,
        id: u32,
        change: Change,
        reason: impl FnOnce(&Ledger, bool) -> Option<Reason>,
    ) -> bool {
        let Some(slot) = self.slab.get(id) else {
            return false;
        };
        let (old, new) = slot.word.update_while_locked(|word| change.of(word));
        if old.status() != new.status() {
            let reason = reason(ledger, true);
            ledger.status_changed(id, old.status(), new.status(), reason);
        } else if let Change::Status(_) = change {
            if let Some(reason) = reason(ledger, false) {
                ledger.entry(id).reason = Some(reason);
            }
        }
        if old.shown() == new.shown() {
            return false;
        }
        ledger.shown_changed(id, new);
        let mut told = new.watched() && self.push(id, slot);
        if ledger.followers > 0 {
            told |= self.push_followers();
        }
        told
    }

    /// The reason of a group that does not serve: the member that has changed. Only the history keeps this
    /// reason: [`Registry::status_of`](super::Registry::status_of) looks at the members.
    fn blame(&self, ledger: &Ledger, member: u32) -> Option<Reason> {
        ledger.history?;
        let slot = self.slab.get(member)?;
        let status = slot.word.load().status();
        let reason = ledger.get(member).and_then(|entry| entry.reason.as_ref());
        (status != ServingStatus::Serving).then(|| blamed(slot.name(), status, reason))
    }
}

/// The reason of a group that does not serve because of a member.
pub(super) fn blamed(member: &str, status: ServingStatus, reason: Option<&Reason>) -> Reason {
    match reason {
        Some(reason) => Reason::from(format!("{member}: {reason}")),
        None => Reason::from(format!("{member} is {status}")),
    }
}
