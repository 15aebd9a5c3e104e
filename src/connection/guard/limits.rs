//! The limits of the guard.

use std::time::Duration;

/// How many frames of each kind a peer may send in one burst, and the time in which a used-up burst becomes full again.
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
    /// How many of the streams that the server has reset the guard remembers.
    pub(in crate::connection) late_streams: usize,
    /// How many late bytes the guard redirects for each of these streams.
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
