//! The state that all connections of a server share.

use std::sync::Arc;

use tokio::time::Instant;

use super::config::Config;
use super::guard::Readers;
use super::intake::Budgets;
use super::sending::Outbox;
use super::tally::Counters;
use crate::call::{Prebuilt, Turns};
use crate::observe::Observers;
use crate::service::Service;

/// A service and everything it takes to serve it on a connection.
#[derive(Debug)]
pub(crate) struct Host<S> {
    pub(crate) service: S,
    pub(crate) config: Config,
    pub(super) http2: h2::server::Builder,
    pub(super) prebuilt: Prebuilt,
    pub(crate) counters: Counters,
    pub(super) turns: Turns,
    pub(crate) observers: Observers,
    start: Instant,
    /// The memory that the requests of all connections may take.
    pub(super) received: Budgets,
    pub(super) outbox: Arc<Outbox>,
    pub(super) readers: Readers,
}

impl<S: Service> Host<S> {
    pub(crate) fn new(service: S, config: Config) -> Self {
        let http2 = config.http2();
        let received = Budgets::new(config.receive_budget);
        let outbox = Arc::new(Outbox::new(config.send_budget));
        Self {
            service,
            config,
            http2,
            prebuilt: Prebuilt::new(),
            counters: Counters::default(),
            turns: Turns::new(),
            observers: Observers::default(),
            start: Instant::now(),
            received,
            outbox,
            readers: Readers::default(),
        }
    }

    /// How many milliseconds the server is old at `now`.
    pub(crate) fn millis(&self, now: Instant) -> u64 {
        let age = now.saturating_duration_since(self.start).as_millis();
        u64::try_from(age).unwrap_or(u64::MAX)
    }
}
