//! The trait between a host and the RPC methods that the host serves.

use std::future::Future;
use std::pin::Pin;

use futures_core::Stream;

use super::admission::Admission;
use super::answer::{Answer, Reply};
use super::head::{Head, Lifecycle, Unimplemented};
use super::method::Method;
use super::probe::{Probe, ProbeAnswer};
use super::request::{Message, Rejection, Requests};
use crate::wire::code::Code;
use crate::wire::status::Status;

/// The background work of a [`Service`], which a host polls for as long as the host serves the service.
pub type Background = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A set of RPC methods that a host serves.
///
/// A service around another service implements [`Wrapper`](super::Wrapper) in place of this trait, and so passes on what the wrapper does
/// not change. Without a default for `admit`, `lifecycle` and `background`, an implementation by hand cannot forget the inner service's:
///
/// ```compile_fail,E0046
/// # use grpc_health::service::{Answer, Head, Message, Method, Service, Unimplemented};
/// struct Outer<S>(S);
///
/// impl<S: Service> Service for Outer<S> {
///     type Stream = S::Stream;
///     type Future = S::Future;
///
///     fn method(&self, path: &str) -> Result<Method, Unimplemented> {
///         self.0.method(path)
///     }
///
///     fn call(&self, head: Head<'_>, message: Message) -> Answer<S::Stream, S::Future> {
///         self.0.call(head, message)
///     }
/// }
/// ```
///
/// A call runs in the task of its connection: a method that blocks the thread delays every call of the connection.
///
/// A panic in [`method`](Self::method), [`admit`](Self::admit) or [`call`](Self::call), or while a stream or a future of the service is
/// polled, ends only that call, with [`Code::UNKNOWN`](crate::Code::UNKNOWN). Under `panic = "abort"` a panic ends the process.
pub trait Service: Send + Sync + 'static {
    /// The replies of a streaming method. The stream ends with `None` (status OK) or an error.
    ///
    /// The host polls the stream only while less than [`Method::send_buffer`] bytes wait to be written, so that a slow client slows the
    /// stream down. The host does not poll the stream after its end or an error.
    type Stream: Stream<Item = Reply> + Unpin + Send + 'static;

    /// The one reply of a unary method that has to wait.
    type Future: Future<Output = Reply> + Unpin + Send + 'static;

    /// Finds the method at `path`, the exact bytes of the request's `:path` (`/package.Service/Method`).
    ///
    /// # Errors
    ///
    /// [`Unimplemented`] if the service has no such method. The client gets `UNIMPLEMENTED` (12).
    fn method(&self, path: &str) -> Result<Method, Unimplemented>;

    /// Decides whether a call of a method that [needs metadata](Method::needs_metadata) may begin. The host asks before the request's body
    /// is read. The service decides now, or [later](Admission::later). [`Head::keep`] keeps a value for as long as the call lasts, and
    /// [`Head::on_end`] adds an observer of the call's end. A service without conditions returns [`Admission::Granted`].
    ///
    /// A service around another service must pass `admit` on to the inner service, as [`Wrapper`](super::Wrapper) does. A
    /// [`Router`](crate::Router) with interceptors or limits answers `INTERNAL` (13) to a call that the router was not asked to admit, so
    /// that no interceptor is bypassed.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if the call may not begin.
    fn admit(&self, head: &mut Head<'_>) -> Result<Admission, Rejection>;

    /// Answers a call whose request is one message.
    fn call(&self, head: Head<'_>, message: Message) -> Answer<Self::Stream, Self::Future>;

    /// Answers a call of a [streaming](Method::streaming) method. Default: `UNIMPLEMENTED` (12).
    fn call_streaming(
        &self,
        head: Head<'_>,
        requests: Requests,
    ) -> Answer<Self::Stream, Self::Future> {
        let _ = (head, requests);
        Answer::Now(Err(Status::new(Code::UNIMPLEMENTED, "no streaming method")))
    }

    /// Answers a health probe over HTTP/1, which a listener with
    /// [`ListenOptions::http1`](crate::server::ListenOptions) passes on. The answer must be ready at once. `None` means that the
    /// service has nothing at the probe's path; the client gets 404. Default: `None`. No [`admit`](Self::admit) is asked before.
    ///
    /// A service around another service must pass `probe` on to the inner service, as [`Wrapper`](super::Wrapper) does.
    fn probe(&self, probe: Probe<'_>) -> Option<ProbeAnswer> {
        let _ = probe;
        None
    }

    /// Whether the host gives every request to [`call`](Self::call), whatever its head and body are: for tests of HTTP/2 without gRPC.
    #[cfg(feature = "__internals")]
    #[doc(hidden)]
    fn is_bare_http(&self) -> bool {
        false
    }

    /// How many routers are nested in the service, so that a [`Router`](crate::Router) around the service can refuse too many.
    #[doc(hidden)]
    fn routers(&self) -> u32 {
        0
    }

    /// Tells the service of a step in the server's life. Steps are told one at a time, in their order, whichever threads cause them.
    ///
    /// The function may itself take a shutdown back or begin one: that step is told when the function has returned. The function must not
    /// wait for another thread that does so, since that thread waits for the function.
    fn lifecycle(&self, event: Lifecycle);

    /// Work for the host to poll next to the calls. Each host asks once, and drops the work when the host is dropped.
    fn background(&self) -> Option<Background>;
}
