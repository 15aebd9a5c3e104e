//! How a monitor is made.

use std::time::Duration;

use super::handle::Monitor;
use super::settings::{SHORTEST, Settings};
use crate::client::Connector;

impl Monitor {
    /// Starts a monitor with the default settings, as a task of the current runtime.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime. Adding a pair to a monitor in a runtime without I/O or time enabled panics in the monitor's task.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().start()
    }

    /// The settings of a new monitor.
    pub const fn builder() -> Builder {
        Builder::new()
    }
}

impl Default for Monitor {
    fn default() -> Self {
        Self::new()
    }
}

/// The settings of a new [`Monitor`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    settings: Settings,
    connector: Connector,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    pub(super) const fn new() -> Self {
        Self {
            settings: Settings::DEFAULT,
            connector: Connector::new(),
        }
    }

    /// Limits the number of pairs. Default: 10,000.
    pub const fn max_pairs(mut self, pairs: usize) -> Self {
        self.settings.max_pairs = pairs;
        self
    }

    /// Sets how targets are connected to that [`Monitor::add`] gets: the time limit of an attempt, and TLS. Default: 20 seconds, no TLS.
    pub fn connector(mut self, connector: Connector) -> Self {
        self.connector = connector;
        self
    }

    /// Sets how far the starts of two attempts lie apart, to connect or to call `Watch`: `first` after an answer, and 1.6 times as long
    /// after each attempt without an answer, up to `longest`. Chance makes each time up to a fifth longer or shorter. Default: 1 second
    /// and 120 seconds, as in every gRPC client. A `first` of less than 100 milliseconds counts as 100 milliseconds.
    ///
    /// An attempt has an answer if the server has sent a status. A call or a connection that lasts longer than the time is followed by the
    /// next attempt at once.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.settings.spacing.first = first.max(SHORTEST);
        self.settings.spacing.longest = longest.max(self.settings.spacing.first);
        self
    }

    /// Sets the time from the start of one `Check` to the start of the next, on a connection whose server has no `Watch`. Default: 10
    /// seconds. A period of less than 100 milliseconds counts as 100 milliseconds.
    pub fn poll_period(mut self, period: Duration) -> Self {
        self.settings.poll_period = period.max(SHORTEST);
        self
    }

    /// Limits how long a server may take for the first status of a `Watch`, and for the answer to a `Check`. Default: 20 seconds. When the
    /// time is over the monitor sends a PING, if [`keepalive`](Self::keepalive) allows a PING at that moment; without an open `Watch` the
    /// monitor closes the connection.
    pub const fn first_answer_timeout(mut self, timeout: Duration) -> Self {
        self.settings.first_answer = timeout;
        self
    }

    /// Sends a PING on each connection with an open `Watch`, `interval` after the last one, and closes a connection on which a PING is
    /// unanswered for `timeout`: so the monitor notices a server that vanishes without a word. Default: 310 seconds and 20 seconds.
    /// `Duration::MAX` as the interval is no PINGs.
    ///
    /// Servers limit PINGs: grpc-go and C-core by default close a connection on which PINGs come less than 5 minutes apart. The interval
    /// doubles for an endpoint that closes a connection with `ENHANCE_YOUR_CALM`.
    pub fn keepalive(mut self, interval: Duration, timeout: Duration) -> Self {
        self.settings.keepalive = interval.max(SHORTEST);
        self.settings.keepalive_timeout = timeout;
        self
    }

    /// Starts the monitor, as a task of the current runtime.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime. Adding a pair to a monitor in a runtime without I/O or time enabled panics in the monitor's task.
    #[must_use]
    pub fn start(self) -> Monitor {
        Monitor::start(self.settings, self.connector)
    }
}
