//! The observer that counts with the `metrics` crate.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

use super::checks::{self, Checks};
use super::durations::{self, Clock, Method, OTHER};
use super::observer::{Change, Close, Limit, Observer, Refused};

const STATUS: &str = "grpc_health.status";
const LEASE_AGE: &str = "grpc_health.lease.age";
const CONNECTIONS: &str = "grpc_health.connections";
const OPENED: &str = "grpc_health.connections.opened";
const CLOSED: &str = "grpc_health.connections.closed";
const REFUSED: &str = "grpc_health.connections.refused";
const CALLS_REFUSED: &str = "grpc_health.calls.refused";

/// More methods than this are not told apart: a service written by hand may have any number of them.
const METHODS: usize = 1_024;

/// Handles of the recorder, each registered once.
pub(crate) struct Measured {
    open: Gauge,
    opened: Counter,
    closed: [Counter; Close::ALL.len()],
    refused: [Counter; Refused::ALL.len()],
    calls_refused: [Counter; Limit::ALL.len()],
    checks: Arc<Checks>,
    methods: Mutex<HashMap<u64, Arc<Method>>>,
    pub(super) clock: Clock,
    other: Arc<Method>,
}

impl Measured {
    /// The method with the number `key`, which `path` names.
    #[cold]
    pub(super) fn method(&self, key: u64, path: &str) -> Arc<Method> {
        let mut methods = self.methods.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(method) = methods.get(&key) {
            return Arc::clone(method);
        }
        if methods.len() >= METHODS {
            return Arc::clone(&self.other);
        }
        let name = path.strip_prefix('/').unwrap_or(path).to_owned();
        let method = Arc::new(Method::new(
            name.into(),
            Arc::clone(&self.checks),
            self.clock,
        ));
        methods.insert(key, Arc::clone(&method));
        method
    }

    /// All methods that are not told apart.
    pub(super) fn other(&self) -> &Method {
        &self.other
    }
}

impl Default for Measured {
    fn default() -> Self {
        describe_all();
        let checks = Arc::new(Checks::new());
        let clock = Clock::new();
        Self {
            open: gauge!(CONNECTIONS),
            opened: counter!(OPENED),
            closed: std::array::from_fn(|at| {
                by_reason(CLOSED, Close::ALL.get(at).map(|why| why.name()))
            }),
            refused: std::array::from_fn(|at| {
                by_reason(REFUSED, Refused::ALL.get(at).map(|why| why.name()))
            }),
            calls_refused: std::array::from_fn(|at| {
                by_reason(CALLS_REFUSED, Limit::ALL.get(at).map(|by| by.name()))
            }),
            methods: Mutex::default(),
            clock,
            other: Arc::new(Method::new(OTHER.into(), Arc::clone(&checks), clock)),
            checks,
        }
    }
}

fn by_reason(name: &'static str, reason: Option<&'static str>) -> Counter {
    counter!(name, "reason" => reason.unwrap_or_default())
}

fn describe_all() {
    checks::describe();
    durations::describe();
    describe_gauge!(
        STATUS,
        "1 for the status that a service has, 0 for an earlier status"
    );
    describe_gauge!(
        LEASE_AGE,
        Unit::Seconds,
        "The time for which a lease has not been beaten"
    );
    describe_gauge!(CONNECTIONS, "Open connections whose handshake is complete");
    describe_counter!(OPENED, "Connections whose handshake was completed");
    describe_counter!(CLOSED, "Connections that were closed, by reason");
    describe_counter!(
        REFUSED,
        "Connections that were closed before they were served"
    );
    describe_counter!(CALLS_REFUSED, "Calls that a limit refused or ended");
}

impl Observer for Measured {
    fn connection_opened(&self, _: Option<SocketAddr>) {
        self.opened.increment(1);
        self.open.increment(1.0);
    }

    fn connection_closed(&self, _: Option<SocketAddr>, why: Close) {
        self.open.decrement(1.0);
        if let Some(closed) = self.closed.get(why as usize) {
            closed.increment(1);
        }
    }

    fn connection_refused(&self, _: Option<SocketAddr>, why: Refused) {
        if let Some(refused) = self.refused.get(why as usize) {
            refused.increment(1);
        }
    }

    fn call_refused(&self, _: Option<SocketAddr>, by: Limit) {
        if let Some(refused) = self.calls_refused.get(by as usize) {
            refused.increment(1);
        }
    }

    fn transition(&self, change: Change<'_>) {
        let status = |status, value: f64| {
            gauge!(STATUS, "service" => change.service.to_owned(), "status" => status).set(value);
        };
        if let Some(from) = change.from {
            status(from, 0.0);
        }
        status(change.to, 1.0);
    }

    fn lease_age(&self, service: &str, age: Duration) {
        gauge!(LEASE_AGE, "service" => service.to_owned()).set(age.as_secs_f64());
    }

    fn follows_statuses(&self) -> bool {
        true
    }
}

impl fmt::Debug for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measured").finish_non_exhaustive()
    }
}
