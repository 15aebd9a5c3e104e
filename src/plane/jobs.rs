//! Jobs: futures that the plane runs for as long as the registry lives, such as checks.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::task::JoinSet;

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Work that a plane runs, and that another plane may run later.
///
/// A job must hold no `Registry` and no `ServiceHandle`: the registry holds the job. The job's future holds a
/// `WeakRegistry`, and ends when the registry is gone.
pub(super) trait Run: Send {
    /// Makes the future of the work anew, for each plane that runs the job.
    fn future(&self) -> BoxFuture;

    /// Whether the work is done for good. Such a job is forgotten.
    fn is_over(&self) -> bool;
}

pub(super) type Job = Box<dyn Run>;

/// The jobs of a registry, each with its number.
#[derive(Default)]
pub(super) struct Jobs(Mutex<Listed>);

#[derive(Default)]
struct Listed {
    /// The number of the next job.
    next: u64,
    jobs: Vec<(u64, Job)>,
}

impl Jobs {
    /// Adds a job, and forgets those that are over.
    pub(super) fn add(&self, job: Job) {
        let mut listed = self.lock();
        let jobs = std::mem::take(&mut listed.jobs).into_iter();
        let (over, kept) = jobs.partition(|(_, job)| job.is_over());
        listed.jobs = kept;
        let number = listed.next;
        listed.next += 1;
        listed.jobs.push((number, job));
        drop(listed);
        // Outside the lock: what a job holds may be foreign.
        drop::<Vec<_>>(over);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Listed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The jobs that one plane runs, each in a task of its own: a job that panics ends alone. Dropping this aborts
/// the tasks.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// The number of the first job that has not been started.
    started: u64,
    tasks: JoinSet<()>,
}

impl Running {
    /// Starts the jobs that were added since the last call, and forgets the jobs that have ended.
    pub(super) fn poll(&mut self, jobs: &Jobs, cx: &mut Context<'_>) {
        let listed = jobs.lock();
        for (number, job) in &listed.jobs {
            if *number >= self.started {
                self.tasks.spawn(job.future());
            }
        }
        self.started = listed.next;
        drop(listed);
        while let Poll::Ready(Some(_)) = self.tasks.poll_join_next(cx) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Done(bool);

    impl Run for Done {
        fn future(&self) -> BoxFuture {
            Box::pin(async {})
        }

        fn is_over(&self) -> bool {
            self.0
        }
    }

    #[test]
    fn jobs_that_are_over_are_forgotten() {
        let jobs = Jobs::default();
        for over in [true, false, true, false] {
            jobs.add(Box::new(Done(over)));
        }
        jobs.add(Box::new(Done(true)));
        let numbers: Vec<u64> = jobs.lock().jobs.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 3, 4]);
    }

    #[tokio::test]
    async fn a_job_that_is_forgotten_keeps_no_other_from_its_start() {
        let jobs = Jobs::default();
        let mut running = Running::default();
        let waker = std::task::Waker::noop();
        let mut cx = Context::from_waker(waker);
        jobs.add(Box::new(Done(true)));
        running.poll(&jobs, &mut cx);
        assert_eq!(running.tasks.len(), 1);
        jobs.add(Box::new(Done(false)));
        jobs.add(Box::new(Done(false)));
        running.poll(&jobs, &mut cx);
        assert_eq!(running.tasks.len(), 3);
    }
}
