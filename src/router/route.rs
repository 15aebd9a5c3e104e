//! A method's path and the settings of its calls.

use std::time::Duration;

use crate::service::{Drain, Method};

/// A method's path and the settings of its calls. A path alone, such as `"/package.Service/Method"`, converts to a route with the default
/// settings.
#[derive(Debug, Clone)]
pub struct Route {
    pub(super) path: Box<str>,
    pub(super) method: Method,
    pub(super) spawned: bool,
    pub(super) compress: bool,
    pub(super) max_concurrent: Option<usize>,
    pub(super) max_reply: usize,
}

/// Half of the default window of a stream (64 KiB).
const BUFFER: u32 = 32 << 10;

impl Route {
    /// Makes a route with the default settings for the method at `path`.
    ///
    /// # Panics
    ///
    /// If `path` is not `/package.Service/Method`: a slash, the service's name, a slash, the method's name.
    #[must_use]
    #[track_caller]
    pub fn new(path: impl Into<Box<str>>) -> Self {
        let path = path.into();
        let names = path
            .strip_prefix('/')
            .and_then(|names| names.split_once('/'));
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic());
        let fits = names.is_some_and(|(service, method)| {
            is_name(service) && is_name(method) && !method.contains(['/', '?', '#'])
        });
        assert!(
            fits,
            "a method's path is /package.Service/Method, not {path:?}"
        );
        Self {
            path,
            method: Method::new(0).send_buffer(BUFFER).needs_metadata(),
            spawned: false,
            compress: false,
            max_concurrent: None,
            max_reply: usize::MAX,
        }
    }

    /// Runs the handler on a task of its own, for handlers that compute for long. The task is aborted when the call is over. Default: the
    /// handler runs in the connection's task.
    #[must_use]
    pub const fn spawned(mut self) -> Self {
        self.spawned = true;
        self
    }

    /// Limits how many calls of the method may be in progress at once, on all connections together. Default: no limit for the method. The
    /// server answers a further call with `RESOURCE_EXHAUSTED` (8) before it reads the request's body. A [spawned](Self::spawned) handler
    /// whose call is cancelled counts until its next `await`.
    #[must_use]
    pub const fn max_concurrent(mut self, calls: usize) -> Self {
        self.max_concurrent = Some(calls);
        self
    }

    /// Limits the size of a request message in bytes, before and after decompression. Default: 4 MiB (4,194,304). The server answers a
    /// larger message with `RESOURCE_EXHAUSTED` (8) and does not read the message.
    #[must_use]
    pub const fn max_request(mut self, bytes: usize) -> Self {
        self.method = self.method.max_request(bytes);
        self
    }

    /// Limits the size of a reply message in bytes, before compression. Default: 4,294,967,295, the most that a message's prefix can
    /// declare. A larger reply ends the call with `RESOURCE_EXHAUSTED` (8), and the server sends nothing of that message.
    #[must_use]
    pub const fn max_reply(mut self, bytes: usize) -> Self {
        self.max_reply = bytes;
        self
    }

    /// Sets how many bytes of a stream of replies may wait to be written to the socket before the server stops asking the stream for more.
    /// Default: 32 KiB. Each frame counts 256 bytes more than its length. The stream is always asked for at least one reply.
    #[must_use]
    pub const fn send_buffer(mut self, bytes: u32) -> Self {
        // Not 0: with 0 the stream would not be polled before the client makes room for a reply, and so would not read requests either.
        self.method = self.method.send_buffer(if bytes == 0 { 1 } else { bytes });
        self
    }

    /// Limits how long a call of the method may take, counted from the request's arrival, for clients that send no timeout or a longer one.
    /// Default: no limit for the method. The call ends with `DEADLINE_EXCEEDED` (4) after this time, or when the client's `grpc-timeout` is
    /// over, whichever is earlier.
    ///
    /// # Panics
    ///
    /// If `timeout` is zero.
    #[must_use]
    #[track_caller]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.method = self.method.timeout(timeout);
        self
    }

    /// Limits how long the one message of a unary or server-streaming request may take to arrive. Default: the
    /// server's [`body_timeout`](crate::server::Builder::body_timeout), or that of the mount. After this time the call ends with
    /// `DEADLINE_EXCEEDED` (4) and a text that names the client's request.
    ///
    /// # Panics
    ///
    /// If `timeout` is zero.
    #[must_use]
    #[track_caller]
    pub const fn body_timeout(mut self, timeout: Duration) -> Self {
        self.method = self.method.body_timeout(timeout);
        self
    }

    /// Limits how long the client may take for each [`send_stall_bytes`](crate::server::Builder::send_stall_bytes) of a reply. Default:
    /// [`Builder::send_stall_timeout`](crate::server::Builder::send_stall_timeout) of the server. After this time the call ends with
    /// `RESOURCE_EXHAUSTED` (8): in trailers, or, if part of a message has been sent, with RST_STREAM (`ENHANCE_YOUR_CALM`), which gRPC
    /// clients read as the same code. In a mounted router the setting has no effect: the host decides about waiting replies.
    ///
    /// # Panics
    ///
    /// If `timeout` is zero.
    #[must_use]
    #[track_caller]
    pub const fn send_stall_timeout(mut self, timeout: Duration) -> Self {
        self.method = self.method.send_stall_timeout(timeout);
        self
    }

    /// Sets what happens to the method's open calls when the server drains. Default: [`Drain::Finish`].
    #[must_use]
    pub const fn drain(mut self, drain: Drain) -> Self {
        self.method = self.method.drain(drain);
        self
    }

    /// Compresses the replies with gzip for clients that accept gzip. Default: off. Without feature `gzip` the setting has no effect.
    ///
    /// A reply is compressed in one go, which takes the connection's task some milliseconds for each MiB. The replies of a
    /// [spawned](Self::spawned) handler are compressed by the handler's own task.
    #[must_use]
    pub const fn compress(mut self) -> Self {
        self.compress = true;
        self
    }
}

impl From<&str> for Route {
    /// Makes a route with the default settings. Panics as [`Route::new`] does.
    #[track_caller]
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

impl From<String> for Route {
    /// Makes a route with the default settings. Panics as [`Route::new`] does.
    #[track_caller]
    fn from(path: String) -> Self {
        Self::new(path)
    }
}
