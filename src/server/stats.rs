//! The counters of a server.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::connection;

/// Counters of a [`Server`](crate::Server) since it was made; from [`Server::stats`](crate::Server::stats).
///
/// Each counter is read separately, so the values may be of slightly different moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections that are open now, including those in their handshake.
    pub connections_open: u64,
    /// Connections that a listener has accepted, or that were given to [`Server::serve_connection`](crate::Server::serve_connection).
    pub connections: u64,
    /// Connections that ended with an error of TLS or of HTTP/2, or whose socket ended within a call. A socket that the peer closes or
    /// resets between calls, or after the peer has cancelled all calls, is not an error.
    pub connection_errors: u64,
    /// Connections that were closed at once because there were too many connections or handshakes, and no other connection could make room.
    pub connections_refused: u64,
    /// Connections that were closed at once because their address waits after a flood ([`flood_wait`](super::Builder::flood_wait)).
    pub connections_barred: u64,
    /// Connections that were sent GOAWAY to make room for others, since there were
    /// [`max_connections`](super::Builder::max_connections).
    pub connections_evicted: u64,
    /// Connections that were closed in their handshake to make room for others, since there were
    /// [`max_handshakes`](super::Builder::max_handshakes) or [`max_connections`](super::Builder::max_connections).
    pub handshakes_evicted: u64,
    /// Connections that the server closed because the peer sent nothing, did not read, or did not complete the handshake or a header block
    /// in time.
    pub connections_timed_out: u64,
    /// Connections that the server ended because the peer sent too many useless frames or reset too many streams. Connections that h2 ends
    /// for h2's own limits do not count.
    pub floods: u64,
    /// Errors of `accept`, such as too many open files.
    pub accept_errors: u64,
    /// Requests that were accepted, including those that were refused afterwards.
    pub calls: u64,
    /// Streams that h2 reset because the peer's frames were malformed (RFC 9113, section 8.1.1). h2 resets most of these streams before the
    /// server accepts them as calls: a stream without a path, for example, or with an empty `:authority`.
    pub streams_malformed: u64,
    /// Calls that wait now for the rest of the request, for a handler, for the next status, or for the peer to read.
    pub calls_waiting: u64,
    /// Calls that the peer reset, or whose connection ended, before the answer was complete.
    pub calls_cancelled: u64,
    /// Calls whose deadline passed, or whose request did not arrive within [`body_timeout`](super::Builder::body_timeout).
    pub deadlines_exceeded: u64,
    /// Calls that the server ended because the peer did not take the reply within
    /// [`send_stall_timeout`](super::Builder::send_stall_timeout), or because the reply made room in the
    /// [`send_budget`](super::Builder::send_budget).
    pub calls_stalled: u64,
    /// Panics of the service that were caught.
    pub panics: u64,
    /// Bytes read from all connections, HTTP/2 framing included and TLS excluded.
    pub bytes_read: u64,
    /// Bytes written to all connections, HTTP/2 framing included and TLS excluded.
    pub bytes_written: u64,
}

/// The counters that only the server, and no connection, writes.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connections: AtomicU64,
    pub(super) connections_refused: AtomicU64,
    pub(super) connections_barred: AtomicU64,
    pub(super) connections_evicted: AtomicU64,
    pub(super) handshakes_evicted: AtomicU64,
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
            connections_barred: server.connections_barred.load(Relaxed),
            connections_evicted: server.connections_evicted.load(Relaxed),
            handshakes_evicted: server.handshakes_evicted.load(Relaxed),
            connections_timed_out: connection.connections_timed_out.load(Relaxed),
            floods: connection.floods.load(Relaxed),
            accept_errors: server.accept_errors.load(Relaxed),
            calls: connection.calls.load(Relaxed),
            streams_malformed: connection.streams_malformed.load(Relaxed),
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
