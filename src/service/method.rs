//! A method, and how the host is to treat its calls.

use std::num::NonZeroU64;
use std::time::Duration;

/// A method that a [`Service`](super::Service) serves, and how the host is to treat its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    id: u32,
    route: u32,
    max_request: usize,
    send_buffer: u32,
    timeout: Time,
    body_timeout: Time,
    send_stall_timeout: Time,
    subtype: ContentSubtype,
    drain: Drain,
    streaming: bool,
    needs_metadata: bool,
}

impl Method {
    /// A method that the service knows as `id`: its request is one message of up to 4 MiB (4,194,304 bytes), a drain waits for its calls,
    /// and nobody looks at their metadata.
    #[must_use]
    pub const fn new(id: u32) -> Self {
        Self {
            id,
            route: 0,
            max_request: 4 << 20,
            send_buffer: 0,
            timeout: Time::NONE,
            body_timeout: Time::NONE,
            send_stall_timeout: Time::NONE,
            subtype: ContentSubtype::PROTO,
            drain: Drain::Finish,
            streaming: false,
            needs_metadata: false,
        }
    }

    /// Sets the size, in bytes, of the largest request message, compressed or not. A larger one is answered with `RESOURCE_EXHAUSTED` (8)
    /// as soon as its prefix has arrived, and is not read.
    #[must_use]
    pub const fn max_request(mut self, bytes: usize) -> Self {
        self.max_request = bytes;
        self
    }

    /// Sets how long a call of this method may take, counted from the request's arrival. The call ends with `DEADLINE_EXCEEDED` (4) then,
    /// or when the client's `grpc-timeout` is over, whichever is earlier. Default: no limit but the client's.
    ///
    /// # Panics
    ///
    /// If `timeout` is zero.
    #[must_use]
    #[track_caller]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Time::new(timeout);
        self
    }

    /// Sets how long the one message of a request may take to arrive, counted from when the call may begin. The call ends with
    /// `DEADLINE_EXCEEDED` (4) then. It does not concern [streaming](Self::streaming) methods. Default: the host's.
    ///
    /// # Panics
    ///
    /// If `timeout` is zero.
    #[must_use]
    #[track_caller]
    pub const fn body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = Time::new(timeout);
        self
    }

    /// Sets how long a reply may wait for the client to make room for more of it. The call ends with `RESOURCE_EXHAUSTED` (8) then. Default:
    /// the host's. A host that is not asked for replies meanwhile, as one within somebody else's server, cannot keep this time.
    ///
    /// # Panics
    ///
    /// If `timeout` is zero.
    #[must_use]
    #[track_caller]
    pub const fn send_stall_timeout(mut self, timeout: Duration) -> Self {
        self.send_stall_timeout = Time::new(timeout);
        self
    }

    /// Sets which subtypes of `application/grpc` a request may have. One of another is answered with HTTP 415. Default:
    /// [`ContentSubtype::PROTO`].
    #[must_use]
    pub const fn content_subtype(mut self, subtype: ContentSubtype) -> Self {
        self.subtype = subtype;
        self
    }

    /// Sets what a drain does to calls of this method.
    #[must_use]
    pub const fn drain(mut self, drain: Drain) -> Self {
        self.drain = drain;
        self
    }

    /// Makes the request a stream of messages: the host calls [`call_streaming`](super::Service::call_streaming), and does so as soon as
    /// the head has arrived.
    #[must_use]
    pub const fn streaming(mut self) -> Self {
        self.streaming = true;
        self
    }

    /// Has the host ask [`admit`](super::Service::admit) before a call begins, and keep the request's metadata for it.
    #[must_use]
    pub const fn needs_metadata(mut self) -> Self {
        self.needs_metadata = true;
        self
    }

    /// Sets how many bytes of replies a [`Stream`](super::Service::Stream) is asked for before those it gave were written to the socket.
    ///
    /// With 0, the default, it is asked for one reply at a time, and for none before the peer has room: each is as new as it can be. With
    /// more, it is asked for the next reply as soon as the last has found room, whether or not there is room for another, until that many
    /// bytes wait to be written. A frame counts for 256 more than it holds.
    #[must_use]
    pub const fn send_buffer(mut self, bytes: u32) -> Self {
        self.send_buffer = bytes;
        self
    }

    /// The number that the service gave this method.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Where in a service of services the method is: none of the innermost service's concern.
    pub(crate) const fn routed(mut self, route: u32) -> Self {
        self.route = route;
        self
    }

    pub(crate) const fn route(&self) -> u32 {
        self.route
    }

    pub(crate) const fn numbered(mut self, id: u32) -> Self {
        self.id = id;
        self
    }

    pub(crate) const fn request_limit(&self) -> usize {
        self.max_request
    }

    pub(crate) const fn on_drain(&self) -> Drain {
        self.drain
    }

    pub(crate) fn time_limit(&self) -> Option<Duration> {
        self.timeout.get()
    }

    pub(crate) fn time_for_body(&self) -> Option<Duration> {
        self.body_timeout.get()
    }

    pub(crate) const fn time_for_room(&self) -> Time {
        self.send_stall_timeout
    }

    pub(crate) fn takes(&self, subtype: &[u8]) -> bool {
        match self.subtype {
            ContentSubtype::Any => true,
            ContentSubtype::Only(name) => subtype.eq_ignore_ascii_case(name.as_bytes()),
        }
    }

    pub(crate) const fn is_streaming(&self) -> bool {
        self.streaming
    }

    pub(crate) const fn keeps_metadata(&self) -> bool {
        self.needs_metadata
    }

    pub(crate) const fn send_buffer_size(&self) -> u32 {
        self.send_buffer
    }
}

/// Which codec a request's `content-type` may name: the `SUBTYPE` of `application/grpc+SUBTYPE`. `application/grpc` alone is taken by every
/// method. See [Content-Type][spec] in PROTOCOL-HTTP2.
///
/// [spec]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentSubtype {
    /// This one, in any letter case.
    Only(&'static str),
    /// Whichever the client sends. The answer has the same.
    Any,
}

impl ContentSubtype {
    /// That of protobuf.
    pub const PROTO: Self = Self::Only("proto");
}

/// What a drain does to an open call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Drain {
    /// Waits until it completes, at most until the drain's deadline.
    Finish,
    /// Ends it with `UNAVAILABLE` (14) once the client has been told to go away, and the reply that is due then has been sent: for streams
    /// that have no end of their own.
    End,
}

/// A time, or none, in a word: a method is copied for every call. Longer ones than 584 years are cut to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time(Option<NonZeroU64>);

impl Time {
    const NONE: Self = Self(None);

    #[track_caller]
    const fn new(time: Duration) -> Self {
        let nanos = time.as_nanos();
        assert!(nanos > 0, "a timeout of zero leaves no time for anything");
        let most = u64::MAX as u128;
        Self(NonZeroU64::new(
            if nanos < most { nanos } else { most } as u64
        ))
    }

    pub(crate) fn get(self) -> Option<Duration> {
        self.0.map(|nanos| Duration::from_nanos(nanos.get()))
    }
}
