//! What observers are told of the statuses and leases of a registry.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::sleep;

use super::plane::Work;
use crate::observe::{Change, Observer, Observers};
use crate::registry::{Reason, Registry, ServingStatus};

/// How often leases and, for observers that need not hear of each change, statuses are looked at: more often than metrics are read.
const EVERY: Duration = Duration::from_secs(1);

/// Tells `observers` of the statuses that the services of `registry` take, and of the ages of its leases. Never ends.
///
/// Only observers that follow each change make a `set` cost more. For others the statuses are looked at every second.
///
/// Of several such futures for one registry, one works at a time.
pub(crate) async fn tell(registry: Registry, observers: Observers) {
    let Some(work) = Work::of(&registry) else {
        return;
    };
    let _seat = work.observer_seat().lock_owned().await;
    let mut changes = observers
        .follows_changes()
        .then(|| registry.subscribe_all());
    let mut looks = registry.looks();
    let mut last = Last::default();
    let mut leased = HashSet::new();
    loop {
        if observers.follows_leases() {
            leased = tell_ages(&work, &observers, leased);
        }
        if changes.is_none() {
            looks.look(|service, to| last.tell(&observers, service, to, None));
        }
        let looks_again = changes.is_none() || !leased.is_empty();
        let mut timer = pin!(looks_again.then(|| sleep(EVERY)));
        let news = poll_fn(|cx| {
            if let Some(changes) = &mut changes {
                if let Poll::Ready(news) = changes.poll_next(cx) {
                    return Poll::Ready(Some(news));
                }
            }
            match timer.as_mut().as_pin_mut() {
                Some(timer) => timer.poll(cx).map(|()| None),
                None => Poll::Pending,
            }
        });
        if let Some((service, to)) = news.await {
            let details = registry.status_of(&service);
            let reason = details.reason.filter(|_| details.status == to);
            last.tell(&observers, &service, to, reason);
        }
    }
}

/// The status of each service that observers were told last.
#[derive(Default)]
struct Last(HashMap<String, ServingStatus>);

impl Last {
    fn tell(
        &mut self,
        observers: &Observers,
        service: &str,
        to: ServingStatus,
        reason: Option<Reason>,
    ) {
        observers.transition(Change {
            service,
            from: self.0.get(service).map(|from| from.as_str()),
            to: to.as_str(),
            reason: reason.as_ref().map(|reason| reason.as_str()),
        });
        self.0.insert(service.to_owned(), to);
    }
}

/// Tells the age of the oldest lease of each name. The age of a name that has no lease any more is 0. Returns the names that have leases.
fn tell_ages(work: &Work, observers: &Observers, before: HashSet<String>) -> HashSet<String> {
    let ages = work.ages();
    for name in before.iter().filter(|name| !ages.contains_key(*name)) {
        observers.lease_age(name, Duration::ZERO);
    }
    for (name, age) in &ages {
        observers.lease_age(name, *age);
    }
    ages.into_keys().collect()
}
