//! The numbers that the guard goes by.

use std::time::Duration;

/// How many of each kind of frame a peer may send at once, and the time in which it may send as many again.
#[derive(Debug, Clone, Copy)]
pub(in crate::connection) struct Limits {
    pub(in crate::connection) ping: u32,
    pub(in crate::connection) settings: u32,
    pub(in crate::connection) priority: u32,
    pub(in crate::connection) window_update: u32,
    pub(in crate::connection) reset: u32,
    pub(in crate::connection) unknown: u32,
    pub(in crate::connection) empty: u32,
    pub(in crate::connection) refill: Duration,
    /// How many streams that the server reset are remembered.
    pub(in crate::connection) late_streams: usize,
    /// How many bytes may come late for each.
    pub(in crate::connection) stream_window: u32,
}

#[cfg(any(test, feature = "__internals"))]
impl Limits {
    pub(super) const fn all(burst: u32, refill: Duration) -> Self {
        Self {
            ping: burst,
            settings: burst,
            priority: burst,
            window_update: burst,
            reset: burst,
            unknown: burst,
            empty: burst,
            refill,
            late_streams: 256,
            stream_window: 65_536,
        }
    }
}
