//! How a server is made.

use std::io;
use std::time::Duration;

use tokio::net::ToSocketAddrs;

use super::config::Config;
use super::server::Server;
use crate::connection;
use crate::service::Service;

/// Settings of a [`Server`].
///
/// Each connection has these limits of its own, but for the numbers of connections. The README's table says what a peer sees when it hits one.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder<S> {
    service: S,
    config: Config,
    connection: connection::Config,
}

/// The place of a service that is not known yet.
#[derive(Debug, Clone, Copy)]
pub struct NoService;

impl Builder<NoService> {
    pub(super) fn new() -> Self {
        Self {
            service: NoService,
            config: Config::default(),
            connection: connection::Config::default(),
        }
    }
}

impl<S> Builder<S> {
    /// Sets what is served.
    pub fn service<T: Service>(self, service: T) -> Builder<T> {
        Builder {
            service,
            config: self.config,
            connection: self.connection,
        }
    }

    /// Sets how many streams a client may have open at once. Default: 256. Further ones are reset with `REFUSED_STREAM`, after which a
    /// gRPC client tries again. Every open `Watch` is a stream.
    pub const fn max_concurrent_streams(mut self, streams: u32) -> Self {
        self.connection.max_concurrent_streams = streams;
        self
    }

    /// Sets how many calls without an end of their own ([`Drain::End`](crate::service::Drain::End), such as `Watch`) a client may have
    /// open at once. Default: as many as [`max_concurrent_streams`](Self::max_concurrent_streams). Further ones are answered with
    /// `RESOURCE_EXHAUSTED` (8). With fewer than streams there is always one for a call that ends, such as `Check`.
    pub const fn max_long_lived_streams(mut self, calls: usize) -> Self {
        self.connection.max_long_lived_streams = Some(calls);
        self
    }

    /// Sets how many bytes of one request may be on their way to a handler, up to 2^31 - 1. Default: 65,536. The client stops sending
    /// until they are read.
    pub const fn initial_stream_window(mut self, bytes: u32) -> Self {
        self.connection.initial_stream_window = bytes;
        self
    }

    /// Sets how many bytes of all requests of a connection together may be on their way, up to 2^31 - 1. Default: as many as
    /// [`max_concurrent_streams`](Self::max_concurrent_streams) times [`initial_stream_window`](Self::initial_stream_window), 16 MiB if
    /// neither is set.
    ///
    /// This is what handlers that do not read their requests can make a connection hold. With less, those may leave nothing for the
    /// other calls of the connection, health checks among them.
    pub const fn initial_connection_window(mut self, bytes: u32) -> Self {
        self.connection.initial_connection_window = Some(bytes);
        self
    }

    /// Sets the size in bytes of the largest HTTP/2 frame a client may send: 16,384 (the default) to 16,777,215. A larger one ends the
    /// connection with `FRAME_SIZE_ERROR`.
    ///
    /// # Panics
    ///
    /// [`build`](Self::build) panics when it is out of that range.
    pub const fn max_frame_size(mut self, bytes: u32) -> Self {
        self.connection.max_frame_size = bytes;
        self
    }

    /// Sets the size in bytes of a request's headers, uncompressed and with 32 for each field. Default: 16,384. A longer list is answered
    /// with `RESOURCE_EXHAUSTED` (8), one of twice as much with HTTP status 431 alone. One over eight times as long, or with more than
    /// five CONTINUATION frames before the last, ends the connection with `ENHANCE_YOUR_CALM`.
    pub const fn max_header_list_size(mut self, bytes: u32) -> Self {
        self.connection.max_header_list_size = bytes;
        self
    }

    /// Sets the size in bytes of the table that a client may compress its headers with. Default: 4,096.
    pub const fn header_table_size(mut self, bytes: u32) -> Self {
        self.connection.header_table_size = bytes;
        self
    }

    /// Sets how many streams that the server has reset are remembered, in four bytes each, so that frames still on their way to them are
    /// ignored. Default: as many as [`max_concurrent_streams`](Self::max_concurrent_streams), which is enough for every client: it has
    /// no more streams open when it reads of a reset. For one that is forgotten, DATA is answered with RST_STREAM (`STREAM_CLOSED`) and
    /// counts as an error of the client's ([`max_local_error_reset_streams`](Self::max_local_error_reset_streams)), and HEADERS end the
    /// connection; so do more bytes than the streams' windows had room for.
    pub const fn max_concurrent_reset_streams(mut self, streams: usize) -> Self {
        self.connection.max_concurrent_reset_streams = Some(streams);
        self
    }

    /// Sets how many streams a client may reset before the server has seen them (rapid reset, CVE-2023-44487). Default: 256. One more
    /// ends the connection with `ENHANCE_YOUR_CALM`. A client that has resets to its credit (see [`reset_burst`](Self::reset_burst)) does
    /// not meet this limit while its calls have a message: the server looks at its streams before it reads more.
    pub const fn max_pending_accept_reset_streams(mut self, streams: usize) -> Self {
        self.connection.max_pending_accept_reset_streams = streams;
        self
    }

