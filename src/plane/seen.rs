//! What observers are told of the statuses and leases of a registry.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::sleep;

use super::plane::Work;
use crate::observe::{Change, Observer, Observers};
use crate::registry::{Registry, ServingStatus};

/// How often the ages of leases are told: more often than metrics are read.
const AGES: Duration = Duration::from_secs(1);

/// Tells `observers` of every status that the services of `registry` take, and of the ages of its leases. Never ends.
///
/// Of several such futures for one registry, one works at a time.
pub(crate) async fn tell(registry: Registry, observers: Observers) {
    let Some(work) = Work::of(&registry) else {
        return;
    };
    let _seat = work.observer_seat().lock_owned().await;
    let mut changes = registry.subscribe_all();
    let mut last: HashMap<String, ServingStatus> = HashMap::new();
    let mut leased = HashSet::new();
    loop {
        if observers.follows_leases() {
            leased = tell_ages(&work, &observers, leased);
        }
        let mut timer = pin!((!leased.is_empty()).then(|| sleep(AGES)));
        let news = poll_fn(|cx| {
            if let Poll::Ready(news) = changes.poll_next(cx) {
                return Poll::Ready(Some(news));
            }
            match timer.as_mut().as_pin_mut() {
                Some(timer) => timer.poll(cx).map(|()| None),
                None => Poll::Pending,
            }
        });
        let Some((service, to)) = news.await else {
            continue;
        };
        let details = registry.status_of(&service);
        let reason = details.reason.filter(|_| details.status == to);
        let from = last.get(&service);
        observers.transition(Change {
            service: &service,
            from: from.map(|from| from.as_str()),
            to: to.as_str(),
            reason: reason.as_ref().map(|reason| reason.as_str()),
        });
        last.insert(service, to);
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
