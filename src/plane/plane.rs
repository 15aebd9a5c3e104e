//! The plane's future, and its state, which every registry keeps.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::jobs::{Job, Jobs, Running};
use super::rings::{Rings, Turned};
use super::told::Told;
use crate::registry::{Driver, Pulse, Registry};

/// What the plane of one registry works on. The registry keeps it, and it does not hold the registry.
#[derive(Default)]
pub(super) struct Work {
    jobs: Jobs,
    leases: Mutex<Rings>,
    /// Told of new work.
    news: Notify,
    /// Held by the plane that works.
    seat: Arc<tokio::sync::Mutex<()>>,
    /// Held by whoever tells observers of the registry.
    observer_seat: Arc<tokio::sync::Mutex<Told>>,
}

impl Work {
    pub(super) fn of(registry: &Registry) -> Option<Arc<Self>> {
        registry.attached()
    }

    pub(super) fn observer_seat(&self) -> Arc<tokio::sync::Mutex<Told>> {
        Arc::clone(&self.observer_seat)
    }

    /// The names that have leases, each with the time for which its oldest lease has not been beaten.
    pub(super) fn ages(&self) -> HashMap<String, Duration> {
        let mut ages = HashMap::new();
        for (pulse, age) in self.rings().ages() {
            let Some(name) = pulse.name() else { continue };
            let oldest: &mut Duration = ages.entry(name).or_default();
            *oldest = age.max(*oldest);
        }
        ages
    }

    /// Runs a job from now on, in the plane that works.
    pub(super) fn start(&self, job: Job) {
        self.jobs.add(job);
        self.news.notify_one();
    }

    /// Looks after a lease from now on.
    pub(super) fn sample(&self, pulse: &Arc<Pulse>, ttl: Duration) {
        self.rings().add(pulse, ttl);
        self.news.notify_one();
    }

    /// Looks at the leases that are due, and returns when to look again.
    fn look(&self, turned: &mut Vec<Turned>) -> Option<Instant> {
        let next = self.rings().sample(Instant::now(), turned);
        // Outside the lock: telling a lease may wake watchers, whose wakers are foreign code.
        for (pulse, stale) in turned.drain(..) {
            pulse.set_stale(stale);
        }
        next
    }

    fn rings(&self) -> MutexGuard<'_, Rings> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The future that does the work of a registry's health plane; from [`Registry::plane`].
///
/// The plane is a [`Driver`] as well. A server with a [`HealthService`](crate::HealthService) runs the plane
/// of the service's registry; an application without a server spawns the plane on a runtime of its own.
///
/// A registry may have many planes, but one works at a time. The others stand by, and one of them takes over
/// when the working plane is dropped. The plane must be polled inside a tokio runtime with its timer enabled.
///
/// A plane does not keep the registry alive. It completes when no [`Registry`],
/// [`ServiceHandle`](crate::ServiceHandle) or [`Watcher`](crate::registry::Watcher) is left.
///
/// # Cancel safety
///
/// Dropping a plane ends its checks; the plane that takes over starts them again.
#[must_use = "a future does nothing unless polled"]
pub struct Plane {
    driver: Driver,
    work: Option<BoxFuture<()>>,
}

impl Registry {
    /// The future that does the work of the registry's health plane, for an application that runs no server
    /// with the registry; see [`Plane`].
    pub fn plane(&self) -> Plane {
        let work = Work::of(self).map(|work| {
            let future: BoxFuture<()> = Box::pin(run(work));
            future
        });
        Plane {
            driver: self.driver(),
            work,
        }
    }
}

/// Works while this plane has the seat. Never ends.
async fn run(work: Arc<Work>) {
    let _seat = Arc::clone(&work.seat).lock_owned().await;
    let mut running = Running::default();
    let mut turned = Vec::new();
    loop {
        let next = work.look(&mut turned);
        let mut news = pin!(work.news.notified());
        let mut timer = pin!(next.map(sleep_until));
        poll_fn(|cx| {
            running.poll(&work.jobs, cx);
            let timer = timer.as_mut().as_pin_mut();
            if timer.is_some_and(|timer| timer.poll(cx).is_ready()) {
                return Poll::Ready(());
            }
            news.as_mut().poll(cx)
        })
        .await;
    }
}

impl Future for Plane {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if Pin::new(&mut this.driver).poll(cx).is_ready() {
            this.work = None;
            return Poll::Ready(());
        }
        if let Some(work) = &mut this.work {
            if work.as_mut().poll(cx).is_ready() {
                this.work = None;
            }
        }
        Poll::Pending
    }
}

impl fmt::Debug for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plane")
            .field("driver", &self.driver)
            .finish_non_exhaustive()
    }
}