    /// Sets how many streams the server may have to reset for a client's errors, refused ones included, in the life of a connection
    /// (`MadeYouReset`, CVE-2025-8671). Default: 1,024. One more ends the connection with `ENHANCE_YOUR_CALM`.
    pub const fn max_local_error_reset_streams(mut self, streams: usize) -> Self {
        self.connection.max_local_error_reset_streams = streams;
        self
    }

    /// Sets how many bytes of one reply are taken from a handler before the client has made room for them. Default: 65,536.
    pub const fn max_send_buffer_size(mut self, bytes: usize) -> Self {
        self.connection.max_send_buffer_size = bytes;
        self
    }

    /// Sets h2's budget for small DATA frames that no handler has read yet: each takes 256 less its length. Default: 32,768 for each of
    /// [`max_concurrent_streams`](Self::max_concurrent_streams), and 5,242,880 at least, which is enough for one stream full of the
    /// smallest messages there are. When it is used up the connection ends with `ENHANCE_YOUR_CALM`.
    pub const fn data_frame_budget(mut self, budget: usize) -> Self {
        self.connection.data_frame_budget = Some(budget);
        self
    }

    /// Sets how many PING frames a client may send at once. Default: 100. As many again come in evenly over
    /// [`burst_refill`](Self::burst_refill), and one more for each HEADERS and DATA frame that the server writes: clients that measure
    /// the path send one for what they read. One too many ends the connection with `ENHANCE_YOUR_CALM`, as it does for each of the
    /// bursts below.
    pub const fn ping_burst(mut self, frames: u32) -> Self {
        self.connection.ping_burst = frames;
        self
    }

    /// Sets how many SETTINGS frames a client may send at once, those of its handshake included. Default: 100. A new window size in
    /// one costs a walk over all streams.
    pub const fn settings_burst(mut self, frames: u32) -> Self {
        self.connection.settings_burst = frames;
        self
    }

    /// Sets how many PRIORITY frames a client may send at once. Default: 1,000. They are ignored.
    pub const fn priority_burst(mut self, frames: u32) -> Self {
        self.connection.priority_burst = frames;
        self
    }

    /// Sets how many WINDOW_UPDATE frames a client may send at once. Default: 1,000. Two more are added for each HEADERS and DATA frame
    /// that the server writes, for each full KiB of DATA, and for each DATA frame that the client sends with something in it.
    pub const fn window_update_burst(mut self, frames: u32) -> Self {
        self.connection.window_update_burst = frames;
        self
    }

    /// Sets how many streams a client may reset at once, whether or not the server has seen them (rapid reset, CVE-2023-44487).
    /// Default: 1,000. One more is added for each HEADERS frame that the server writes, so that a call costs nothing whose answer is
    /// complete or has begun, and for each call that had been open for 100 ms.
    pub const fn reset_burst(mut self, frames: u32) -> Self {
        self.connection.reset_burst = frames;
        self
    }

    /// Sets how many frames of types without a use a client may send at once, GOAWAY among them. Default: 100.
    pub const fn unknown_frame_burst(mut self, frames: u32) -> Self {
        self.connection.unknown_frame_burst = frames;
        self
    }

    /// Sets how many DATA, HEADERS and CONTINUATION frames without content a client may send at once, not counting those that end a
    /// stream or a header block. Default: 100. h2 has a limit of 100 such DATA frames in the life of a connection.
    pub const fn empty_frame_burst(mut self, frames: u32) -> Self {
        self.connection.empty_frame_burst = frames;
        self
    }

    /// Sets the time in which a burst that is used up is full again, evenly. Default: 30 s, which makes 33 resets a second, and 3 PINGs.
    pub const fn burst_refill(mut self, duration: Duration) -> Self {
        self.connection.burst_refill = duration;
        self
    }

    /// Sets how long a header block may take to come in. Default: 10 s. Until it is whole a connection can do nothing else. The
    /// connection ends with `ENHANCE_YOUR_CALM`.
    pub const fn header_block_timeout(mut self, duration: Duration) -> Self {
        self.connection.header_block_timeout = duration;
        self
    }

    /// Sets after how many bytes read a connection lets other tasks run; at least one. Default: 65,536.
    pub const fn read_budget(mut self, bytes: usize) -> Self {
        self.connection.read_budget = bytes;
        self
    }

    /// Sets after how many bytes of requests' headers read a connection looks at the requests, and lets other tasks run; at least one.
    /// Default: 8,192. Until then they are in memory as HPACK unfolds them, where one byte may stand for a whole field. No read is larger,
    /// so it is up to twice as many. Those of streams that the client resets do not count: they have
    /// [a limit](Self::max_pending_accept_reset_streams).
    pub const fn header_budget(mut self, bytes: usize) -> Self {
        self.connection.header_budget = bytes;
        self
    }

