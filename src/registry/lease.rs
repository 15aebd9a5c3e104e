//! Leases: the word that a holder beats, and what a beat that fails to come does to the leased name.
//!
//! There is no clock here. Whoever samples the leases decides which one is stale.

use std::fmt;

use super::shared::Shared;
use super::word::Change;
use super::{Reason, Registry, RegistryError, ServingStatus};
use crate::sync::{Arc, AtomicBool, AtomicU32, Ordering, Weak};

/// The reason of a name of which a lease was not beaten in time.
const STALE: &str = "a lease was not beaten in time";
/// The reason of a name of which a lease was dropped.
const DROPPED: &str = "a lease was dropped";

/// What a lease's holder and the sampler share.
#[derive(Debug)]
pub(crate) struct Pulse {
    line: Line,
    shared: Weak<Shared>,
    id: u32,
    /// Whether the sampler has found the lease stale. Changed under the ledger's lock only.
    stale: AtomicBool,
    /// Whether the holder is gone. Changed under the ledger's lock only.
    gone: AtomicBool,
}

/// What the holder writes. It has two cache lines for itself: processors fetch lines in pairs, and a beat
/// must not wait for another core.
#[derive(Debug)]
#[repr(align(128))]
struct Line {
    beaten: AtomicBool,
    /// How many samples without a beat the holder asks for; 0 while the holder asks for nothing.
    patience: AtomicU32,
}

impl Pulse {
    /// Whether the lease was beaten since the last sample, and how many samples without a beat the holder
    /// asks for.
    pub(crate) fn sample(&self) -> (bool, u32) {
        // Acquire: pairs with the Release of the end of a scope. Whoever sees the end sees the beat before it.
        let patience = self.line.patience.load(Ordering::Acquire);
        // The load alone leaves the line with the holder's core while there are no beats. Relaxed: a beat
        // publishes nothing but itself.
        let beaten = self.line.beaten.load(Ordering::Relaxed)
            && self.line.beaten.swap(false, Ordering::Relaxed);
        (beaten, patience)
    }

    /// The leased name, unless the registry is gone.
    pub(crate) fn name(&self) -> Option<String> {
        let shared = self.shared.upgrade()?;
        Some(shared.slab.get(self.id)?.name().to_owned())
    }

    /// Whether the holder is gone.
    pub(crate) fn is_gone(&self) -> bool {
        // Relaxed: a sampler that misses it asks again under the lock.
        self.gone.load(Ordering::Relaxed)
    }

    /// Tells the leased name that this lease was not beaten in time, or that it is beaten again.
    pub(crate) fn set_stale(&self, stale: bool) {
        self.change(|_, leases| {
            if self.stale.swap(stale, Ordering::Relaxed) == stale {
                return None;
            }
            if stale {
                leases.stale += 1;
                return Some((ServingStatus::NotServing, Some(Reason::fixed(STALE))));
            }
            leases.stale -= 1;
            leases.all_beat().then_some((ServingStatus::Serving, None))
        });
    }

    /// Takes the lease from its holder. Without `leave` the name is shown as NOT_SERVING.
    fn end(&self, leave: bool) {
        self.change(|gone, leases| {
            *gone = true;
            leases.held -= 1;
            let stale = self.stale.swap(false, Ordering::Relaxed);
            leases.stale -= u32::from(stale);
            if !leave {
                leases.lost += 1;
                return Some((ServingStatus::NotServing, Some(Reason::fixed(DROPPED))));
            }
            // Other holders beat, and waited for this one.
            (stale && leases.all_beat()).then_some((ServingStatus::Serving, None))
        });
    }

    /// Changes the counts of the name's leases, and the name's status with them. Does nothing once the holder
    /// is gone.
    fn change(
        &self,
        change: impl FnOnce(
            &mut bool,
            &mut super::ledger::Leases,
        ) -> Option<(ServingStatus, Option<Reason>)>,
    ) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let mut ledger = shared.ledger.lock();
        let mut gone = self.gone.load(Ordering::Relaxed);
        if gone {
            return;
        }
        let status = change(&mut gone, &mut ledger.entry(self.id).leases);
        self.gone.store(gone, Ordering::Relaxed);
        let told = status.is_some_and(|(status, reason)| {
            shared.apply(&mut ledger, self.id, Change::Status(status), reason)
        });
        drop(ledger);
        if told {
            shared.notify();
        }
    }
}

/// A lease as its holder has it. Dropping it shows the leased name as NOT_SERVING.
pub(crate) struct Held {
    pulse: Arc<Pulse>,
    /// Keeps the registry.
    shared: Arc<Shared>,
}

impl Held {
    /// Notes that the holder is alive: one store.
    #[inline]
    pub(crate) fn beat(&self) {
        // Relaxed: the beat publishes nothing but itself.
        self.pulse.line.beaten.store(true, Ordering::Relaxed);
    }

    /// Lets the lease go without a beat for so many samples, until the patience is given back. Returns the
    /// patience so far.
    pub(crate) fn be_patient(&self, samples: u32) -> u32 {
        // Relaxed: the holder asks for its own sake.
        let before = self.pulse.line.patience.swap(samples, Ordering::Relaxed);
        self.beat();
        before
    }

    /// Beats, and gives the patience back.
    pub(crate) fn end_patience(&self, before: u32) {
        self.beat();
        // Release: see `Pulse::sample`.
        self.pulse.line.patience.store(before, Ordering::Release);
    }

    pub(crate) fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    pub(crate) fn name(&self) -> &str {
        let slot = self.shared.slab.get(self.pulse.id);
        slot.map_or("", |slot| slot.name())
    }

    /// Ends the lease, and leaves the name as it is.
    pub(crate) fn release(self) {
        self.pulse.end(true);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.pulse.end(false);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// Leases a name: one more holder must beat for the name to be SERVING. The lease counts as beaten now.
    pub(crate) fn hold(&self, name: &str) -> Result<Held, RegistryError> {
        let id = self.shared.placed(name)?;
        let mut ledger = self.shared.ledger.lock();
        if ledger.counted(id).is_some() {
            return Err(RegistryError::IsGroup);
        }
        self.shared.hook(id);
        let leases = &mut ledger.entry(id).leases;
        if leases.held == 0 {
            leases.lost = 0;
        }
        // The new holder takes the place of one that is gone.
        leases.lost = leases.lost.saturating_sub(1);
        leases.held += 1;
        let serving = Change::Status(ServingStatus::Serving);
        let told = leases.all_beat() && self.shared.apply(&mut ledger, id, serving, None);
        drop(ledger);
        if told {
            self.shared.notify();
        }
        Ok(Held {
            pulse: Arc::new(Pulse {
                line: Line {
                    beaten: AtomicBool::new(true),
                    patience: AtomicU32::new(0),
                },
                shared: Arc::downgrade(&self.shared),
                id,
                stale: AtomicBool::new(false),
                gone: AtomicBool::new(false),
            }),
            shared: Arc::clone(&self.shared),
        })
    }
}
