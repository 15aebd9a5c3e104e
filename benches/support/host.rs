//! What the process that a server lives in does besides serving: it sets statuses, and has other things to do.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use grpc_health::{ServiceHandle, ServingStatus};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tonic_health::server::HealthReporter;

/// Whoever sets the status of `""`.
pub(crate) enum Setter {
    Ours(ServiceHandle),
    Tonic(HealthReporter),
    /// The floor's is constant.
    Nobody,
}

/// The host's side of the process, on a thread of its own.
pub(crate) struct Host {
    pub(crate) runtime: Handle,
    pub(crate) setter: Setter,
    pub(crate) serving: bool,
    /// Told when the server is to be shut down.
    pub(crate) stop: Arc<Notify>,
}

impl Host {
    /// Sets the status so many times, each time to the other of two, and sleeps after each for so many microseconds unless they are 0.
    pub(crate) fn flip(&mut self, times: usize, pause: usize) {
        for _ in 0..times {
            self.serving = !self.serving;
            match &self.setter {
                Setter::Ours(handle) => handle.set(if self.serving {
                    ServingStatus::Serving
                } else {
                    ServingStatus::NotServing
                }),
                Setter::Tonic(reporter) => {
                    let status = if self.serving {
                        tonic_health::ServingStatus::Serving
                    } else {
                        tonic_health::ServingStatus::NotServing
                    };
                    self.runtime
                        .block_on(reporter.set_service_status("", status));
                }
                Setter::Nobody => {}
            }
            if pause > 0 {
                thread::sleep(Duration::from_micros(pause as u64));
            }
        }
    }

    /// The tasks of the runtime that have not ended.
    pub(crate) fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks()
    }

    /// A thousand events a second for a task on the server's runtime: how long each waited for it, shortest first.
    ///
    /// They come from this thread, since tokio's own timers are as coarse as the millisecond between two of them.
    pub(crate) fn latency(&self, seconds: usize) -> Vec<Duration> {
        let (events, mut arriving) = mpsc::unbounded_channel::<Instant>();
        let mut waits = Vec::with_capacity(1_000 * seconds);
        let task = self.runtime.spawn(async move {
            while let Some(sent) = arriving.recv().await {
                waits.push(sent.elapsed());
            }
            waits
        });
        let mut next = Instant::now();
        for _ in 0..1_000 * seconds {
            next += Duration::from_millis(1);
            thread::sleep(next.saturating_duration_since(Instant::now()));
            if events.send(Instant::now()).is_err() {
                break;
            }
        }
        drop(events);
        let mut waits = self.runtime.block_on(task).unwrap_or_default();
        waits.sort_unstable();
        waits
    }
}