    /// Sets how long a client may take to connect: until it has sent its HTTP/2 preface and the SETTINGS that belong
    /// to it, TLS included. Default: 10 s. Then the socket is closed.
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.connection.handshake_timeout = timeout;
        self
    }

    /// Sets how long the one message of a unary or server-streaming request may take to arrive. Default: 10 s. Then the call ends with
    /// `DEADLINE_EXCEEDED` (4).
    pub const fn body_timeout(mut self, timeout: Duration) -> Self {
        self.connection.body_timeout = timeout;
        self
    }

    /// Sets how long a reply may wait for the client to make room for any more of it (HTTP/2 flow control). Default: 30 s. Then the
    /// call is reset with `CANCEL`.
    pub const fn send_stall_timeout(mut self, timeout: Duration) -> Self {
        self.connection.send_stall_timeout = timeout;
        self
    }

    /// Sets how long the socket may take no byte while there are some to be written. Default: 20 s. Then the connection is closed.
    pub const fn write_stall_timeout(mut self, timeout: Duration) -> Self {
        self.connection.write_stall_timeout = timeout;
        self
    }

    /// Sets how long a connection may be without a call; `None` for ever. Default: 300 s. Then the client is told to go away (GOAWAY),
    /// and the connection is closed. A `Watch` is a call.
    pub const fn max_connection_idle(mut self, idle: Option<Duration>) -> Self {
        self.connection.max_connection_idle = idle;
        self
    }

    /// Sets how long a connection may live, give or take a tenth at random; `None` for ever. Default: off. Then the client is told to go
    /// away (GOAWAY), which lets a balancer spread its clients anew.
    pub const fn max_connection_age(mut self, age: Option<Duration>) -> Self {
        self.connection.max_connection_age = age;
        self
    }

    /// Sets how long calls may take to complete once the client was told to go away for its connection's age or idleness. Default: 10 s.
    /// Then the connection is closed.
    pub const fn max_connection_age_grace(mut self, grace: Duration) -> Self {
        self.connection.max_connection_age_grace = grace;
        self
    }

    /// Sets after how long a silence the client is asked whether it is there (PING); `None` for never. Default: off.
    pub const fn keepalive_interval(mut self, interval: Option<Duration>) -> Self {
        self.connection.keepalive_interval = interval;
        self
    }

    /// Sets how long the client may take to answer that, with anything. Default: 20 s. Then the connection is closed. With an interval
    /// set this is also the `TCP_USER_TIMEOUT` of accepted sockets (Linux).
    pub const fn keepalive_timeout(mut self, timeout: Duration) -> Self {
        self.connection.keepalive_timeout = timeout;
        self
    }

    /// Sets how many connections there may be at once. Default: 10,000. Further ones are closed as soon as they are accepted.
    pub const fn max_connections(mut self, connections: usize) -> Self {
        self.config.max_connections = connections;
        self
    }

    /// Sets how many there may be from one IP address; `None` for as many as there may be. Default: off, since the probes of a node
    /// and all clients behind one NAT share an address.
    pub const fn max_connections_per_ip(mut self, connections: Option<usize>) -> Self {
        self.config.max_connections_per_ip = connections;
        self
    }

    /// Sets how many connections may be in their handshake at once. Default: 2,048. Further ones are closed as soon as they are accepted.
    pub const fn max_handshakes(mut self, handshakes: usize) -> Self {
        self.config.max_handshakes = handshakes;
        self
    }

    /// Sets how long the server goes on as before once its shutdown is announced, so that balancers notice. Default: 0 s. Until then it can
    /// be [taken back](super::DrainHandle::resume).
    pub const fn shutdown_linger(mut self, linger: Duration) -> Self {
        self.config.shutdown_linger = linger;
        self
    }

    /// Sets how long calls may take to complete once clients are told to go away. Default: 10 s. What is left then is cut.
    pub const fn shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.config.shutdown_deadline = deadline;
        self
    }
}

impl<S: Service> Builder<S> {
    /// Makes a server without a listener.
    ///
    /// # Panics
    ///
    /// When [`max_frame_size`](Self::max_frame_size) is out of its range.
    #[must_use]
    pub fn build(self) -> Server<S> {
        Server::new(self.service, self.config, self.connection)
    }

    /// Makes a server that listens on `addr`; see [`Server::bind`].
    ///
    /// # Errors
    ///
    /// Those of binding a TCP socket, such as an address in use.
    ///
    /// # Panics
    ///
    /// As [`build`](Self::build).
    pub async fn bind(self, addr: impl ToSocketAddrs) -> io::Result<Server<S>> {
        let server = self.build();
        server.bind(addr).await?;
        Ok(server)
    }
    /// Makes a server that listens on the Unix domain socket `path`; see [`Server::bind_unix`].
    ///
    /// # Errors
    ///
    /// Those of [`Server::bind_unix`].
    ///
    /// # Panics
    ///
    /// As [`build`](Self::build) and [`Server::bind_unix`].
    #[cfg(unix)]
    pub async fn bind_unix(self, path: impl AsRef<std::path::Path>) -> io::Result<Server<S>> {
        let server = self.build();
        server.bind_unix(path).await?;
        Ok(server)
    }
}
