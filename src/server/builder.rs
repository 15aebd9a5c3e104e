//! The settings of a server, and how a server is made from them.

mod whole;

use std::time::Duration;

use super::config::Config;
use super::thread_config::ThreadConfig;
use crate::connection;
use crate::service::Service;

/// The settings of a [`Server`](crate::Server); from [`Server::builder`](crate::Server::builder).
///
/// Most limits hold for each connection. The limits on the number of connections and of handshakes, and `backlog`, hold for each listener.
/// The budgets, `flood_wait` and the times of a shutdown hold for the server. [The guide to the limits](crate::guide::limits) has all of
/// them in tables.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder<S> {
    pub(super) service: S,
    pub(super) config: Config,
    pub(super) connection: connection::Config,
    pub(super) thread: ThreadConfig,
}

/// Stands in a [`Builder`] for a service that has not been set yet.
#[derive(Debug, Clone, Copy)]
pub struct NoService;

impl Builder<NoService> {
    pub(super) fn new() -> Self {
        Self {
            service: NoService,
            config: Config::default(),
            connection: connection::Config::default(),
            thread: ThreadConfig::default(),
        }
    }
}

impl<S> Builder<S> {
    /// Sets the service that the server serves, such as a [`HealthService`](crate::HealthService) or a [`Router`](crate::Router).
    pub fn service<T: Service>(self, service: T) -> Builder<T> {
        Builder {
            service,
            config: self.config,
            connection: self.connection,
            thread: self.thread,
        }
    }

    /// Limits how many streams one client connection may have open at once. Every call is a stream, an open `Watch` included. Default: 256.
    /// The server announces the limit in [SETTINGS](https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2) and resets a further stream with
    /// `REFUSED_STREAM`, after which a gRPC client retries the call.
    pub const fn max_concurrent_streams(mut self, streams: u32) -> Self {
        self.connection.max_concurrent_streams = streams;
        self
    }

    /// Limits how many long-lived calls one connection may have open at once: calls of methods with
    /// [`Drain::End`](crate::service::Drain::End), such as `Watch`. Default: as many as
    /// [`max_concurrent_streams`](Self::max_concurrent_streams). The server answers a further long-lived call with `RESOURCE_EXHAUSTED`
    /// (8). A number below `max_concurrent_streams` always leaves a stream to calls that end, such as `Check`.
    pub const fn max_long_lived_streams(mut self, calls: usize) -> Self {
        self.connection.max_long_lived_streams = Some(calls);
        self
    }

    /// Limits how many bytes of one request a client may send before the handler has read them: the stream's first [flow-control
    /// window](https://www.rfc-editor.org/rfc/rfc9113#section-6.9.2). Range: 1 to 2^31 - 1. Default: 65,536. The client waits while the
    /// window is used up. The windows of a connection grow up to [`max_stream_window`](Self::max_stream_window).
    ///
    /// # Panics
    ///
    /// [`build`](Self::build) panics if `bytes` is out of range.
    pub const fn initial_stream_window(mut self, bytes: u32) -> Self {
        self.connection.initial_stream_window = bytes;
        self
    }

    /// Limits how many bytes of all requests on one connection a client may send at once: the connection's [flow-control
    /// window](https://www.rfc-editor.org/rfc/rfc9113#section-6.9.1). Range: 1 to 2^31 - 1. Default: four times
    /// [`initial_stream_window`](Self::initial_stream_window), 262,144 if neither is set. The client waits while the window is used up.
    ///
    /// The window grows by the bytes that the connection's requests hold, as far as the [`receive_budget`](Self::receive_budget) has room.
    /// So handlers that do not read do not stop the other calls of the connection.
    ///
    /// # Panics
    ///
    /// [`build`](Self::build) panics if `bytes` is out of range.
    pub const fn initial_connection_window(mut self, bytes: u32) -> Self {
        self.connection.initial_connection_window = Some(bytes);
        self
    }

    /// Limits how far the window of each stream grows, in bytes. Range: 1 to 2^31 - 1. Default: 1,048,576. After a message that does not
    /// fit into the window, the streams of its connection get a window for four such messages, as far as the
    /// [`receive_budget`](Self::receive_budget) has room for all streams. After a request that uses up four windows within a second, the
    /// windows double. The windows shrink when the connection has been quiet for ten
    /// seconds. A value below [`initial_stream_window`](Self::initial_stream_window) means that the windows never grow.
    ///
    /// # Panics
    ///
    /// [`build`](Self::build) panics if `bytes` is out of range.
    pub const fn max_stream_window(mut self, bytes: u32) -> Self {
        self.connection.max_stream_window = bytes;
        self
    }

