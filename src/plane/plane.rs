//! The plane's future, and its state, which every registry keeps.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::{Notify, OwnedMutexGuard};

use super::jobs::{Job, Jobs, Running};
use crate::registry::{Driver, Registry, WeakRegistry};

/// What the plane of one registry works on. The registry keeps it, and it does not hold the registry.
#[derive(Default)]
pub(super) struct Work {
    jobs: Jobs,
    /// Told of new work.
    news: Notify,
    /// Held by the plane that works.
    seat: Arc<tokio::sync::Mutex<()>>,
}

impl Work {
    pub(super) fn of(registry: &Registry) -> Option<Arc<Self>> {
        registry.attached()
    }

    /// Runs a job from now on, in the plane that works.
    pub(super) fn start(&self, job: Job) {
        self.jobs.add(job);
        self.news.notify_one();
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
            let registry = self.downgrade();
            let future: BoxFuture<()> = Box::pin(run(work, registry));
            future
        });
        Plane {
            driver: self.driver(),
            work,
        }
    }
}

async fn run(work: Arc<Work>, registry: WeakRegistry) {
    let _seat: OwnedMutexGuard<()> = Arc::clone(&work.seat).lock_owned().await;
    let _ = registry;
    let mut running = Running::default();
    loop {
        let mut news = std::pin::pin!(work.news.notified());
        std::future::poll_fn(|cx| {
            running.poll(&work.jobs, cx);
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
