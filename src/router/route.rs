//! Where a method is, and how its calls are treated.

use std::time::Duration;

use crate::service::{Drain, Method};

/// A method's path, and how its calls are treated. A path alone (`"/package.Service/Method"`) is one with the defaults.
#[derive(Debug, Clone)]
pub struct Route {
    pub(super) path: Box<str>,
    pub(super) method: Method,
    pub(super) spawned: bool,
    pub(super) compress: bool,
    pub(super) max_concurrent: Option<usize>,
    pub(super) max_reply: usize,
}

/// Half of what a stream's window lets a peer be sent before it has read any of it, unless it says otherwise.
const BUFFER: u32 = 32 << 10;

impl Route {
    /// The method at `path`, `/package.Service/Method`.
    ///
    /// # Panics
    ///
    /// If that is not what `path` looks like: a slash, the service's name, a slash, the method's name.
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
            "not a method's path, which is /package.Service/Method: {path:?}"
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

    /// Runs the handler on a task of its own, which is aborted when the call is over. For handlers that compute for long. Default: in the
    /// connection's task.
    #[must_use]
    pub const fn spawned(mut self) -> Self {
        self.spawned = true;
        self
    }

    /// Sets how many calls of the method may be in progress at once, on all connections together. A further one is answered with
    /// `RESOURCE_EXHAUSTED` (8) before anything of its body is read. A [spawned](Self::spawned) handler is in progress until it is gone,
    /// which after a cancel is at its next `await`. Default: no limit of its own.
    #[must_use]
    pub const fn max_concurrent(mut self, calls: usize) -> Self {
        self.max_concurrent = Some(calls);
        self
    }

    /// Sets the size, in bytes, of the largest request message. A larger one is answered with `RESOURCE_EXHAUSTED` (8) and not read.
    /// Default: 4 MiB.
    #[must_use]
    pub const fn max_request(mut self, bytes: usize) -> Self {
        self.method = self.method.max_request(bytes);
        self
    }

    /// Sets the size, in bytes, of the largest reply message, before it is compressed. The call of a handler that answers with a larger one
    /// ends with `RESOURCE_EXHAUSTED` (8), and nothing of that message is sent. Default: 4,294,967,295 bytes, which is what a message's
    /// prefix can declare.
    #[must_use]
    pub const fn max_reply(mut self, bytes: usize) -> Self {
        self.max_reply = bytes;
        self
    }

    /// Sets how many bytes of a stream of replies may wait to be written to the socket before the handler is asked for more. A frame
    /// counts for 256 more than it holds, and the handler is asked for one reply at least. Default: 32 KiB.
    #[must_use]
    pub const fn send_buffer(mut self, bytes: u32) -> Self {
        // Not 0: with that it would have to wait for the client's window to be asked at all, and with that to read its requests.
        self.method = self.method.send_buffer(if bytes == 0 { 1 } else { bytes });
        self
    }

    /// Sets how long a call of the method may take, counted from the request's arrival: for clients that set no timeout, or one that is too
    /// long. The call ends with `DEADLINE_EXCEEDED` (4) then, or when the client's `grpc-timeout` is over, whichever is earlier.
    /// Default: no limit but the client's.
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

    /// Sets how long the one message of a unary or server-streaming request may take to arrive. The call ends with `DEADLINE_EXCEEDED` (4)
    /// then, and a text that names the client's request. Default: the server's
    /// [`body_timeout`](crate::server::Builder::body_timeout), or the mount's.
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

    /// Sets how long a reply may wait for the client to make room for more of it. The call ends with `RESOURCE_EXHAUSTED` (8) then: in
    /// trailers, or, if part of a message has been sent, with RST_STREAM (`ENHANCE_YOUR_CALM`), which gRPC clients read as the same code.
    /// Default: the server's [`send_stall_timeout`](crate::server::Builder::send_stall_timeout). A mount leaves such replies to its host.
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

    /// Sets what a drain does to open calls of the method. Default: [`Drain::Finish`].
    #[must_use]
    pub const fn drain(mut self, drain: Drain) -> Self {
        self.method = self.method.drain(drain);
        self
    }

    /// Compresses the replies for clients that accept it (feature `gzip`; without it nothing is compressed). Default: off.
    #[must_use]
    pub const fn compress(mut self) -> Self {
        self.compress = true;
        self
    }
}

impl From<&str> for Route {
    /// See [`Route::new`], also for what it panics at.
    #[track_caller]
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

impl From<String> for Route {
    /// See [`Route::new`], also for what it panics at.
    #[track_caller]
    fn from(path: String) -> Self {
        Self::new(path)
    }
}
