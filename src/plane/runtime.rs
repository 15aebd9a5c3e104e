//! Leases that a tokio runtime itself holds, so that a blocked or starved runtime shows.

use std::time::Duration;

use tokio::runtime::{Handle, RuntimeMetrics};
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

use super::lease::Lease;
use crate::registry::{Registry, RegistryError};

/// How often the runtime is looked at in each time to live.
const LOOKS: u32 = 4;

/// Shows whether the current tokio runtime runs its tasks: leases `name`, and beats from a task of the runtime.
///
/// There is one lease for each worker thread, and the name is SERVING while all of them are beaten.
///
/// # What can be seen
///
/// - A runtime of one thread that does not come to its tasks for `ttl`, because a task blocks the thread or
///   because there is no processor for the thread.
/// - A worker thread of a runtime with several that is in one task for `ttl`, while the other workers go on. A worker
///   is alive if it is parked, or was parked since the last look, or has counted busy time since. A worker counts
///   the time after 61 polls of tasks and when it parks, so `ttl` should be longer than 61 usual polls.
/// - A runtime that has ended: the name is then NOT_SERVING at once.
///
/// # What cannot be seen
///
/// - A thread of `spawn_blocking` that is blocked, or a task that waits for ever: neither stops the runtime.
/// - A worker in [`block_in_place`](https://docs.rs/tokio/latest/tokio/task/fn.block_in_place.html), since another thread
///   takes over its tasks.
/// - Anything, without a [`Plane`](super::Plane) that runs elsewhere: the plane of a server on the watched runtime is
///   blocked with the runtime. Give the server a thread and a runtime of its own.
///
/// # Errors
///
/// Those of [`Registry::lease`].
///
/// # Panics
///
/// Outside a tokio runtime, and in a runtime without a timer.
pub fn watch_runtime(
    registry: &Registry,
    name: &str,
    ttl: Duration,
) -> Result<RuntimeWatch, RegistryError> {
    let metrics = Handle::current().metrics();
    let workers = (0..metrics.num_workers())
        .map(|index| {
            Ok(Worker {
                index,
                lease: registry.lease(name, ttl)?,
                busy: Duration::ZERO,
                parked: 0,
            })
        })
        .collect::<Result<Vec<_>, RegistryError>>()?;
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(beat(workers, metrics, ttl, stopped));
    Ok(RuntimeWatch {
        stop,
        task: task.abort_handle(),
    })
}

/// The watch over a runtime; from [`watch_runtime`]. Dropping this value does not end the watch: the watch ends with its
/// runtime, or with [`stop`](Self::stop).
#[derive(Debug)]
pub struct RuntimeWatch {
    stop: tokio::sync::oneshot::Sender<()>,
    task: AbortHandle,
}

impl RuntimeWatch {
    /// Ends the watch, and leaves the name as it is. If the runtime is blocked, the watch ends when the runtime goes on.
    pub fn stop(self) {
        let _ = self.stop.send(());
    }

    /// Whether the watch is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

/// A worker thread, and what was seen of it at the last look.
struct Worker {
    index: usize,
    lease: Lease,
    busy: Duration,
    parked: u64,
}

impl Worker {
    /// Beats if the worker has made progress since the last look, or has nothing to do.
    fn look(&mut self, metrics: &RuntimeMetrics) {
        let parked = metrics.worker_park_unpark_count(self.index);
        let busy = metrics.worker_total_busy_duration(self.index);
        let is_parked = parked % 2 == 1;
        if is_parked || parked != self.parked || busy != self.busy {
            self.lease.beat();
        }
        (self.parked, self.busy) = (parked, busy);
    }
}

async fn beat(
    mut workers: Vec<Worker>,
    metrics: RuntimeMetrics,
    ttl: Duration,
    mut stopped: tokio::sync::oneshot::Receiver<()>,
) {
    let mut looks = tokio::time::interval((ttl / LOOKS).max(Duration::from_millis(1)));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Without the other end nobody stops the watch.
    let mut may_stop = true;
    loop {
        let stop = std::future::poll_fn(|cx| {
            use std::future::Future;
            use std::task::Poll;
            if may_stop {
                match std::pin::Pin::new(&mut stopped).poll(cx) {
                    Poll::Ready(Ok(())) => return Poll::Ready(true),
                    Poll::Ready(Err(_)) => may_stop = false,
                    Poll::Pending => {}
                }
            }
            looks.poll_tick(cx).map(|_| false)
        });
        if stop.await {
            for worker in workers {
                worker.lease.release();
            }
            return;
        }
        match workers.as_slice() {
            // This task runs, so the only worker does.
            [only] => only.lease.beat(),
            _ => workers.iter_mut().for_each(|worker| worker.look(&metrics)),
        }
    }
}
