//! The state that all connections of a server share.

use super::config::Config;
use super::sending::Outbox;
use super::tally::Counters;
use std::sync::Arc;

use crate::call::Prebuilt;
use crate::service::Service;

/// A service and everything it takes to serve it on a connection.
#[derive(Debug)]
pub(crate) struct Host<S> {
    pub(crate) service: S,
    pub(crate) config: Config,
    pub(super) http2: h2::server::Builder,
    pub(super) prebuilt: Prebuilt,
    pub(crate) counters: Counters,
    pub(super) outbox: Arc<Outbox>,
}

impl<S: Service> Host<S> {
    pub(crate) fn new(service: S, config: Config) -> Self {
        let http2 = config.http2();
        let outbox = Arc::new(Outbox::new(config.send_budget));
        Self {
            service,
            config,
            http2,
            prebuilt: Prebuilt::new(),
            counters: Counters::default(),
            outbox,
        }
    }
}
