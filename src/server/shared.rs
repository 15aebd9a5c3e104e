//! The state that all clones of a server, and all its tasks, share.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::config::Config;
use super::drain::{Drain, Times};
use super::places::Places;
use super::stats::{Counters, Stats};
use super::thread_config::ThreadConfig;
use super::waits::Waits;
use crate::connection::{self, Host};
use crate::service::{Contained, Lifecycle, Service, contain};

/// One server.
#[derive(Debug)]
pub(super) struct Shared<S> {
    /// The state that the server's connections need.
    pub(super) host: Arc<Host<S>>,
    pub(super) config: Config,
    pub(super) thread: ThreadConfig,
    pub(super) counters: Counters,
    pub(super) drain: Arc<Drain>,
    /// The places of the connections that no listener has accepted. Each listener has places of its own.
    pub(super) places: Arc<Places>,
    waits: Mutex<Waits>,
    background: OnceLock<Option<AbortHandle>>,
    /// The runtime of the server's own thread, if the server has one.
    runtime: OnceLock<Handle>,
}

impl<S: Service> Shared<S> {
    pub(super) fn new(
        service: S,
        config: Config,
        connection: connection::Config,
        thread: ThreadConfig,
    ) -> Self {
        let host = Arc::new(Host::new(service, connection));
        Self {
            drain: Arc::new(Drain::new(host.observers.clone())),
            host,
            places: Arc::new(Places::new(&config)),
            waits: Mutex::default(),
            config,
            thread,
            counters: Counters::default(),
            background: OnceLock::new(),
            runtime: OnceLock::new(),
        }
    }

    /// The addresses that wait at the door.
    pub(super) fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server's counters at this moment.
    pub(super) fn stats(&self) -> Stats {
        Stats::read(&self.counters, &self.host.counters, self.drain.open())
    }

    /// Spawns the service's background work on the current runtime, the first time it is called.
    pub(super) fn start_background(&self) {
        self.background.get_or_init(|| {
            self.host
                .service
                .background()
                .map(|work| tokio::spawn(Contained::new(work)).abort_handle())
        });
    }

    /// Notes that the server has a runtime of its own, on which its shutdown runs, too.
    pub(super) fn run_on(&self, runtime: Handle) {
        let _ = self.runtime.set(runtime);
    }

    /// The runtime of the server's own thread, if the server has one.
    pub(super) fn runtime(&self) -> Option<&Handle> {
        self.runtime.get()
    }

    /// Tells the service of `event`. A panic of the service must not stop the shutdown.
    fn tell(&self, event: Lifecycle) {
        if contain(|| self.host.service.lifecycle(event)).is_err() {
            self.host.counters.panics.fetch_add(1, Relaxed);
        }
    }

    /// Shuts the server down. False if another shutdown has begun, or if this one is taken back.
    pub(super) async fn shut_down(&self) -> bool {
        let times = Times {
            linger: self.config.shutdown_linger,
            deadline: self.config.shutdown_deadline,
        };
        self.drain.run(times, |event| self.tell(event)).await
    }

    /// Takes a shutdown back. False unless the shutdown lingers.
    pub(super) fn resume(&self) -> bool {
        self.drain.take_back(|event| self.tell(event))
    }
}

impl<S> Drop for Shared<S> {
    fn drop(&mut self) {
        if let Some(Some(background)) = self.background.get() {
            background.abort();
        }
    }
}
