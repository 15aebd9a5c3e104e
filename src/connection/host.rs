//! The state that all connections of a server share.

use super::config::Config;
use super::intake::Budgets;
use super::tally::Counters;
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
    /// The memory that the requests of all connections may take.
    pub(super) received: Budgets,
}

impl<S: Service> Host<S> {
    pub(crate) fn new(service: S, config: Config) -> Self {
        let http2 = config.http2();
        let received = Budgets::new(config.receive_budget);
        Self {
            service,
            config,
            http2,
            prebuilt: Prebuilt::new(),
            counters: Counters::default(),
            received,
        }
    }
}
