//! The observers that the crate's features bring.

use std::net::SocketAddr;
#[cfg(any(feature = "tracing", feature = "metrics"))]
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "metrics")]
use super::measured::Measured;
use super::observer::{Change, Close, Limit, Observer, Refused, Step};
#[cfg(feature = "tracing")]
use super::traced::Traced;

/// All observers of a server. Without the features there are none, and the type has no size.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observers {
    #[cfg(feature = "tracing")]
    traced: Arc<Traced>,
    #[cfg(feature = "metrics")]
    pub(super) measured: Arc<Measured>,
}

/// Tells every observer. Without features, the arguments are used all the same.
macro_rules! tell {
    ($self:ident.$what:ident($($argument:ident),*)) => {
        #[cfg(feature = "tracing")]
        $self.traced.$what($($argument),*);
        #[cfg(feature = "metrics")]
        $self.measured.$what($($argument),*);
        let _ = ($($argument,)*);
    };
}

impl Observer for Observers {
    #[inline]
    fn connection_opened(&self, peer: Option<SocketAddr>) {
        tell!(self.connection_opened(peer));
    }

    #[inline]
    fn connection_closed(&self, peer: Option<SocketAddr>, why: Close) {
        tell!(self.connection_closed(peer, why));
    }

    #[inline]
    fn connection_refused(&self, peer: Option<SocketAddr>, why: Refused) {
        tell!(self.connection_refused(peer, why));
    }

    #[inline]
    fn call_refused(&self, peer: Option<SocketAddr>, by: Limit) {
        tell!(self.call_refused(peer, by));
    }

    #[inline]
    fn drain(&self, step: Step) {
        tell!(self.drain(step));
    }

    #[inline]
    fn transition(&self, change: Change<'_>) {
        tell!(self.transition(change));
    }

    #[inline]
    fn lease_age(&self, service: &str, age: Duration) {
        tell!(self.lease_age(service, age));
    }

    #[inline]
    fn follows_leases(&self) -> bool {
        cfg!(feature = "metrics")
    }

    #[inline]
    fn follows_changes(&self) -> bool {
        #[cfg(feature = "tracing")]
        if self.traced.follows_changes() {
            return true;
        }
        false
    }

    #[inline]
    fn follows_statuses(&self) -> bool {
        #[cfg(feature = "metrics")]
        if self.measured.follows_statuses() {
            return true;
        }
        self.follows_changes()
    }
}
