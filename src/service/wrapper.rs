//! A service around another service.

use super::admission::Admission;
use super::answer::Answer;
use super::head::{Head, Lifecycle, Unimplemented};
use super::method::Method;
use super::probe::{Probe, ProbeAnswer};
use super::request::{Message, Rejection, Requests};
use super::service::{Background, Service};

/// A service around another service. Every `Wrapper` is a [`Service`].
///
/// Each method passes on to the [inner](Self::inner) service unless the wrapper has a method of its own, so a wrapper that changes one
/// method loses nothing of the others: no admission, no probe, no announcement of a drain, no background work. A method of the wrapper's
/// own calls the method of the inner service, before or after the wrapper's work.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
///
/// use grpc_health::service::{Answer, Head, Message, Service, Wrapper};
/// use grpc_health::{HealthService, Registry, Server};
///
/// /// Counts the calls of a service.
/// struct Counted<S> {
///     inner: S,
///     calls: AtomicU64,
/// }
///
/// impl<S: Service> Wrapper for Counted<S> {
///     type Inner = S;
///
///     fn inner(&self) -> &S {
///         &self.inner
///     }
///
///     fn call(&self, head: Head<'_>, message: Message) -> Answer<S::Stream, S::Future> {
///         self.calls.fetch_add(1, Relaxed);
///         self.inner.call(head, message)
///     }
/// }
///
/// let inner = HealthService::new(Registry::new());
/// let server = Server::builder().service(Counted { inner, calls: AtomicU64::new(0) }).build();
/// # drop(server);
/// ```
pub trait Wrapper: Send + Sync + 'static {
    /// The service inside.
    type Inner: Service;

    /// Returns the service inside.
    fn inner(&self) -> &Self::Inner;

    /// Finds the method at `path`, as [`Service::method`] does.
    ///
    /// # Errors
    ///
    /// [`Unimplemented`] if the service has no such method.
    fn method(&self, path: &str) -> Result<Method, Unimplemented> {
        self.inner().method(path)
    }

    /// Decides whether a call may begin, as [`Service::admit`] does.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if the call may not begin.
    fn admit(&self, head: &mut Head<'_>) -> Result<Admission, Rejection> {
        self.inner().admit(head)
    }

    /// Answers a call whose request is one message, as [`Service::call`] does.
    fn call(
        &self,
        head: Head<'_>,
        message: Message,
    ) -> Answer<<Self::Inner as Service>::Stream, <Self::Inner as Service>::Future> {
        self.inner().call(head, message)
    }

    /// Answers a call of a streaming method, as [`Service::call_streaming`] does.
    fn call_streaming(
        &self,
        head: Head<'_>,
        requests: Requests,
    ) -> Answer<<Self::Inner as Service>::Stream, <Self::Inner as Service>::Future> {
        self.inner().call_streaming(head, requests)
    }

    /// Answers a health probe over HTTP/1, as [`Service::probe`] does.
    fn probe(&self, probe: Probe<'_>) -> Option<ProbeAnswer> {
        self.inner().probe(probe)
    }

    /// Tells the service of a step in the server's life, as [`Service::lifecycle`] does.
    fn lifecycle(&self, event: Lifecycle) {
        self.inner().lifecycle(event);
    }

    /// Returns the work for the host to poll, as [`Service::background`] does.
    fn background(&self) -> Option<Background> {
        self.inner().background()
    }
}

// A method with a default must be passed on, too: without this the default would hide the inner service's method.
#[deny(clippy::missing_trait_methods)]
impl<W: Wrapper> Service for W {
    type Stream = <W::Inner as Service>::Stream;
    type Future = <W::Inner as Service>::Future;

    fn method(&self, path: &str) -> Result<Method, Unimplemented> {
        Wrapper::method(self, path)
    }

    fn admit(&self, head: &mut Head<'_>) -> Result<Admission, Rejection> {
        Wrapper::admit(self, head)
    }

    fn call(&self, head: Head<'_>, message: Message) -> Answer<Self::Stream, Self::Future> {
        Wrapper::call(self, head, message)
    }

    fn call_streaming(
        &self,
        head: Head<'_>,
        requests: Requests,
    ) -> Answer<Self::Stream, Self::Future> {
        Wrapper::call_streaming(self, head, requests)
    }

    fn probe(&self, probe: Probe<'_>) -> Option<ProbeAnswer> {
        Wrapper::probe(self, probe)
    }

    #[cfg(feature = "__internals")]
    fn is_bare_http(&self) -> bool {
        self.inner().is_bare_http()
    }

    fn routers(&self) -> u32 {
        self.inner().routers()
    }

    fn lifecycle(&self, event: Lifecycle) {
        Wrapper::lifecycle(self, event);
    }

    fn background(&self) -> Option<Background> {
        Wrapper::background(self)
    }
}
