//! The windows of a connection and of its streams, as they follow from what the requests hold.

use super::{Intake, STEP, size};

/// The largest flow-control window (RFC 9113, section 6.9.1).
const MAX_WINDOW: u32 = (1 << 31) - 1;

fn as_window(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(MAX_WINDOW).min(MAX_WINDOW)
}

impl Intake {
    /// The window that the streams have now.
    pub(in crate::connection) fn streams_window(&self) -> usize {
        size(self.told.1)
    }

    /// Called when a request uses its window up again and again.
    pub(in crate::connection) fn widen(&mut self) {
        let twice = size(self.told.1).saturating_mul(2).saturating_add(STEP);
        self.wanted_window = self.wanted_window.max(twice);
    }

    /// Whether the streams have wider windows than at first.
    pub(super) fn is_wide(&self) -> bool {
        size(self.told.1) > self.stream_window
    }

    /// The connection's window with the bytes that the requests hold.
    pub(super) fn target(&self) -> usize {
        self.open + self.unread.held() + self.holding.coming
    }

    /// The window of each stream. Without requests the window stays as it is until the connection has been quiet for a while.
    fn window(&self) -> usize {
        if self.holding.bodies == 0 && self.wanted_window > 0 {
            return size(self.told.1);
        }
        self.wide.max(self.stream_window)
    }

    /// The streams' window, if it has changed.
    pub(in crate::connection) fn stream_window(&self) -> Option<u32> {
        let window = as_window(self.window());
        (window != self.told.1).then_some(window)
    }

    /// The connection's window, if it has changed.
    pub(in crate::connection) fn connection_window(&self) -> Option<u32> {
        let mut target = as_window(self.target());
        if self.stream_window() < Some(self.told.1) && self.stream_window().is_some() {
            // The client has not heard of the smaller windows of its streams, and must not fill the larger ones.
            target = target.min(self.told.0);
        }
        (target != self.told.0).then_some(target)
    }

    /// Called when h2 has been told the windows.
    pub(in crate::connection) fn tell(&mut self, connection: Option<u32>, stream: Option<u32>) {
        let (connection_before, stream_before) = self.told;
        self.told = (
            connection.unwrap_or(connection_before),
            stream.unwrap_or(stream_before),
        );
    }
}
