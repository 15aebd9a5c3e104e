//! The limits of one connection, their defaults, and h2's builder with these limits.

use std::ops::RangeInclusive;
use std::time::Duration;

use h2::server::Builder as Http2;

use super::guard;

/// The limits of each connection. A server's builder documents each; `src/guide/limits.md` has them in one table.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) max_concurrent_streams: u32,
    pub(crate) max_long_lived_streams: Option<usize>,
    pub(crate) initial_stream_window: u32,
    pub(crate) initial_connection_window: Option<u32>,
    pub(crate) max_stream_window: u32,
    pub(crate) receive_budget: usize,
    pub(crate) max_frame_size: u32,
    pub(crate) max_header_list_size: u32,
    pub(crate) header_table_size: u32,
    pub(crate) max_concurrent_reset_streams: Option<usize>,
    pub(crate) max_pending_accept_reset_streams: usize,
    pub(crate) max_local_error_reset_streams: usize,
    pub(crate) max_send_buffer_size: Option<usize>,
    pub(crate) data_frame_budget: Option<usize>,
    pub(crate) ping_burst: u32,
    pub(crate) settings_burst: u32,
    pub(crate) priority_burst: u32,
    pub(crate) window_update_burst: u32,
    pub(crate) reset_burst: u32,
    pub(crate) unknown_frame_burst: u32,
    pub(crate) empty_frame_burst: u32,
    pub(crate) burst_refill: Duration,
    pub(crate) header_block_timeout: Duration,
    pub(crate) read_budget: usize,
    pub(crate) header_budget: usize,
    pub(crate) handshake_timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) send_stall_timeout: Duration,
    pub(crate) send_stall_bytes: usize,
    pub(crate) send_budget: usize,
    pub(crate) write_stall_timeout: Duration,
    pub(crate) max_connection_idle: Option<Duration>,
    pub(crate) max_connection_age: Option<Duration>,
    pub(crate) max_connection_age_grace: Duration,
    pub(crate) keepalive_interval: Option<Duration>,
    pub(crate) keepalive_timeout: Duration,
}

/// The part of h2's budget for small DATA frames that each stream adds: half a window's bytes.
const DATA_BUDGET_PER_STREAM: usize = 32 << 10;
/// The least budget for small DATA frames. It is enough for one stream full of the smallest messages, each in a frame of its own, which
/// takes 251 for every 5 bytes of the stream's window, and for one more read of the socket.
const MIN_DATA_BUDGET: usize = 5 << 20;
/// How many of the streams that were reset first h2 remembers, for good: the guard needs one of them, and does not know which h2 saw first.
const SINKS: usize = 16;
/// How many streams' windows the window of a connection has room for by default, without the budget.
const OPEN_STREAMS: u32 = 4;
/// The least budget for the bytes of requests: a quarter of the budget has room for the windows of a few streams.
const LEAST_BUDGET: usize = 1 << 20;
/// The window that every connection has at first, and that no setting makes smaller (RFC 9113, section 6.9.2).
const LEAST_WINDOW: u32 = 65_535;
/// How many bytes of replies h2 holds for a client that takes no more, and for a client that takes everything at once.
const SEND_BUFFER: usize = 64 << 10;
pub(super) const LONGEST_QUEUE: usize = 1 << 20;
/// The largest flow-control window (RFC 9113, section 6.9.1).
const MAX_WINDOW: u32 = (1 << 31) - 1;
/// The values of SETTINGS_MAX_FRAME_SIZE (RFC 9113, section 6.5.2).
const FRAME_SIZES: RangeInclusive<u32> = 16_384..=16_777_215;

