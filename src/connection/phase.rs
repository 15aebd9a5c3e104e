//! The phases of a server's shutdown, as each connection is told.

use std::time::Duration;

/// How long a connection that is cut may take to write its last frames.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(250);

/// The phase of a server's shutdown. It only moves forward, unless an announcement is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// No shutdown has begun.
    Serving,
    /// Only the service has been told of the shutdown: connections are accepted and served as before.
    Announced,
    /// Listeners are closed, clients have been sent GOAWAY, and calls complete.
    Closing,
    /// The deadline has passed: the connections that are left are cut.
    Cut,
    /// The shutdown is complete.
    Gone,
}

impl Phase {
    pub(crate) const fn from_u8(phase: u8) -> Self {
        match phase {
            0 => Self::Serving,
            1 => Self::Announced,
            2 => Self::Closing,
            3 => Self::Cut,
            _ => Self::Gone,
        }
    }
}
