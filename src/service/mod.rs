//! What an RPC is, to the layer that carries it: the [`Service`] trait and the values that pass through it.
//!
//! Nothing here knows of sockets, HTTP/2 or health checking. A host (such as [`Server`](crate::Server)) turns an HTTP/2 request into a
//! [`Head`] and one message, gives both to [`Service::call`], and turns the [`Answer`] into frames.

mod answer;
mod head;

pub(crate) use answer::panicked;
pub use answer::{Answer, Reply};
pub use head::{Drain, Head, Lifecycle, Method, PeerInfo, Unimplemented};

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;

/// A future that a host polls for as long as it serves a [`Service`].
pub type Background = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A set of RPC methods, served by a host.
///
/// Calls run in the task of the connection they came on: a method that blocks its thread holds up every call of that connection.
/// A panic in [`method`](Self::method) or [`call`](Self::call), or while a stream or future of it is polled, ends that one call with
/// [`Code::UNKNOWN`](crate::Code::UNKNOWN). That needs unwinding: under `panic = "abort"` a panic ends the process.
pub trait Service: Send + Sync + 'static {
    /// The replies of a server-streaming method: whole envelopes, prefix included, and then either the end (status OK) or an error.
    ///
    /// It is polled again only after its last item has been handed to the connection, so that a slow reader stops it.
    type Stream: Stream<Item = Reply> + Unpin + Send + 'static;

    /// The reply of a unary method that has to wait for something.
    type Future: Future<Output = Reply> + Unpin + Send + 'static;

    /// Finds the method at `path`, the exact bytes of the request's `:path` (`/package.Service/Method`).
    ///
    /// # Errors
    ///
    /// [`Unimplemented`] when there is no such service or no such method in it. The caller gets `UNIMPLEMENTED` (12).
    fn method(&self, path: &str) -> Result<Method, Unimplemented>;

    /// Answers one call. `message` is the body of the only message that the request carried.
    fn call(&self, head: &Head<'_>, message: Bytes) -> Answer<Self::Stream, Self::Future>;

    /// Tells the service, once per server, where the server is in its life.
    fn lifecycle(&self, event: Lifecycle) {
        let _ = event;
    }

    /// Work to be done beside the calls; asked for once per server, and dropped with it.
    fn background(&self) -> Option<Background> {
        None
    }
}