impl Default for Config {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 256,
            max_long_lived_streams: None,
            initial_stream_window: 64 << 10,
            initial_connection_window: None,
            max_stream_window: 1 << 20,
            receive_budget: 64 << 20,
            max_frame_size: 16_384,
            max_header_list_size: 16 << 10,
            header_table_size: 4_096,
            max_concurrent_reset_streams: None,
            max_pending_accept_reset_streams: 256,
            max_local_error_reset_streams: 1_024,
            max_send_buffer_size: None,
            data_frame_budget: None,
            ping_burst: 100,
            settings_burst: 100,
            priority_burst: 1_000,
            window_update_burst: 1_000,
            reset_burst: 1_000,
            unknown_frame_burst: 100,
            empty_frame_burst: 100,
            burst_refill: Duration::from_secs(30),
            header_block_timeout: Duration::from_secs(10),
            read_budget: 64 << 10,
            header_budget: 8 << 10,
            handshake_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            send_stall_timeout: Duration::from_secs(30),
            send_stall_bytes: 16 << 10,
            send_budget: 64 << 20,
            write_stall_timeout: Duration::from_secs(20),
            max_connection_idle: Some(Duration::from_secs(300)),
            max_connection_age: None,
            max_connection_age_grace: Duration::from_secs(10),
            keepalive_interval: None,
            keepalive_timeout: Duration::from_secs(20),
        }
    }
}

impl Config {
    /// The number of streams as a count of things in memory.
    pub(super) fn streams(&self) -> usize {
        usize::try_from(self.max_concurrent_streams).unwrap_or(usize::MAX)
    }

    /// Checks the values that HTTP/2 or h2 bounds.
    ///
    /// # Panics
    ///
    /// If a value is outside its range.
    #[track_caller]
    pub(crate) fn check(&self) {
        let windows = [
            ("initial_stream_window", Some(self.initial_stream_window)),
            ("initial_connection_window", self.initial_connection_window),
            ("max_stream_window", Some(self.max_stream_window)),
        ];
        for (name, window) in windows {
            let fits = window.is_none_or(|window| (1..=MAX_WINDOW).contains(&window));
            assert!(fits, "{name} is not between 1 and {MAX_WINDOW}: {window:?}");
        }
        let budget = self.receive_budget;
        assert!(
            budget >= LEAST_BUDGET,
            "receive_budget is less than {LEAST_BUDGET}: {budget}"
        );
        let (frame, buffer) = (self.max_frame_size, self.send_buffer());
        assert!(
            FRAME_SIZES.contains(&frame),
            "max_frame_size is not between 16384 and 16777215: {frame}"
        );
        assert!(
            buffer > 0 && u32::try_from(buffer).is_ok(),
            "max_send_buffer_size is not between 1 and {}: {buffer}",
            u32::MAX
        );
    }

    /// How many bytes of replies h2 holds for a client that takes no more.
    pub(super) fn send_buffer(&self) -> usize {
        self.max_send_buffer_size.unwrap_or(SEND_BUFFER)
    }

    fn reset_streams(&self) -> usize {
        self.max_concurrent_reset_streams
            .unwrap_or_else(|| self.streams())
    }

    /// How far the connection's window is open: by default as far as a few streams' windows together. What requests hold comes on top, from
    /// the budget, so that a handler that does not read holds up only its own client, and no health check on the connection.
    pub(super) fn connection_window(&self) -> u32 {
        let derived = || {
            let streams = self.max_concurrent_streams.min(OPEN_STREAMS);
            let window = streams.saturating_mul(self.initial_stream_window);
            window.clamp(LEAST_WINDOW, MAX_WINDOW)
        };
        self.initial_connection_window.unwrap_or_else(derived)
    }

    /// The first window of a stream as a count of things in memory.
    pub(super) fn stream_window(&self) -> usize {
        usize::try_from(self.initial_stream_window).unwrap_or(usize::MAX)
    }

    fn data_budget(&self) -> usize {
        let derived = || {
            let all = self.streams().saturating_mul(DATA_BUDGET_PER_STREAM);
            all.max(MIN_DATA_BUDGET)
        };
        self.data_frame_budget.unwrap_or_else(derived)
    }

    pub(super) fn max_header_list(&self) -> usize {
        usize::try_from(self.max_header_list_size).unwrap_or(usize::MAX)
    }

    /// Up to where h2 lets a header list through, so that one over the limit gets an answer of gRPC. The SETTINGS have the limit itself:
    /// the guard puts it there.
    fn http2_header_list_size(&self) -> u32 {
        self.max_header_list_size.saturating_mul(2)
    }

