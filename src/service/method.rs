//! A method, and how a host treats the method's calls.

use std::num::NonZeroU64;
use std::time::Duration;

/// A method of a [`Service`](super::Service), and how a host treats the method's calls.
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
    probe: bool,
}

impl Method {
    /// Makes a method that the service knows as `id`, with the defaults: the request is one message of up to 4 MiB (4,194,304 bytes), a
    /// drain waits for the method's calls, and the host does not keep the metadata of requests.
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
            probe: false,
        }
    }

    /// Limits the size of a request message in bytes, before and after decompression. Default: 4 MiB (4,194,304). The host answers a larger
    /// message with `RESOURCE_EXHAUSTED` (8) and does not read the message.
    #[must_use]
    pub const fn max_request(mut self, bytes: usize) -> Self {
        self.max_request = bytes;
        self
    }

    /// Limits how long a call of the method may take, counted from the request's arrival. Default: no limit for the method. The call ends
    /// with `DEADLINE_EXCEEDED` (4) after this time, or when the client's `grpc-timeout` is over, whichever is earlier.
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

    /// Limits how long the one message of a request may take to arrive, counted from when the call may begin. Default: the host's limit.
    /// After this time the call ends with `DEADLINE_EXCEEDED` (4). [Streaming](Self::streaming) methods ignore the limit.
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

    /// Limits how long the client may take for each [`send_stall_bytes`](crate::server::Builder::send_stall_bytes) of a reply. Default: the
    /// host's limit.
    /// After this time the call ends with `RESOURCE_EXHAUSTED` (8). A [`Server`](crate::Server) enforces the limit; a service inside
    /// another HTTP server cannot.
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

    /// Sets the subtypes of `application/grpc` that a request may have. Default: [`ContentSubtype::PROTO`]. The host answers any other
    /// subtype with HTTP status 415.
    #[must_use]
    pub const fn content_subtype(mut self, subtype: ContentSubtype) -> Self {
        self.subtype = subtype;
        self
    }

    /// Sets what happens to the method's open calls when the server drains. Default: [`Drain::Finish`].
    #[must_use]
    pub const fn drain(mut self, drain: Drain) -> Self {
        self.drain = drain;
        self
    }

    /// Makes the request a stream of messages. The host calls [`call_streaming`](super::Service::call_streaming) as soon as the request's
    /// head has arrived.
    #[must_use]
    pub const fn streaming(mut self) -> Self {
        self.streaming = true;
        self
    }

    /// Makes the host ask [`admit`](super::Service::admit) before a call begins, and keep the request's metadata for the call. Default: the
    /// host does neither.
    #[must_use]
    pub const fn needs_metadata(mut self) -> Self {
        self.needs_metadata = true;
        self
    }

    /// Sets how many bytes of a [`Stream`](super::Service::Stream)'s replies may wait to be written to the socket before the host stops
    /// asking the stream for more. Default: 0. Each frame counts 256 bytes more than its length.
    ///
    /// With 0, the host asks for one reply at a time, and only when the client has made room, so that each reply is as new as possible.
    /// With more, the host asks for the next reply before the client has made room.
    #[must_use]
    pub const fn send_buffer(mut self, bytes: u32) -> Self {
        self.send_buffer = bytes;
        self
    }

    /// Marks the method as one that balancers probe: the aliases and the header of a listener hold for it.
    pub(crate) const fn probe(mut self) -> Self {
        self.probe = true;
        self
    }

    pub(crate) const fn is_probe(&self) -> bool {
        self.probe
    }

    /// The number that the service has given to the method.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Sets where a nested service has the method. The innermost service does not read the route.
    pub(crate) const fn routed(mut self, route: u32) -> Self {
        self.route = route;
        self
    }

    pub(crate) const fn route(&self) -> u32 {
        self.route
    }

    /// A number that tells the method from every other method of its server.
    #[inline]
    pub(crate) fn key(&self) -> u64 {
        u64::from(self.route()) << 32 | u64::from(self.id())
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

/// The codecs that a request's `content-type` may name: the `SUBTYPE` of `application/grpc+SUBTYPE`. Every method accepts plain
/// `application/grpc`. See [Content-Type][spec] in PROTOCOL-HTTP2.
///
/// [spec]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentSubtype {
    /// This subtype, in any letter case.
    Only(&'static str),
    /// Every subtype. The response has the subtype of the request.
    Any,
}

impl ContentSubtype {
    /// The subtype of protobuf.
    pub const PROTO: Self = Self::Only("proto");
}

/// What a drain does to an open call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Drain {
    /// The drain waits until the call is complete, at most until the drain's deadline.
    Finish,
    /// The drain ends the call with `UNAVAILABLE` (14), after the client has got GOAWAY and the reply that is due. For long-lived streams,
    /// which do not end by themselves.
    End,
}

/// An optional time in one word, since a method is copied for every call. A time over 584 years is cut to 584 years.
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
