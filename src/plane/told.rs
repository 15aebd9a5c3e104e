//! What observers of a registry were told, for whoever tells them next.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::observe::{Change, Observer, Observers};
use crate::registry::{Reason, ServingStatus};

/// What observers were told last. The registry keeps it: a server that starts after another goes on where the other has ended.
#[derive(Default)]
pub(super) struct Told {
    /// The status of each service.
    statuses: HashMap<String, ServingStatus>,
    /// The names that had leases.
    leased: HashSet<String>,
}

impl Told {
    pub(super) fn status(
        &mut self,
        observers: &Observers,
        service: &str,
        to: ServingStatus,
        reason: Option<Reason>,
    ) {
        // A status that a server before has told is no change, and is told as at first.
        let from = self.statuses.get(service).filter(|from| **from != to);
        observers.transition(Change {
            service,
            from: from.map(|from| from.as_str()),
            to: to.as_str(),
            reason: reason.as_ref().map(|reason| reason.as_str()),
        });
        self.statuses.insert(service.to_owned(), to);
    }

    /// Tells the age of the oldest lease of each name. The age of a name that has no lease any more is 0.
    pub(super) fn ages(&mut self, observers: &Observers, ages: HashMap<String, Duration>) {
        for name in self.leased.iter().filter(|name| !ages.contains_key(*name)) {
            observers.lease_age(name, Duration::ZERO);
        }
        for (name, age) in &ages {
            observers.lease_age(name, *age);
        }
        self.leased = ages.into_keys().collect();
    }
}