    /// The limits of the guard.
    pub(super) fn guard(&self) -> guard::Limits {
        guard::Limits {
            ping: self.ping_burst,
            settings: self.settings_burst,
            priority: self.priority_burst,
            window_update: self.window_update_burst,
            reset: self.reset_burst,
            unknown: self.unknown_frame_burst,
            empty: self.empty_frame_burst,
            refill: self.burst_refill,
            late_streams: self.reset_streams(),
            stream_window: self.initial_stream_window,
        }
    }

    /// h2's builder with these limits.
    pub(super) fn http2(&self) -> Http2 {
        let mut http2 = Http2::new();
        http2
            .max_concurrent_streams(self.max_concurrent_streams)
            .initial_window_size(self.initial_stream_window)
            .initial_connection_window_size(self.connection_window())
            .max_frame_size(self.max_frame_size)
            .max_header_list_size(self.http2_header_list_size())
            .header_table_size(self.header_table_size)
            .max_concurrent_reset_streams(self.reset_streams().min(SINKS))
            .reset_stream_duration(Duration::MAX)
            .max_pending_accept_reset_streams(self.max_pending_accept_reset_streams)
            .max_local_error_reset_streams(Some(self.max_local_error_reset_streams))
            .max_send_buffer_size(self.max_send_buffer_size.unwrap_or(LONGEST_QUEUE))
            .data_frame_budget(self.data_budget());
        http2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// h2 asserts these in each connection's task, long after the server was built.
    #[test]
    fn a_value_outside_http2s_range_is_refused_with_the_range() {
        type Change = fn(&mut Config);
        let refused = |change: Change| {
            let mut config = Config::default();
            change(&mut config);
            let panic = std::panic::catch_unwind(|| config.check()).expect_err("refused");
            panic.downcast_ref::<String>().expect("a text").clone()
        };
        let cases: [(Change, &str); 8] = [
            (
                |config| config.receive_budget = (1 << 20) - 1,
                "receive_budget is less than 1048576",
            ),
            (
                |config| config.max_stream_window = 1 << 31,
                "max_stream_window is not between 1 and 2147483647",
            ),
            (
                |config| config.initial_stream_window = 0,
                "initial_stream_window is not between 1 and 2147483647",
            ),
            (
                |config| config.initial_connection_window = Some(u32::MAX),
                "initial_connection_window is not between 1 and 2147483647",
            ),
            (
                |config| config.max_frame_size = 16_383,
                "max_frame_size is not between 16384 and 16777215",
            ),
            (
                |config| config.max_frame_size = 1 << 24,
                "max_frame_size is not between 16384 and 16777215",
            ),
            (
                |config| config.max_send_buffer_size = Some(1 << 32),
                "max_send_buffer_size is not between 1 and 4294967295",
            ),
            (
                // Such a connection sent nothing.
                |config| config.max_send_buffer_size = Some(0),
                "max_send_buffer_size is not between 1 and 4294967295: 0",
            ),
        ];
        for (change, expected) in cases {
            let text = refused(change);
            assert!(text.starts_with(expected), "{text}");
        }
        let mut config = Config::default();
        config.check();
        config.initial_stream_window = MAX_WINDOW;
        config.initial_connection_window = Some(MAX_WINDOW);
        config.max_frame_size = 16_777_215;
        config.max_send_buffer_size = Some(u32::MAX as usize);
        config.check();
        let _ = config.http2();
        config.max_send_buffer_size = Some(1);
        config.check();
    }

    #[test]
    fn limits_derived_from_the_number_of_streams_follow_it() {
        let mut config = Config::default();
        let derived = |config: &Config| {
            let (resets, budget) = (config.reset_streams(), config.data_budget());
            (resets, budget, config.connection_window())
        };
        assert_eq!(derived(&config), (256, 8 << 20, 256 << 10));
        config.max_concurrent_streams = 10_000;
        assert_eq!(derived(&config), (10_000, 327_680_000, 256 << 10));
        config.max_concurrent_streams = 4;
        assert_eq!(derived(&config), (4, 5 << 20, 256 << 10));
        config.initial_stream_window = 1 << 30;
        assert_eq!(config.connection_window(), MAX_WINDOW);
        config.max_concurrent_reset_streams = Some(7);
        config.data_frame_budget = Some(9);
        config.initial_connection_window = Some(11);
        assert_eq!(derived(&config), (7, 9, 11));
    }
}
