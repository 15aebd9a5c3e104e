//! What a server has done so far.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::connection;

/// Counters of a [`Server`](crate::Server) since it was made. Each is read on its own: together they are no snapshot of one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections that are open now, handshakes included.
    pub connections_open: u64,
    /// Connections that were accepted or brought.
    pub connections: u64,
    /// Connections that ended with an error of TLS or of HTTP/2, or whose socket ended within a call. A peer that closes or resets its
    /// socket between calls, or after it has cancelled them, makes no error, however abruptly it goes.
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

/// What only the server counts.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connections: AtomicU64,
    pub(super) connections_refused: AtomicU64,
    pub(super) accept_errors: AtomicU64,
}

impl Stats {
    pub(super) fn read(
        server: &Counters,
        connection: &connection::Counters,
        connections_open: usize,
    ) -> Self {
        Self {
            connections_open: connections_open as u64,
            connections: server.connections.load(Relaxed),
            connection_errors: connection.connection_errors.load(Relaxed),
            connections_refused: server.connections_refused.load(Relaxed),
            connections_timed_out: connection.connections_timed_out.load(Relaxed),
            floods: connection.floods.load(Relaxed),
            accept_errors: server.accept_errors.load(Relaxed),
            calls: connection.calls.load(Relaxed),
            calls_waiting: connection.calls_waiting.load(Relaxed),
            calls_cancelled: connection.calls_cancelled.load(Relaxed),
            deadlines_exceeded: connection.deadlines_exceeded.load(Relaxed),
            calls_stalled: connection.calls_stalled.load(Relaxed),
            panics: connection.panics.load(Relaxed),
            bytes_read: connection.bytes_read.load(Relaxed),
            bytes_written: connection.bytes_written.load(Relaxed),
        }
    }
}
