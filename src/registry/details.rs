//! Reasons, times and results: what may be said and asked of a service beside its status.

use std::time::{Duration, Instant};

use super::damper::Damper;
use super::history::{Clock, StatusDetails, Transition};
use super::hooked::blamed;
use super::ledger::{Ledger, reason_of};
use super::shared::Shared;
use super::word::Change;
use super::{Reason, Registry, RegistryError, ServiceHandle, ServingStatus};

impl Registry {
    /// The status of a service, why the service has it, and since when.
    ///
    /// The status is [`ServiceUnknown`](ServingStatus::ServiceUnknown) if the name is not registered or was
    /// cleared. This function takes a short lock, and looks at every member of a group that does not serve.
    #[must_use]
    pub fn status_of(&self, name: &str) -> StatusDetails {
        self.shared.status_of(name)
    }

    /// The changes of the status that clients were shown, the oldest first: as many of the last ones as
    /// [`record_history`](Self::record_history) keeps.
    #[must_use]
    pub fn history(&self, name: &str) -> Vec<Transition> {
        let Some((id, _)) = self.shared.find(name) else {
            return Vec::new();
        };
        let ledger = self.shared.ledger.lock();
        let past = ledger.get(id).map(|entry| &entry.past);
        past.map_or_else(Vec::new, |past| past.transitions())
    }

    /// Remembers the last `keep` changes of every service, with the time that `clock` tells.
    pub(crate) fn record_history_by(&self, keep: usize, clock: Clock) {
        self.shared
            .hook_all(|ledger| ledger.history = Some((clock, keep)));
    }

    /// Sets how many results in a row change a status, and registers the name if the name is new.
    pub(crate) fn set_damper(
        &self,
        name: &str,
        rise: u32,
        fall: u32,
        dwell: Duration,
    ) -> Result<(), RegistryError> {
        let handle = self.shared.placed(name)?;
        let mut ledger = self.shared.ledger.lock();
        self.shared.hook(handle);
        ledger.entry(handle).damper = Damper::new(rise, fall, dwell);
        Ok(())
    }
}

impl ServiceHandle {
    /// Sets the service's status, and says why. [`Registry::status_of`] tells the reason until the next change
    /// of the status.
    ///
    /// From the first reason on, setting the service takes a short lock.
    pub fn set_with_reason(&self, status: ServingStatus, reason: impl Into<Reason>) {
        // The only error is that of a group, whose status is not set by hand.
        let _ = self.shared.set_with_reason(self.id, status, reason.into());
    }

    /// Takes a good or a bad result that came at the time `at`.
    pub(crate) fn report_at(&self, good: bool, reason: Option<Reason>, at: Instant) {
        self.shared.report(self.id, good, reason, at);
    }
}

impl Shared {
    /// The slot of a name, which is registered as cleared if the name is new.
    pub(super) fn placed(&self, name: &str) -> Result<u32, RegistryError> {
        match self.find(name) {
            Some((id, _)) => Ok(id),
            // A new slot is cleared already, so this changes nothing.
            None => self.upsert(name, Change::Pinned(false)),
        }
    }

    /// Sends every change of every word to the ledger from now on, after `prepare` has prepared the ledger.
    pub(super) fn hook_all(&self, prepare: impl FnOnce(&mut Ledger)) {
        let mut writer = self.writer.lock();
        writer.hook_all = true;
        let mut ledger = self.ledger.lock();
        prepare(&mut ledger);
        for id in 0..self.slab.len() {
            self.hook(id);
        }
    }

    fn report(&self, id: u32, good: bool, reason: Option<Reason>, at: Instant) {
        let mut ledger = self.ledger.lock();
        let word = self.hook(id);
        if ledger.counted(id).is_some() {
            return;
        }
        // Taken out, because a change of the status resets it.
        let mut damper = ledger.entry(id).damper;
        let status = damper.take(word.status(), good, at);
        let because = reason.filter(|_| good == (status == ServingStatus::Serving));
        let told = self.apply(&mut ledger, id, Change::Status(status), because);
        ledger.entry(id).damper = damper;
        drop(ledger);
        if told {
            self.notify();
        }
    }

    fn status_of(&self, name: &str) -> StatusDetails {
        let Some((id, slot)) = self.find(name) else {
            return StatusDetails {
                status: ServingStatus::ServiceUnknown,
                reason: None,
                since: None,
            };
        };
        let ledger = self.ledger.lock();
        // Under the lock nobody changes a hooked word, and nothing is kept of others.
        let word = slot.word.load();
        let entry = ledger.get(id);
        let computed = entry.and_then(|entry| entry.counted.as_deref());
        let set = match computed {
            Some(counted) if word.status() != ServingStatus::Serving => {
                self.first_to_blame(&ledger, &counted.critical)
            }
            _ => entry.and_then(|entry| entry.reason.clone()),
        };
        StatusDetails {
            status: word.shown(),
            reason: reason_of(word, set.as_ref()),
            since: entry.and_then(|entry| entry.past.since()),
        }
    }

    /// The first of a group's members that is NOT_SERVING, or else UNKNOWN, and that member's own reason.
    fn first_to_blame(&self, ledger: &Ledger, members: &[u32]) -> Option<Reason> {
        let mut unknown = None;
        for &member in members {
            let Some(slot) = self.slab.get(member) else {
                continue;
            };
            let status = slot.word.load().status();
            let found = || {
                let reason = ledger.get(member).and_then(|entry| entry.reason.as_ref());
                blamed(slot.name(), status, reason)
            };
            match status {
                ServingStatus::Serving => {}
                ServingStatus::NotServing => return Some(found()),
                _ => unknown = unknown.or_else(|| Some(found())),
            }
        }
        unknown
    }
}