    /// Limits the memory that unfinished and unread requests of all connections take together, in bytes. Least value: 1,048,576. Default:
    /// 67,108,864 (64 MiB). A quarter of the budget is for messages longer than a stream's window: such a message waits until its whole
    /// length has room. Three eighths are for all other bytes that handlers have not taken. One connection gets a quarter of the budget,
    /// and room for one message. Each connection may always hold half of its
    /// [`initial_connection_window`](Self::initial_connection_window), so health checks and small calls do not wait.
    ///
    /// From the 16th call of a connection on, each call that waits counts 3 KiB, except long-lived calls such as Watches. No call is
    /// refused for that, but large messages and other bytes have less of the budget, down to an eighth each.
    ///
    /// Connections whose requests need more than there is wait for their turn, and the requests go on then. While a connection waits, a
    /// request of a connection with room that brings less than 4 KiB in two seconds is answered with `RESOURCE_EXHAUSTED` (8), and so is a
    /// message that has waited for [`body_timeout`](Self::body_timeout).
    ///
    /// # Panics
    ///
    /// [`build`](Self::build) panics if `bytes` is less than 1,048,576.
    pub const fn receive_budget(mut self, bytes: usize) -> Self {
        self.connection.receive_budget = bytes;
        self
    }

    /// Limits the payload of one HTTP/2 frame that a client may send, in bytes. Range: 16,384 to 16,777,215. Default: 16,384. A larger
    /// frame ends the connection with GOAWAY `FRAME_SIZE_ERROR` ([RFC 9113, section
    /// 4.2](https://www.rfc-editor.org/rfc/rfc9113#section-4.2)).
    ///
    /// # Panics
    ///
    /// [`build`](Self::build) panics if `bytes` is out of range.
    pub const fn max_frame_size(mut self, bytes: u32) -> Self {
        self.connection.max_frame_size = bytes;
        self
    }

    /// Limits the size of one request's headers, in bytes: names and values uncompressed, and 32 for each field
    /// ([`SETTINGS_MAX_HEADER_LIST_SIZE`](https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2)). Default: 16,384. The server answers
    /// larger headers with `RESOURCE_EXHAUSTED` (8), and headers of twice the limit or more with HTTP status 431 and no gRPC status.
    /// Headers of more than eight times the limit, or with more than six CONTINUATION frames, end the connection with GOAWAY
    /// `ENHANCE_YOUR_CALM`.
    pub const fn max_header_list_size(mut self, bytes: u32) -> Self {
        self.connection.max_header_list_size = bytes;
        self
    }

    /// Limits the HPACK table that a client may compress its headers with, in bytes for each connection ([RFC 7541, section
    /// 4.2](https://www.rfc-editor.org/rfc/rfc7541#section-4.2)). Default: 4,096. A client with a smaller table compresses less.
    pub const fn header_table_size(mut self, bytes: u32) -> Self {
        self.connection.header_table_size = bytes;
        self
    }

    /// Limits how many of the streams that the server has reset the server remembers, in four bytes each. The server ignores late frames
    /// for these streams. Default: as many as [`max_concurrent_streams`](Self::max_concurrent_streams), which is enough for every client.
    /// The server answers late DATA for a forgotten stream with RST_STREAM `STREAM_CLOSED`, which counts against
    /// [`max_local_error_reset_streams`](Self::max_local_error_reset_streams). Late HEADERS for a forgotten stream end the connection. More
    /// late bytes than the windows of the reset streams allow are handled like frames for a forgotten stream.
    pub const fn max_concurrent_reset_streams(mut self, streams: usize) -> Self {
        self.connection.max_concurrent_reset_streams = Some(streams);
        self
    }

    /// Limits how many streams a client may open and reset before the server has accepted the streams (rapid reset, CVE-2023-44487).
    /// Default: 256. One stream more ends the connection with GOAWAY `ENHANCE_YOUR_CALM`. A client that has earned more resets than it has
    /// used ([`reset_burst`](Self::reset_burst)) does not reach this limit while each of its calls has a message: the server accepts the
    /// client's streams before the server reads more.
    pub const fn max_pending_accept_reset_streams(mut self, streams: usize) -> Self {
        self.connection.max_pending_accept_reset_streams = streams;
        self
    }

