//! What is measured of every call. Without feature `metrics` these types have no size, and their functions do nothing.

use http::{HeaderMap, HeaderValue};

#[cfg(feature = "metrics")]
use super::durations::{Method, Moment};
use super::observer::Checked;
use super::observers::Observers;
#[cfg(feature = "metrics")]
use super::prober::Prober;
use crate::wire::code::Code;
#[cfg(feature = "metrics")]
use crate::wire::status::GRPC_STATUS;
#[cfg(feature = "metrics")]
use {super::checks::Checks, super::measured::Measured, std::sync::Arc};

/// The number of methods that a connection remembers, so that a call needs no lock.
#[cfg(feature = "metrics")]
const REMEMBERED: usize = 32;

/// Makes the meters of the calls of one connection.
#[derive(Debug)]
pub(crate) struct Meters {
    #[cfg(feature = "metrics")]
    measured: Arc<Measured>,
    #[cfg(feature = "metrics")]
    remembered: Vec<(u64, Arc<Method>)>,
    /// When the requests of this turn arrived.
    #[cfg(feature = "metrics")]
    arrival: Option<Moment>,
}

impl Meters {
    #[allow(unused_variables, reason = "only feature `metrics` uses them")]
    pub(crate) fn new(observers: &Observers) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            measured: Arc::clone(&observers.measured),
            #[cfg(feature = "metrics")]
            remembered: Vec::new(),
            #[cfg(feature = "metrics")]
            arrival: None,
        }
    }

    /// Called when all requests of a turn have been accepted: the next request arrives later.
    #[inline]
    pub(crate) fn end_batch(&mut self) {
        #[cfg(feature = "metrics")]
        {
            self.arrival = None;
        }
    }

    /// The meter of a call that has arrived. `key` is the number of the method, which `path` names.
    #[inline]
    #[allow(unused_variables, reason = "only feature `metrics` uses them")]
    pub(crate) fn call(&mut self, key: u64, path: &str, agent: Option<&HeaderValue>) -> CallMeter {
        CallMeter {
            #[cfg(feature = "metrics")]
            metered: Some(Metered {
                method: self.method(key, path),
                begun: self.arrival(),
                code: Code::CANCELLED,
                prober: Prober::of(agent),
            }),
        }
    }

    /// Counts a call to a method that the server does not have, or that was refused for its head.
    #[allow(unused_variables, reason = "only feature `metrics` uses them")]
    pub(crate) fn refused(&mut self, answer: &HeaderMap) {
        #[cfg(feature = "metrics")]
        {
            let code = answer.get(GRPC_STATUS);
            let code = code.and_then(|code| Code::parse(code.as_bytes()));
            let begun = self.arrival();
            let other = self.measured.other();
            other.ended(code.unwrap_or(Code::UNKNOWN), begun);
        }
    }

    #[cfg(feature = "metrics")]
    #[inline]
    fn arrival(&mut self) -> Moment {
        let clock = self.measured.clock;
        *self.arrival.get_or_insert_with(|| clock.now())
    }

    #[cfg(feature = "metrics")]
    fn method(&mut self, key: u64, path: &str) -> Arc<Method> {
        let mut remembered = self.remembered.iter();
        if let Some((_, method)) = remembered.find(|(remembered, _)| *remembered == key) {
            return Arc::clone(method);
        }
        let method = self.measured.method(key, path);
        if self.remembered.len() < REMEMBERED {
            self.remembered.push((key, Arc::clone(&method)));
        }
        method
    }
}

/// The meter of a call, as services get it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metering<'a> {
    #[cfg(feature = "metrics")]
    meter: Option<&'a CallMeter>,
    #[cfg(not(feature = "metrics"))]
    meter: std::marker::PhantomData<&'a CallMeter>,
}

impl Metering<'_> {
    /// Measures nothing.
    pub(crate) const fn none() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            meter: None,
            #[cfg(not(feature = "metrics"))]
            meter: std::marker::PhantomData,
        }
    }

    /// Counts the answer of a `Check`.
    #[inline]
    #[allow(unused_variables, reason = "only feature `metrics` uses them")]
    pub(crate) fn checked(self, result: impl FnOnce() -> Checked) {
        #[cfg(feature = "metrics")]
        if let Some(metered) = self.metered() {
            metered.method.checks().count(metered.prober, result());
        }
    }

    /// Counts a `Watch` until the result is dropped.
    #[inline]
    #[allow(unused_variables, reason = "only feature `metrics` uses them")]
    pub(crate) fn watched(self, first: impl FnOnce() -> Checked) -> WatchMeter {
        WatchMeter {
            #[cfg(feature = "metrics")]
            _open: self.metered().map(|metered| {
                let checks = metered.method.checks();
                checks.count(Prober::Watch, first());
                OpenWatch::new(Arc::clone(checks))
            }),
        }
    }

    #[cfg(feature = "metrics")]
    fn metered(&self) -> Option<&Metered> {
        self.meter?.metered.as_ref()
    }
}

/// Measures one call, until the meter is dropped. The default measures nothing.
#[derive(Debug, Default)]
pub(crate) struct CallMeter {
    #[cfg(feature = "metrics")]
    metered: Option<Metered>,
}

#[cfg(feature = "metrics")]
#[derive(Debug)]
struct Metered {
    method: Arc<Method>,
    begun: Moment,
    code: Code,
    prober: Prober,
}

impl CallMeter {
    /// Sets the code with which the call ends, unless a later code replaces this one.
    #[inline]
    #[allow(unused_variables, reason = "only feature `metrics` uses them")]
    pub(crate) fn end(&mut self, code: Code) {
        #[cfg(feature = "metrics")]
        if let Some(metered) = &mut self.metered {
            metered.code = code;
        }
    }

    /// The meter as the service gets it.
    #[inline]
    pub(crate) const fn metering(&self) -> Metering<'_> {
        Metering {
            #[cfg(feature = "metrics")]
            meter: Some(self),
            #[cfg(not(feature = "metrics"))]
            meter: std::marker::PhantomData,
        }
    }
}

#[cfg(feature = "metrics")]
impl Drop for Metered {
    #[inline]
    fn drop(&mut self) {
        self.method.ended(self.code, self.begun);
    }
}

/// Counts as an open `Watch` until it is dropped.
#[derive(Debug)]
pub(crate) struct WatchMeter {
    #[cfg(feature = "metrics")]
    _open: Option<OpenWatch>,
}

#[cfg(feature = "metrics")]
#[derive(Debug)]
struct OpenWatch(Arc<Checks>);

#[cfg(feature = "metrics")]
impl OpenWatch {
    fn new(checks: Arc<Checks>) -> Self {
        checks.open_watches(1.0);
        Self(checks)
    }
}

#[cfg(feature = "metrics")]
impl Drop for OpenWatch {
    fn drop(&mut self) {
        self.0.open_watches(-1.0);
    }
}
