//! The observer that writes events of the `tracing` crate.

use std::fmt::{self, Write};
use std::net::SocketAddr;

use tokio::time::Instant;
use tracing::{Level, debug, enabled, info, trace, warn};

use super::observer::{Change, Close, Limit, Observer, Refused, Step};
use super::throttle::Throttle;

const CONNECTION: &str = "grpc_health::connection";
const LIMITS: &str = "grpc_health::limits";
const DRAIN: &str = "grpc_health::drain";
const STATUS: &str = "grpc_health::status";

/// Writes events. Each reason has a throttle of its own, so that no client hides another.
#[derive(Debug, Default)]
pub(super) struct Traced {
    closes: [Throttle; Close::ALL.len()],
    refusals: [Throttle; Refused::ALL.len()],
    limits: [Throttle; Limit::ALL.len()],
}

/// Text that may come from elsewhere, without line breaks and control characters.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_debug().try_for_each(|c| f.write_char(c))
    }
}

/// The peer's address, if it has one.
struct Peer(Option<SocketAddr>);

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(addr) => addr.fmt(f),
            None => f.write_str("local"),
        }
    }
}

fn pass(throttles: &[Throttle], at: usize) -> Option<u64> {
    throttles.get(at)?.pass(Instant::now())
}

impl Observer for Traced {
    fn connection_opened(&self, peer: Option<SocketAddr>) {
        trace!(target: CONNECTION, peer = %Peer(peer), "connection opened");
    }

    fn connection_closed(&self, peer: Option<SocketAddr>, why: Close) {
        let (peer, reason) = (Peer(peer), why.name());
        match why {
            Close::Client => {
                trace!(target: CONNECTION, %peer, reason, "connection closed");
            }
            Close::Flood | Close::Timeout | Close::Evicted => {
                if let Some(suppressed) = pass(&self.closes, why as usize) {
                    warn!(target: LIMITS, %peer, reason, suppressed, "connection closed");
                }
            }
            _ => {
                if let Some(suppressed) = pass(&self.closes, why as usize) {
                    debug!(target: CONNECTION, %peer, reason, suppressed, "connection closed");
                }
            }
        }
    }

    fn connection_refused(&self, peer: Option<SocketAddr>, why: Refused) {
        if let Some(suppressed) = pass(&self.refusals, why as usize) {
            let (peer, reason) = (Peer(peer), why.name());
            warn!(target: LIMITS, %peer, reason, suppressed, "connection refused");
        }
    }

    fn call_refused(&self, peer: Option<SocketAddr>, by: Limit) {
        if let Some(suppressed) = pass(&self.limits, by as usize) {
            let (peer, reason) = (Peer(peer), by.name());
            warn!(target: LIMITS, %peer, reason, suppressed, "call refused");
        }
    }

    fn drain(&self, step: Step) {
        info!(target: DRAIN, step = step.name(), "shutdown");
    }

    fn transition(&self, change: Change<'_>) {
        let service = Escaped(change.service);
        let (from, to) = (change.from.unwrap_or_default(), change.to);
        match change.reason.map(Escaped) {
            Some(reason) => {
                info!(target: STATUS, %service, from, to, %reason, "status changed");
            }
            None => info!(target: STATUS, %service, from, to, "status changed"),
        }
    }

    fn follows_changes(&self) -> bool {
        enabled!(target: STATUS, Level::INFO)
    }
}