    /// Limits how many streams the server resets for a client's errors during the life of one connection, refused streams included
    /// (`MadeYouReset`, CVE-2025-8671). Default: 1,024. One more ends the connection with GOAWAY `ENHANCE_YOUR_CALM`.
    pub const fn max_local_error_reset_streams(mut self, streams: usize) -> Self {
        self.connection.max_local_error_reset_streams = streams;
        self
    }

    /// Limits how many bytes of one call's replies h2 holds while they cannot be written. Range: 1 to 2^32 - 1. Default: 65,536, which
    /// grows to 1,048,576 while the client takes everything at once. h2 holds 131,072 bytes for all calls of a connection together, which
    /// grow to 1,048,576 too, and any number of replies of up to 1,024 bytes. The client gets the rest of the replies as it reads.
    ///
    /// # Panics
    ///
    /// [`build`](Self::build) panics if `bytes` is 0, or more than 2^32 - 1.
    pub const fn max_send_buffer_size(mut self, bytes: usize) -> Self {
        self.connection.max_send_buffer_size = Some(bytes);
        self
    }

    /// Limits the small DATA frames of one connection that no handler has read yet. Each takes 256 less its length from the budget.
    /// Default: 32,768 for each of [`max_concurrent_streams`](Self::max_concurrent_streams), and at least 5,242,880, which is enough for
    /// one stream full of the smallest possible messages. A used-up budget ends the connection with GOAWAY `ENHANCE_YOUR_CALM`.
    pub const fn data_frame_budget(mut self, budget: usize) -> Self {
        self.connection.data_frame_budget = Some(budget);
        self
    }

    /// Limits how many PING frames a client may send in one burst. Default: 100. [`burst_refill`](Self::burst_refill) fills the burst
    /// again, and each HEADERS or DATA frame that the server writes adds one PING, since some clients measure the path with a PING for what
    /// they read. One PING too many ends the connection with GOAWAY `ENHANCE_YOUR_CALM`.
    pub const fn ping_burst(mut self, frames: u32) -> Self {
        self.connection.ping_burst = frames;
        self
    }

    /// Limits how many SETTINGS frames a client may send in one burst, the first of the connection included: a new window size costs a walk
    /// over all streams. Default: 100. [`burst_refill`](Self::burst_refill) fills the burst again. One frame too many ends the connection
    /// with GOAWAY `ENHANCE_YOUR_CALM`.
    pub const fn settings_burst(mut self, frames: u32) -> Self {
        self.connection.settings_burst = frames;
        self
    }

    /// Limits how many PRIORITY frames a client may send in one burst. The server ignores their content. Default: 1,000.
    /// [`burst_refill`](Self::burst_refill) fills the burst again. One frame too many ends the connection with GOAWAY `ENHANCE_YOUR_CALM`.
    pub const fn priority_burst(mut self, frames: u32) -> Self {
        self.connection.priority_burst = frames;
        self
    }

    /// Limits how many WINDOW_UPDATE frames a client may send in one burst. Default: 1,000. [`burst_refill`](Self::burst_refill) fills the
    /// burst again, and two frames are added for each HEADERS or DATA frame that the server writes, for each full KiB of that DATA, and for
    /// each DATA frame with content that the client sends. One frame too many ends the connection with GOAWAY `ENHANCE_YOUR_CALM`.
    pub const fn window_update_burst(mut self, frames: u32) -> Self {
        self.connection.window_update_burst = frames;
        self
    }

    /// Limits how many streams a client may reset in one burst, accepted or not (rapid reset, CVE-2023-44487). Default: 1,000.
    /// [`burst_refill`](Self::burst_refill) fills the burst again. Each HEADERS frame that the server writes adds one reset, and so does
    /// each call that was open for 100 ms. So a client may cancel any number of calls whose answer has begun. One reset too many ends the
    /// connection with GOAWAY `ENHANCE_YOUR_CALM`.
    pub const fn reset_burst(mut self, frames: u32) -> Self {
        self.connection.reset_burst = frames;
        self
    }

