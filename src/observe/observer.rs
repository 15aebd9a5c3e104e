//! What can be observed, and who observes.

use std::net::SocketAddr;
use std::time::Duration;

/// Makes an enum whose values have names, for labels and fields.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($value:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(dead_code, reason = "each feature needs others of the names")]
        pub(crate) enum $name { $($value,)* }

        #[allow(dead_code, reason = "each feature needs others of the names")]
        impl $name {
            pub(crate) const ALL: &[Self] = &[$(Self::$value,)*];

            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$value => $text,)* }
            }
        }
    };
}

named! {
    /// Why a connection was closed.
    Close {
        Client = "client",
        ClientInCall = "client_in_call",
        ProtocolError = "protocol_error",
        Flood = "flood",
        Timeout = "timeout",
        Age = "age",
        Evicted = "evicted",
        Shutdown = "shutdown",
        Dropped = "dropped",
    }
}

named! {
    /// Why a connection was not served.
    Refused {
        MaxConnections = "max_connections",
        FloodWait = "flood_wait",
        Handshake = "handshake",
        HandshakeTimeout = "handshake_timeout",
    }
}

named! {
    /// Which limit refused or ended a call.
    Limit {
        LongLivedStreams = "max_long_lived_streams",
        Watches = "max_watches",
        ReceiveBudget = "receive_budget",
        SendBudget = "send_budget",
        SendStall = "send_stall_timeout",
    }
}

named! {
    /// A step of a shutdown.
    Step {
        Announced = "announced",
        Resumed = "resumed",
        Closing = "closing",
        Cut = "cut",
        Done = "done",
    }
}

named! {
    /// With what a `Check` was answered, and a `Watch` at first.
    Checked {
        Unknown = "UNKNOWN",
        Serving = "SERVING",
        NotServing = "NOT_SERVING",
        NotFound = "SERVICE_UNKNOWN",
        Refused = "refused",
    }
}

/// A change of the status that clients are shown for a service.
#[derive(Debug, Clone, Copy)]
#[allow(dead_code, reason = "each feature needs other fields")]
pub(crate) struct Change<'a> {
    pub(crate) service: &'a str,
    /// The status before, if the service was seen before.
    pub(crate) from: Option<&'static str>,
    pub(crate) to: &'static str,
    pub(crate) reason: Option<&'a str>,
}

/// Is told what happens. Every function does nothing by default.
///
/// Only rare events are told so. What is measured of every call goes through a [`CallMeter`](super::CallMeter).
pub(crate) trait Observer {
    #[inline]
    fn connection_opened(&self, _peer: Option<SocketAddr>) {}

    #[inline]
    fn connection_closed(&self, _peer: Option<SocketAddr>, _why: Close) {}

    #[inline]
    fn connection_refused(&self, _peer: Option<SocketAddr>, _why: Refused) {}

    #[inline]
    fn call_refused(&self, _peer: Option<SocketAddr>, _by: Limit) {}

    #[inline]
    fn drain(&self, _step: Step) {}

    #[inline]
    fn transition(&self, _change: Change<'_>) {}

    #[inline]
    fn lease_age(&self, _service: &str, _age: Duration) {}

    /// Whether the observer wants to be told of the ages of leases.
    #[inline]
    fn follows_leases(&self) -> bool {
        false
    }

    /// Whether the observer wants to be told of each change of a status at once, with its reason. Then every `set` takes a short lock.
    #[inline]
    fn follows_changes(&self) -> bool {
        false
    }

    /// Whether the observer wants to be told of the statuses of services, each change or now and then.
    #[inline]
    fn follows_statuses(&self) -> bool {
        false
    }
}
