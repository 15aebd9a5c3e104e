//! What a server has done so far.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Counters of a [`Server`](crate::Server) since it was made. Each is read on its own: together they are no snapshot of one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections that are open now, handshakes included.
    pub connections_open: u64,
    /// Connections that were accepted or brought.
    pub connections: u64,
    /// Connections that ended with an error: of the socket, of TLS, or of HTTP/2.
    pub connection_errors: u64,
    /// Connections that were closed at once because there were too many.
    pub connections_refused: u64,
    /// Connections that were closed because the peer was silent, did not read, or did not complete its handshake or a header block, for
    /// too long.
    pub connections_timed_out: u64,
    /// Connections that were ended because the peer sent too many frames of no use, or reset too many streams. h2's own limits are not
    /// counted here.
    pub floods: u64,
    /// Errors of `accept`, such as a process out of file descriptors.
    pub accept_errors: u64,
    /// Requests that were accepted, refused ones included.
    pub calls: u64,
    /// Streams that were reset because what the peer sent on them was malformed (RFC 9113, section 8.1.1). Most are reset before they are
    /// calls: one without a path, say, or with an empty `:authority`.
    pub streams_malformed: u64,
    /// Calls that wait now: for the rest of the request, for a handler, for the next status, for the peer to read.
    pub calls_waiting: u64,
    /// Calls that the peer reset, or whose connection ended, before the answer was complete.
    pub calls_cancelled: u64,
    /// Calls whose deadline passed, or whose request did not come in time.
    pub deadlines_exceeded: u64,
    /// Calls that were reset because the peer did not take the reply.
    pub calls_stalled: u64,
    /// Panics of the service that were caught.
    pub panics: u64,
    /// Bytes read from all connections, HTTP/2 framing included.
    pub bytes_read: u64,
    /// Bytes written to all connections, HTTP/2 framing included.
    pub bytes_written: u64,
}

/// The counters themselves. They are written once per turn of a connection, not once per call.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connections: AtomicU64,
    pub(super) connection_errors: AtomicU64,
    pub(super) connections_refused: AtomicU64,
    pub(super) connections_timed_out: AtomicU64,
    pub(super) floods: AtomicU64,
    pub(super) accept_errors: AtomicU64,
    pub(super) calls: AtomicU64,
    pub(super) streams_malformed: AtomicU64,
    pub(super) calls_waiting: AtomicU64,
    pub(super) calls_cancelled: AtomicU64,
    pub(super) deadlines_exceeded: AtomicU64,
    pub(super) calls_stalled: AtomicU64,
    pub(super) panics: AtomicU64,
    pub(super) bytes_read: AtomicU64,
    pub(super) bytes_written: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self, connections_open: usize) -> Stats {
        Stats {
            connections_open: connections_open as u64,
            connections: self.connections.load(Relaxed),
            connection_errors: self.connection_errors.load(Relaxed),
            connections_refused: self.connections_refused.load(Relaxed),
            connections_timed_out: self.connections_timed_out.load(Relaxed),
            floods: self.floods.load(Relaxed),
            accept_errors: self.accept_errors.load(Relaxed),
            calls: self.calls.load(Relaxed),
            streams_malformed: self.streams_malformed.load(Relaxed),
            calls_waiting: self.calls_waiting.load(Relaxed),
            calls_cancelled: self.calls_cancelled.load(Relaxed),
            deadlines_exceeded: self.deadlines_exceeded.load(Relaxed),
            calls_stalled: self.calls_stalled.load(Relaxed),
            panics: self.panics.load(Relaxed),
            bytes_read: self.bytes_read.load(Relaxed),
            bytes_written: self.bytes_written.load(Relaxed),
        }
    }
}

/// What one connection has added since it last told the server.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) calls: u64,
    pub(super) cancelled: u64,
    pub(super) expired: u64,
    pub(super) stalled: u64,
    pub(super) panics: u64,
    pub(super) floods: u64,
    /// Calls waiting now, and as last told.
    pub(super) waiting: u64,
    told_waiting: u64,
    told_read: u64,
    told_written: u64,
}

impl Tally {
    /// Adds what is new to `counters`. `read` and `written` are the connection's totals.
    pub(super) fn tell(&mut self, counters: &Counters, read: u64, written: u64) {
        flush(&counters.calls, &mut self.calls);
        flush(&counters.calls_cancelled, &mut self.cancelled);
        flush(&counters.deadlines_exceeded, &mut self.expired);
        flush(&counters.calls_stalled, &mut self.stalled);
        flush(&counters.panics, &mut self.panics);
        flush(&counters.floods, &mut self.floods);
        difference(
            &counters.calls_waiting,
            self.waiting,
            &mut self.told_waiting,
        );
        difference(&counters.bytes_read, read, &mut self.told_read);
        difference(&counters.bytes_written, written, &mut self.told_written);
    }
}

fn flush(counter: &AtomicU64, new: &mut u64) {
    if *new != 0 {
        counter.fetch_add(std::mem::take(new), Relaxed);
    }
}

fn difference(counter: &AtomicU64, now: u64, told: &mut u64) {
    if now != *told {
        // Wraps around for a gauge that falls, as does the addition.
        counter.fetch_add(now.wrapping_sub(*told), Relaxed);
        *told = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_is_told_once_and_gauges_fall_again() {
        let counters = Counters::default();
        let mut tally = Tally {
            calls: 2,
            waiting: 3,
            ..Tally::default()
        };
        tally.tell(&counters, 10, 20);
        tally.calls += 1;
        tally.waiting = 1;
        tally.tell(&counters, 15, 20);
        tally.tell(&counters, 15, 20);
        let stats = counters.read(4);
        assert_eq!(
            (stats.calls, stats.calls_waiting, stats.connections_open),
            (3, 1, 4)
        );
        assert_eq!((stats.bytes_read, stats.bytes_written), (15, 20));
    }
}
