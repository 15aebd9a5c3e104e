//! Services within a router.

use std::fmt;
use std::future::Pending;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::handler::{BoxFuture, BoxStream};
use crate::service::{
    Admission, Answer, Background, Head, Lifecycle, Message, Method, Probe, ProbeAnswer, Rejection,
    Reply, Requests, Service, Unimplemented, unknown_method,
};

/// A method's route: the last 8 bits select the service, the higher bits are that service's own route.
pub(super) const ROUTE_BITS: u32 = 8;
/// The route of the inner service's methods. Those of added services are numbered from 1.
pub(super) const INNER: u32 = 0;
/// The route of the handlers.
pub(super) const METHODS: u32 = 0xFF;
/// How many nested routers fit into a route.
pub(super) const MAX_DEPTH: u32 = u32::BITS / ROUTE_BITS;

/// The route of a method of the service at `index`.
pub(super) fn nest(method: Method, index: u32) -> Result<Method, Unimplemented> {
    let route = method.route();
    // Too deep: the service did not tell the router how many routers are nested in the service.
    if route.leading_zeros() < ROUTE_BITS {
        return Err(Unimplemented::Method);
    }
    Ok(method.routed((route << ROUTE_BITS) | index))
}

/// A service of any type.
pub(super) trait Nested: Send + Sync {
    fn method(&self, path: &str) -> Result<Method, Unimplemented>;
    fn admit(&self, head: &mut Head<'_>) -> Result<Admission, Rejection>;
    fn call(&self, head: Head<'_>, message: Message) -> Answer<BoxStream, BoxFuture>;
    fn call_streaming(&self, head: Head<'_>, requests: Requests) -> Answer<BoxStream, BoxFuture>;
    fn probe(&self, probe: Probe<'_>) -> Option<ProbeAnswer>;
    fn lifecycle(&self, event: Lifecycle);
    fn background(&self) -> Option<Background>;
}

impl fmt::Debug for dyn Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

fn boxed<S: Service>(answer: Answer<S::Stream, S::Future>) -> Answer<BoxStream, BoxFuture> {
    match answer {
        Answer::Now(reply) => Answer::Now(reply),
        Answer::Stream(stream) => Answer::Stream(Box::pin(stream)),
        Answer::Future(future) => Answer::Future(Box::pin(future)),
    }
}

impl<S: Service> Nested for S {
    fn method(&self, path: &str) -> Result<Method, Unimplemented> {
        Service::method(self, path)
    }

    fn admit(&self, head: &mut Head<'_>) -> Result<Admission, Rejection> {
        Service::admit(self, head)
    }

    fn call(&self, head: Head<'_>, message: Message) -> Answer<BoxStream, BoxFuture> {
        boxed::<S>(Service::call(self, head, message))
    }

    fn call_streaming(&self, head: Head<'_>, requests: Requests) -> Answer<BoxStream, BoxFuture> {
        boxed::<S>(Service::call_streaming(self, head, requests))
    }

    fn probe(&self, probe: Probe<'_>) -> Option<ProbeAnswer> {
        Service::probe(self, probe)
    }

    fn lifecycle(&self, event: Lifecycle) {
        Service::lifecycle(self, event);
    }

    fn background(&self) -> Option<Background> {
        Service::background(self)
    }
}

/// A service without methods: the inner service of a [`Router`](super::Router) that was made with [`Router::empty`](super::Router::empty).
#[derive(Debug, Clone, Copy, Default)]
pub struct NoInnerService;

/// The stream and the future of a service without methods: neither ever exists.
#[derive(Debug)]
pub enum Never {}

impl Stream for Never {
    type Item = Reply;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Reply>> {
        match *self {}
    }
}

impl Service for NoInnerService {
    type Stream = Never;
    type Future = Pending<Reply>;

    fn method(&self, _: &str) -> Result<Method, Unimplemented> {
        Err(Unimplemented::Service)
    }

    fn admit(&self, _: &mut Head<'_>) -> Result<Admission, Rejection> {
        Ok(Admission::Granted)
    }

    fn call(&self, head: Head<'_>, message: Message) -> Answer<Never, Pending<Reply>> {
        let _ = (head, message);
        Answer::Now(Err(unknown_method()))
    }

    fn lifecycle(&self, _: Lifecycle) {}

    fn background(&self) -> Option<Background> {
        None
    }
}