    /// Limits how many frames of unknown or useless types a client may send in one burst, GOAWAY included. Default: 100.
    /// [`burst_refill`](Self::burst_refill) fills the burst again. One frame too many ends the connection with GOAWAY `ENHANCE_YOUR_CALM`.
    pub const fn unknown_frame_burst(mut self, frames: u32) -> Self {
        self.connection.unknown_frame_burst = frames;
        self
    }

    /// Limits how many empty DATA, HEADERS and CONTINUATION frames a client may send in one burst. A frame that ends a stream or a header
    /// block does not count. Default: 100. [`burst_refill`](Self::burst_refill) fills the burst again. One frame too many ends the
    /// connection with GOAWAY `ENHANCE_YOUR_CALM`. h2 itself allows 100 empty DATA frames during the life of a connection.
    pub const fn empty_frame_burst(mut self, frames: u32) -> Self {
        self.connection.empty_frame_burst = frames;
        self
    }

    /// Sets the time in which each used-up burst, such as [`ping_burst`](Self::ping_burst), becomes full again at an even rate. Default: 30
    /// s. With the default bursts a client may go on with 33 resets and 3 PINGs a second.
    pub const fn burst_refill(mut self, duration: Duration) -> Self {
        self.connection.burst_refill = duration;
        self
    }

    /// Limits how long one header block may take to arrive, since the connection can do nothing else meanwhile ([RFC 9113, section
    /// 4.3](https://www.rfc-editor.org/rfc/rfc9113#section-4.3)). Default: 10 s. A slower header block ends the connection with GOAWAY
    /// `ENHANCE_YOUR_CALM`.
    pub const fn header_block_timeout(mut self, duration: Duration) -> Self {
        self.connection.header_block_timeout = duration;
        self
    }

    /// Sets how many bytes one connection reads before it lets other tasks run. Range: 1 and more. Default: 65,536. The connection reads a
    /// DATA frame to its end, up to 16 KiB more. While fewer than eight connections have more to read than that, DATA frames of at least
    /// 4 KiB count only in part, half of them at the least. A client sees no difference.
    pub const fn read_budget(mut self, bytes: usize) -> Self {
        self.connection.read_budget = bytes;
        self
    }

    /// Sets how many bytes of header blocks one connection reads before it takes the requests from h2 and lets other tasks run. Range: 1
    /// and more. Default: 8,192. A client sees no difference.
    ///
    /// The budget bounds memory: h2 holds these headers uncompressed, and HPACK can make a whole field of one byte. One read may bring the
    /// total to twice the budget. Headers of streams that the client resets do not count here:
    /// [`max_pending_accept_reset_streams`](Self::max_pending_accept_reset_streams) limits those streams.
    pub const fn header_budget(mut self, bytes: usize) -> Self {
        self.connection.header_budget = bytes;
        self
    }

