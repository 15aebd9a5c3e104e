//! How far a server is on its way down, as each of its connections is told.

use std::time::Duration;

/// How long a connection that is cut may take to say so.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(250);

/// How far a server has gone. It only goes forward, but for an announcement that is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Not on the way down.
    Serving,
    /// The service has been told, and nothing else yet: connections are accepted and served.
    Announced,
    /// Listeners are closed, connections are told to go away, and calls complete.
    Closing,
    /// The deadline has passed: what is left is cut.
    Cut,
    /// All is over.
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
