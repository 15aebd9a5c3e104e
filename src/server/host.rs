//! What all connections of a server share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use tokio::task::AbortHandle;

use super::arrival::Places;
use super::config::Config;
use super::drain::{Drain, Times};
use super::stats::Counters;
use crate::call::Prebuilt;
use crate::service::{Lifecycle, Service};

/// A service and everything it takes to serve it.
#[derive(Debug)]
pub(super) struct Host<S> {
    pub(super) service: S,
    pub(super) config: Config,
    pub(super) http2: h2::server::Builder,
    pub(super) prebuilt: Prebuilt,
    pub(super) counters: Counters,
    pub(super) drain: Arc<Drain>,
    pub(super) places: Arc<Places>,
    background: OnceLock<Option<AbortHandle>>,
}

impl<S: Service> Host<S> {
    pub(super) fn new(service: S, config: Config) -> Self {
        let http2 = config.http2();
        Self {
            service,
            config,
            http2,
            prebuilt: Prebuilt::new(),
            counters: Counters::default(),
            drain: Arc::new(Drain::new()),
            places: Arc::default(),
            background: OnceLock::new(),
        }
    }

    /// Spawns the service's background work on the current runtime, the first time.
    pub(super) fn start_background(&self) {
        self.background.get_or_init(|| {
            self.service
                .background()
                .map(|work| tokio::spawn(work).abort_handle())
        });
    }

    /// Tells the service, whose panic must not keep the server up.
    fn tell(&self, event: Lifecycle) {
        if catch_unwind(AssertUnwindSafe(|| self.service.lifecycle(event))).is_err() {
            self.counters.panics.fetch_add(1, Relaxed);
        }
    }

    /// Takes the server down, in order. False if another does, or it is taken back.
    pub(super) async fn shut_down(&self) -> bool {
        let times = Times {
            linger: self.config.shutdown_linger,
            deadline: self.config.shutdown_deadline,
        };
        self.drain.run(times, |event| self.tell(event)).await
    }

    /// Stays, if the drain lingers.
    pub(super) fn resume(&self) -> bool {
        let resumed = self.drain.take_back();
        if resumed {
            self.tell(Lifecycle::Resume);
        }
        resumed
    }
}

impl<S> Drop for Host<S> {
    fn drop(&mut self) {
        if let Some(Some(background)) = self.background.get() {
            background.abort();
        }
    }
}