    /// Limits how long a client may take to connect: for TLS, the HTTP/2 preface and the first SETTINGS frame ([RFC 9113, section
    /// 3.4](https://www.rfc-editor.org/rfc/rfc9113#section-3.4)). Default: 10 s. Then the server closes the socket, with GOAWAY
    /// `ENHANCE_YOUR_CALM` if the preface has arrived.
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.connection.handshake_timeout = timeout;
        self
    }

    /// Limits how long the one message of a unary or server-streaming request may take to arrive. Default: 10 s. Then the call ends with
    /// `DEADLINE_EXCEEDED` (4) and a text that names the client's request. [`Route::body_timeout`](crate::router::Route::body_timeout) sets
    /// the limit for one method.
    pub const fn body_timeout(mut self, timeout: Duration) -> Self {
        self.connection.body_timeout = timeout;
        self
    }

    /// Limits how long the client may take for each [`send_stall_bytes`](Self::send_stall_bytes) of a reply (HTTP/2 flow control). Default:
    /// 30 s. A reply has more time while the client takes other replies of the connection, and the reply only waits for its turn. Then the
    /// call ends with `RESOURCE_EXHAUSTED` (8): in trailers, or, if part of a message has been sent, with RST_STREAM (`ENHANCE_YOUR_CALM`),
    /// which gRPC clients read as the same code. [`Route::send_stall_timeout`](crate::router::Route::send_stall_timeout) sets the limit for
    /// one method.
    pub const fn send_stall_timeout(mut self, timeout: Duration) -> Self {
        self.connection.send_stall_timeout = timeout;
        self
    }

    /// Sets how many bytes of a waiting reply the client has to take within each [`send_stall_timeout`](Self::send_stall_timeout), unless
    /// less is left of the reply; and how many bytes a socket that is not read fast enough has to take within each
    /// [`write_stall_timeout`](Self::write_stall_timeout). Range: 1 and more. Default: 16,384, which is 546 bytes a second. With 1, each
    /// byte that a client takes gives its reply the whole time again.
    pub const fn send_stall_bytes(mut self, bytes: usize) -> Self {
        self.connection.send_stall_bytes = bytes;
        self
    }

    /// Limits how many bytes of replies the server holds that clients have not taken. Default: 67,108,864 (64 MiB). One connection holds a
    /// quarter at most, unless it holds a single reply. Replies of up to 1,024 bytes do not count and never wait. A stream of larger
    /// replies is not asked for the next reply before there is room. When seven eighths are in use, the connection that holds most ends its
    /// replies that have waited longest, with `RESOURCE_EXHAUSTED` (8): in trailers, or, if part of a message has been sent, with
    /// RST_STREAM (`ENHANCE_YOUR_CALM`). A server whose handlers send large replies to many slow clients needs a larger budget.
    pub const fn send_budget(mut self, bytes: usize) -> Self {
        self.connection.send_budget = bytes;
        self
    }

    /// Limits how long the socket may take fewer than [`send_stall_bytes`](Self::send_stall_bytes) bytes while the connection has bytes to
    /// write. Default: 20 s. Then the server closes the connection.
    pub const fn write_stall_timeout(mut self, timeout: Duration) -> Self {
        self.connection.write_stall_timeout = timeout;
        self
    }

    /// Limits how long a connection may stay without an open call and without a byte from the client; `None` means no limit ([gRFC
    /// A9](https://github.com/grpc/proposal/blob/master/A9-server-side-conn-mgt.md)). Default: 300 s. Then the server sends GOAWAY and
    /// closes the connection. An open `Watch` is a call. A connection that has had more than 64 calls open at once has 60 s at most, and
    /// only a call begins that time anew: the connection keeps memory for as many calls until the end.
    pub const fn max_connection_idle(mut self, idle: Option<Duration>) -> Self {
        self.connection.max_connection_idle = idle;
        self
    }

    /// Limits how long a connection may live; `None` means no limit ([gRFC
    /// A9](https://github.com/grpc/proposal/blob/master/A9-server-side-conn-mgt.md)). Default: off. Then the server sends GOAWAY, and the
    /// client connects anew, which lets a balancer spread clients. Each connection's limit is up to a tenth more or less at random, so that
    /// connections do not end together.
    pub const fn max_connection_age(mut self, age: Option<Duration>) -> Self {
        self.connection.max_connection_age = age;
        self
    }

    /// Limits how long calls may take to complete after a GOAWAY that the server has sent for a connection's age or idleness ([gRFC
    /// A9](https://github.com/grpc/proposal/blob/master/A9-server-side-conn-mgt.md)). Default: 10 s. Then the server closes the connection.
    /// The same holds for a connection that makes room for another ([`max_connections`](Self::max_connections)).
    pub const fn max_connection_age_grace(mut self, grace: Duration) -> Self {
        self.connection.max_connection_age_grace = grace;
        self
    }

    /// Sets after how long a silence of the client the server sends a PING; `None` means never ([gRFC
    /// A9](https://github.com/grpc/proposal/blob/master/A9-server-side-conn-mgt.md)). Default: off. A client that does not answer within
    /// [`keepalive_timeout`](Self::keepalive_timeout) loses the connection.
    pub const fn keepalive_interval(mut self, interval: Option<Duration>) -> Self {
        self.connection.keepalive_interval = interval;
        self
    }

    /// Limits how long a client may stay silent after a keepalive PING ([`keepalive_interval`](Self::keepalive_interval)). Default: 20 s.
    /// Then the server closes the connection. With an interval set, the time is also the `TCP_USER_TIMEOUT` of accepted sockets on Linux
    /// ([gRFC A18](https://github.com/grpc/proposal/blob/master/A18-tcp-user-timeout.md)).
    pub const fn keepalive_timeout(mut self, timeout: Duration) -> Self {
        self.connection.keepalive_timeout = timeout;
        self
    }
}
