//! The trait that stands between a host and what it serves.

use std::future::Future;
use std::pin::Pin;

use futures_core::Stream;

use super::admission::Admission;
use super::answer::{Answer, Reply};
use super::head::{Head, Lifecycle, Unimplemented};
use super::method::Method;
use super::request::{Message, Rejection, Requests};
use crate::wire::code::Code;
use crate::wire::status::Status;

/// A future that a host polls for as long as it serves a [`Service`].
pub type Background = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A set of RPC methods, served by a host.
///
/// Calls run in the task of the connection they came on: a method that blocks its thread holds up every call of that connection.
/// A panic in [`method`](Self::method), [`admit`](Self::admit) or [`call`](Self::call), or while a stream or future of it is polled, ends
/// that one call with [`Code::UNKNOWN`](crate::Code::UNKNOWN). That needs unwinding: under `panic = "abort"` a panic ends the process.
pub trait Service: Send + Sync + 'static {
    /// The replies of a streaming method, and then either the end (status OK) or an error.
    ///
    /// It is polled only while less than [`Method::send_buffer`] waits to be written, so that a slow reader stops it, and no more after
    /// its end or an error.
    type Stream: Stream<Item = Reply> + Unpin + Send + 'static;

    /// The reply of a unary method that has to wait for something.
    type Future: Future<Output = Reply> + Unpin + Send + 'static;

    /// Finds the method at `path`, the exact bytes of the request's `:path` (`/package.Service/Method`).
    ///
    /// # Errors
    ///
    /// [`Unimplemented`] when there is no such service or no such method in it. The caller gets `UNIMPLEMENTED` (12).
    fn method(&self, path: &str) -> Result<Method, Unimplemented>;

    /// Decides whether a call of a method that [needs metadata](Method::needs_metadata) may begin, before anything of its body is read: at
    /// once, or [later](Admission::later). What is to be kept as long as the call lasts is given to [`Head::keep`], and what is to be told
    /// of its end to [`Head::on_end`].
    ///
    /// A service around another one has to ask the inner one's `admit`. A [`Router`](crate::Router) that has something to decide answers
    /// `INTERNAL` (13) to a call that it has not been asked to admit, so that none of its interceptors is passed by.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if it may not.
    fn admit(&self, head: &mut Head<'_>) -> Result<Admission, Rejection> {
        let _ = head;
        Ok(Admission::Granted)
    }

    /// Answers one call whose request is one message.
    fn call(&self, head: Head<'_>, message: Message) -> Answer<Self::Stream, Self::Future>;

    /// Answers one call of a [streaming](Method::streaming) method.
    fn call_streaming(
        &self,
        head: Head<'_>,
        requests: Requests,
    ) -> Answer<Self::Stream, Self::Future> {
        let _ = (head, requests);
        Answer::Now(Err(Status::new(Code::UNIMPLEMENTED, "no streaming method")))
    }

    /// Whether every request is given to [`call`](Self::call), whatever its head and its body are: for tests of HTTP/2 without gRPC.
    #[cfg(feature = "__internals")]
    #[doc(hidden)]
    fn is_bare_http(&self) -> bool {
        false
    }

    /// How many routers there are in one another, for [`Router`](crate::Router) to tell when they are too many.
    #[doc(hidden)]
    fn routers(&self) -> u32 {
        0
    }

    /// Tells the service, once per server, where the server is in its life.
    fn lifecycle(&self, event: Lifecycle) {
        let _ = event;
    }

    /// Work to be done beside the calls; asked for once per server, and dropped with it.
    fn background(&self) -> Option<Background> {
        None
    }
}
