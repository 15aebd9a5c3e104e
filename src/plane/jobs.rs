//! Jobs: futures that the plane runs for as long as the registry lives, such as checks.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::task::JoinSet;

/// Makes a job's future anew for each plane that runs the job.
///
/// A job must hold no `Registry` and no `ServiceHandle`: the registry holds the job. The job's future holds a
/// `WeakRegistry`, and ends when the registry is gone.
pub(super) type Job = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// The jobs of a registry. They are only ever added.
#[derive(Default)]
pub(super) struct Jobs(Mutex<Vec<Job>>);

impl Jobs {
    pub(super) fn add(&self, job: Job) {
        self.lock().push(job);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The jobs that one plane runs, each in a task of its own: a job that panics ends alone. Dropping this aborts
/// the tasks.
#[derive(Debug, Default)]
pub(super) struct Running {
    started: usize,
    tasks: JoinSet<()>,
}

impl Running {
    /// Starts the jobs that were added since the last call, and forgets the jobs that have ended.
    pub(super) fn poll(&mut self, jobs: &Jobs, cx: &mut Context<'_>) {
        for job in jobs.lock().iter().skip(self.started) {
            self.tasks.spawn(job());
            self.started += 1;
        }
        while let Poll::Ready(Some(_)) = self.tasks.poll_join_next(cx) {}
    }
}
