//! The settings of a server as a whole: its connections, its listeners and its shutdown.

use std::time::Duration;

use super::Builder;

impl<S> Builder<S> {
    /// Limits how many connections each listener may have open at once. Default: 10,000. The listener takes one more all the same: a
    /// connection of the address that holds the most makes room. That is the one that does the least for the longest: without a call yet,
    /// then without an open call, then with only long-lived calls such as `Watch`. It gets GOAWAY, may complete its calls for
    /// [`max_connection_age_grace`](Self::max_connection_age_grace), and a client connects anew. The server closes the new connection at
    /// once if every connection that could make room has a call to complete.
    ///
    /// An address is an IPv4 address, or the first 64 bits of an IPv6 address. A connection over loopback or a Unix socket counts as a
    /// sixteenth of a connection. A fiftieth of the places is only for connections that have not had a call yet. Connections that make room
    /// may stay for a while beside the others: a sixteenth of `connections` to complete their calls, and a quarter in all.
    ///
    /// While connections arrive faster than the server opens them, addresses take turns: a crowd of one address does not keep a connection
    /// of another address waiting. Up to `connections` more sockets wait meanwhile. Each of them costs a file descriptor, and is no open
    /// connection yet.
    pub const fn max_connections(mut self, connections: usize) -> Self {
        self.config.max_connections = connections;
        self
    }

    /// Limits how many connections one address may have open at each listener; `None` means no limit. An address is an IPv4 address, or the
    /// first 64 bits of an IPv6 address. Default: off, since the probes of a node, and all clients behind one NAT, share an address. The
    /// server closes a further connection as soon as it is accepted.
    pub const fn max_connections_per_ip(mut self, connections: Option<usize>) -> Self {
        self.config.max_connections_per_ip = connections;
        self
    }

    /// Limits how many connections of each listener may be in their handshake at once: in TLS, or before the HTTP/2 preface is complete.
    /// Default: 2,048. One address, other than loopback, may have half of them. For one handshake more, the server closes the oldest
    /// handshake of the address that has the most.
    pub const fn max_handshakes(mut self, handshakes: usize) -> Self {
        self.config.max_handshakes = handshakes;
        self
    }

    /// Sets how long an address waits after the server has ended one of its connections for a flood (GOAWAY `ENHANCE_YOUR_CALM`):
    /// meanwhile the server closes the address's new connections at once. Default: 1 s. Zero means not at all. Each further flood doubles
    /// the wait, up to 64 times, until the address has been quiet for 5 minutes. The server remembers 4,096 addresses.
    ///
    /// Loopback and Unix sockets do not wait, and neither does an address with 16 open connections that have had a call: many clients may
    /// share the address.
    pub const fn flood_wait(mut self, wait: Duration) -> Self {
        self.config.flood_wait = wait;
        self
    }

    /// Sets how many connections may wait at each listener for the server to accept them, unless the system allows fewer
    /// (`net.core.somaxconn` on Linux). Default: 1,024. The setting holds for listeners that the server binds, TCP and Unix sockets. A
    /// listener that was made elsewhere keeps its own.
    pub const fn backlog(mut self, connections: u32) -> Self {
        self.config.backlog = connections;
        self
    }

    /// Sets how long the server accepts connections and calls after a shutdown has begun. Meanwhile health checks show NOT_SERVING, so that
    /// balancers notice, and [`DrainHandle::resume`](crate::server::DrainHandle::resume) can take the shutdown back. Default: 0 s.
    ///
    /// **Set the linger if a balancer checks this server.** With 0 s the server leaves before the balancer's next check, and requests fail
    /// until then. The linger must outlast the checks that show NOT_SERVING to the balancer:
    ///
    /// ```text
    /// linger = the interval of the checks x the unhealthy threshold + 0.5 s
    /// ```
    ///
    /// For checks each 5 s and a threshold of 2 the linger is 10.5 s. Envoy needs 1 s more. [The guide to the
    /// drain](crate::guide::kubernetes) has the values for usual settings, and [the guide to balancers](crate::guide::balancers) a row for
    /// each balancer.
    pub const fn shutdown_linger(mut self, linger: Duration) -> Self {
        self.config.shutdown_linger = linger;
        self
    }

    /// Limits how long calls may take to complete after the server has sent GOAWAY for a shutdown. Default: 10 s. Then the server cuts the
    /// connections that are left.
    pub const fn shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.config.shutdown_deadline = deadline;
        self
    }
}
