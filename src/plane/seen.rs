//! What observers are told of the statuses and leases of a registry.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::sleep;

use super::plane::Work;
use crate::observe::{Observer, Observers};
use crate::registry::Registry;

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
    let mut told = work.observer_seat().lock_owned().await;
    let mut changes = observers
        .follows_changes()
        .then(|| registry.subscribe_all());
    let mut looks = registry.looks();
    loop {
        if observers.follows_leases() {
            told.ages(&observers, work.ages());
        }
        if changes.is_none() {
            looks.look(|service, to| told.status(&observers, service, to, None));
        }
        // A lease of a name that serves already is no change.
        let looks_again = changes.is_none() || observers.follows_leases();
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
            told.status(&observers, &service, to, reason);
        }
    }
}
