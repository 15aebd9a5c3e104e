//! A check that a registry has, and how it stops.

use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::sync::Notify;

use super::check_run::run;
use super::jobs::Run;
use super::outcome::{CheckStats, Counters, Outcome};
use super::plane::Work;
use super::{Check, Hysteresis, Probe};
use crate::registry::{Reason, Registry, RegistryError, ServingStatus, WeakRegistry};

impl Registry {
    /// Starts a check that decides the status of the service `name` from now on, and registers the name if the name is new.
    ///
    /// The registry's [plane](super::Plane) runs the check: a server with a [`HealthService`](crate::HealthService) over the registry, or
    /// the future of [`Registry::plane`]. Until the first runs have decided, the service is `Unknown`, or what the [`Check`] says. The
    /// check's `rise` and `fall` become the service's [`Hysteresis`]. Each failure's reason becomes the reason of `NotServing`.
    ///
    /// The check stops with [`CheckHandle::stop`], and when no [`Registry`] and no [`ServiceHandle`](crate::ServiceHandle) is left.
    /// Dropping the handle does not stop the check. Two checks of one name would each undo what the other decides: give each check a name
    /// of its own, and combine the names in a group.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] if the name is new and exceeds the registry's [`Limits`](crate::registry::Limits), and if the name is a group.
    pub fn check<P: Probe>(
        &self,
        name: &str,
        check: Check<P>,
    ) -> Result<CheckHandle, RegistryError> {
        self.settable(name)?;
        let first = match self.get_service_status(name) {
            ServingStatus::ServiceUnknown => Some(check.first.unwrap_or(ServingStatus::Unknown)),
            _ => check.first,
        };
        if let Some(status) = first {
            self.set_service_status(name, status)?;
        }
        let hysteresis = Hysteresis::new()
            .rise(check.rise.get())
            .fall(check.fall.get());
        self.set_hysteresis(name, hysteresis)?;
        let core = Arc::new(Core {
            name: name.into(),
            counters: Counters::default(),
            stopped: Mutex::new(false),
            ended: AtomicBool::new(false),
            news: Notify::new(),
        });
        if let Some(work) = Work::of(self) {
            work.start(Box::new(CheckJob {
                check: Arc::new(tokio::sync::Mutex::new(Some(check))),
                core: Arc::clone(&core),
                registry: self.downgrade(),
            }));
        }
        Ok(CheckHandle { core })
    }
}

/// The work of a check for a plane. A plane that takes over begins with the start of the check's schedule.
struct CheckJob<P> {
    /// Held by the task of one plane at a time. Empty once the check has stopped, so that its probe is freed.
    check: Arc<tokio::sync::Mutex<Option<Check<P>>>>,
    core: Arc<Core>,
    registry: WeakRegistry,
}

impl<P: Probe> Run for CheckJob<P> {
    fn future(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (check, core) = (Arc::clone(&self.check), Arc::clone(&self.core));
        let registry = self.registry.clone();
        Box::pin(async move {
            let mut place = check.lock().await;
            if let Some(check) = place.as_mut() {
                let report = |outcome: &Outcome| core.report(&registry, outcome);
                let running = run(check, &core.counters, report);
                until_stopped(&core, running).await;
            }
            *place = None;
            core.ended.store(true, SeqCst);
            core.news.notify_waiters();
        })
    }

    fn is_over(&self) -> bool {
        self.core.ended.load(SeqCst)
    }
}

/// Polls `running` until it ends or the check is stopped. Then drops `running`, and with it a run in progress.
async fn until_stopped(core: &Core, running: impl Future<Output = ()>) {
    let mut running = pin!(running);
    let mut stopped = pin!(core.until(|core| *core.stopped()));
    poll_fn(|cx| match stopped.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => running.as_mut().poll(cx),
    })
    .await;
}

struct Core {
    name: Box<str>,
    counters: Counters,
    /// Held while a result is reported, so that no result comes after [`CheckHandle::stop`] has returned.
    stopped: Mutex<bool>,
    /// Whether the check has stopped, and its last run is over.
    ended: AtomicBool,
    /// Told when `stopped` or `ended` has changed.
    news: Notify,
}

impl Core {
    fn stopped(&self) -> MutexGuard<'_, bool> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, registry: &WeakRegistry, outcome: &Outcome) -> ControlFlow<()> {
        let Some(registry) = registry.upgrade() else {
            return ControlFlow::Break(());
        };
        let stopped = self.stopped();
        if *stopped {
            return ControlFlow::Break(());
        }
        // Fails only if the name has become a group, which then decides the status.
        if let Ok(service) = registry.handle(&self.name) {
            let reason = outcome
                .reason()
                .unwrap_or_else(|| Reason::fixed("the check passed"));
            service.report_with_reason(outcome.passed(), reason);
        }
        ControlFlow::Continue(())
    }

    /// Completes when `is_true`, which looks at a flag.
    async fn until(&self, is_true: impl Fn(&Self) -> bool) {
        loop {
            let mut news = pin!(self.news.notified());
            // Before the look at the flag: a change in between is noticed.
            news.as_mut().enable();
            if is_true(self) {
                return;
            }
            news.await;
        }
    }
}

/// A check of a registry; from [`Registry::check`]. Clones are handles of the same check. Dropping a handle does not stop the check.
#[derive(Clone)]
pub struct CheckHandle {
    core: Arc<Core>,
}

impl CheckHandle {
    /// The name of the service whose status the check decides.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// How often the check has run, and how the runs ended.
    #[must_use]
    pub fn stats(&self) -> CheckStats {
        self.core.counters.stats()
    }

    /// Stops the check, and ends a run in progress. Once this has returned, the check sets no status any more. The service keeps its
    /// status.
    pub fn stop(&self) {
        *self.core.stopped() = true;
        self.core.news.notify_waiters();
    }

    /// Completes when the check has stopped and its last run is over: the command of a command check has been killed, for example. Never
    /// completes without a plane that runs the check.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn stopped(&self) {
        self.core.until(|core| core.ended.load(SeqCst)).await;
    }
}

impl fmt::Debug for CheckHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckHandle")
            .field("name", &self.name())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
