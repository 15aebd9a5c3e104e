//! The router as a service: finds the method, admits the call, passes the call on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use super::codec::Format;
use super::handler::{Arrival, BoxFuture, BoxStream, Input, Output};
use super::interceptors::forgotten;
use super::nested::{INNER, METHODS, Nested, ROUTE_BITS, nest};
use super::router::{Entry, Router};
use super::spawned::spawn;
use crate::service::{
    Admission, Answer, Background, Contained, Head, Lifecycle, Limit, Message, Method, Open,
    Permit, Probe, ProbeAnswer, Rejection, Reply, Requests, Service, Unimplemented, unknown_method,
};
use crate::wire::code::Code;
use crate::wire::encoding::Encoding;
use crate::wire::status::Status;

impl<S: Service> Router<S> {
    fn entry(&self, head: &Head<'_>) -> Option<&Entry> {
        self.methods.get(head.method() as usize)
    }

    /// The added service that a route leads to.
    fn nested(&self, route: u32) -> Option<&dyn Nested> {
        let index = (route & METHODS).checked_sub(1)?;
        self.services.get(index as usize).map(|service| &**service)
    }

    /// Takes the call's place among the handler's calls and the router's calls in progress. Only the first call of this function takes the
    /// place: an async interceptor may have taken the place before.
    fn place(&self, head: &mut Head<'_>) -> Result<(), Rejection> {
        let Some(entry) = self
            .entry(head)
            .filter(|_| head.route() & METHODS == METHODS)
        else {
            return Ok(());
        };
        match head.step(self.interceptors.id()) {
            Some((step, _)) if step.placed => return Ok(()),
            Some((step, _)) => step.placed = true,
            None => {}
        }
        let of_all = one_of(&self.open, self.max_concurrent, || Rejection::Unprocessed)?;
        let of_method = one_of(&entry.open, entry.route.max_concurrent, || {
            let message = "too many calls of this method in progress";
            Status::new(Code::RESOURCE_EXHAUSTED, message).into()
        })?;
        if of_all.is_some() || of_method.is_some() {
            head.keep(Permit::new((of_all, of_method)));
        }
        Ok(())
    }

    /// Whether the router has interceptors to ask, observers to tell, or limits to keep for this call.
    fn is_asked(&self, head: &Head<'_>) -> bool {
        match head.route() & METHODS {
            INNER => self.intercepts_inner && !self.interceptors.is_empty(),
            METHODS => {
                let entry = self.entry(head);
                let limit = entry.and_then(|entry| entry.route.max_concurrent);
                !self.interceptors.is_empty() || limit.or(self.max_concurrent).is_some()
            }
            _ => !self.interceptors.is_empty(),
        }
    }

    /// Refuses a call that should have been admitted by this router and was not, because a service around the router does not pass `admit`
    /// on.
    fn check<St, F>(&self, head: &Head<'_>) -> Result<(), Answer<St, F>> {
        if self.is_asked(head) && !head.is_admitted(self.interceptors.id()) {
            return Err(Answer::Now(Err(forgotten())));
        }
        Ok(())
    }

    fn handle(&self, head: Head<'_>, input: Input) -> Answer<BoxStream, BoxFuture> {
        let Some(entry) = self.entry(&head) else {
            return Answer::Now(Err(unknown_method()));
        };
        let permit = head.permit();
        let arrival = Arrival {
            format: Format {
                encoding: encoding(&head, entry.route.compress),
                max_reply: entry.route.max_reply,
            },
            context: head.into_request(),
            input,
        };
        let mut output = entry.handler.answer(arrival);
        if entry.route.spawned {
            output = spawn(output, permit);
        }
        match output {
            Output::Many(stream) => Answer::Stream(stream),
            Output::One(mut future) => {
                // Many handlers never wait. A handler that does is polled again at once, with a waker.
                match future
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                {
                    Poll::Ready(reply) => Answer::Now(reply),
                    Poll::Pending => Answer::Future(future),
                }
            }
        }
    }

    /// Whether a handler belongs to the service in this path.
    fn has_service_of(&self, path: &str) -> bool {
        let wanted = service_of(path);
        wanted.is_some() && self.paths.keys().any(|path| service_of(path) == wanted)
    }
}

impl<S: Service> Service for Router<S> {
    type Stream = RouterStream<S::Stream>;
    type Future = RouterFuture<S::Future>;

    fn method(&self, path: &str) -> Result<Method, Unimplemented> {
        let mut known = match self.inner.method(path) {
            Ok(method) => {
                let method = nest(method, INNER)?;
                return Ok(if self.intercepts_inner {
                    method.needs_metadata()
                } else {
                    method
                });
            }
            Err(missing) => missing == Unimplemented::Method,
        };
        if let Some(id) = self.paths.get(path) {
            let entry = self.methods.get(*id as usize);
            return entry
                .map(|entry| entry.route.method)
                .ok_or(Unimplemented::Method);
        }
        for (index, service) in (1..).zip(&self.services) {
            match service.method(path) {
                Ok(method) => return nest(method.needs_metadata(), index),
                Err(missing) => known |= missing == Unimplemented::Method,
            }
        }
        if known || self.has_service_of(path) {
            Err(Unimplemented::Method)
        } else {
            Err(Unimplemented::Service)
        }
    }

    fn admit(&self, head: &mut Head<'_>) -> Result<Admission, Rejection> {
        let id = self.interceptors.id();
        let route = head.route();
        if self.is_asked(head) && !head.is_admitted(id) {
            let of_inner = route & METHODS == INNER;
            let place = |head: &mut Head<'_>| self.place(head);
            if let Some(later) = self.interceptors.ask(head, of_inner, place)? {
                return Ok(later);
            }
            if let Some((step, _)) = head.step(id) {
                step.admitted = true;
            }
        }
        match route & METHODS {
            INNER => head.within(route >> ROUTE_BITS, |head| self.inner.admit(head)),
            METHODS => Ok(Admission::Granted),
            _ => self
                .nested(route)
                .map_or(Ok(Admission::Granted), |service| {
                    head.within(route >> ROUTE_BITS, |head| service.admit(head))
                }),
        }
    }

    fn call(&self, head: Head<'_>, message: Message) -> Answer<Self::Stream, Self::Future> {
        if let Err(refused) = self.check(&head) {
            return refused;
        }
        let route = head.route();
        match route & METHODS {
            INNER => from_inner(self.inner.call(head.routed(route >> ROUTE_BITS), message)),
            METHODS => from_boxed(self.handle(head, Input::One(message))),
            _ => from_boxed(match self.nested(route) {
                Some(service) => service.call(head.routed(route >> ROUTE_BITS), message),
                None => self.handle(head, Input::One(message)),
            }),
        }
    }

    fn call_streaming(
        &self,
        head: Head<'_>,
        requests: Requests,
    ) -> Answer<Self::Stream, Self::Future> {
        if let Err(refused) = self.check(&head) {
            return refused;
        }
        let route = head.route();
        match route & METHODS {
            INNER => from_inner(
                self.inner
                    .call_streaming(head.routed(route >> ROUTE_BITS), requests),
            ),
            METHODS => from_boxed(self.handle(head, Input::Many(requests))),
            _ => from_boxed(match self.nested(route) {
                Some(service) => service.call_streaming(head.routed(route >> ROUTE_BITS), requests),
                None => self.handle(head, Input::Many(requests)),
            }),
        }
    }

    fn routers(&self) -> u32 {
        self.depth
    }

    fn probe(&self, probe: Probe<'_>) -> Option<ProbeAnswer> {
        // A probe has nothing that interceptors could decide by.
        if self.intercepts_inner {
            return None;
        }
        let nested = || {
            let free = self.interceptors.is_empty();
            let mut services = self.services.iter().filter(|_| free);
            services.find_map(|service| service.probe(probe))
        };
        self.inner.probe(probe).or_else(nested)
    }

    fn lifecycle(&self, event: Lifecycle) {
        self.inner.lifecycle(event);
        for service in &self.services {
            service.lifecycle(event);
        }
    }

    fn background(&self) -> Option<Background> {
        let first = self.inner.background();
        let others = self
            .services
            .iter()
            .filter_map(|service| service.background());
        let mut all: Vec<_> = first.into_iter().chain(others).collect();
        if all.len() < 2 {
            return all.pop();
        }
        Some(Box::pin(All(all.into_iter().map(Contained::new).collect())))
    }
}

fn service_of(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(service, _)| service)
}

/// The encoding of a call's replies: gzip if the method compresses and the client accepts gzip.
fn encoding(head: &Head<'_>, compress: bool) -> Encoding {
    #[cfg(feature = "gzip")]
    if compress && head.accepts(Encoding::Gzip) {
        return Encoding::Gzip;
    }
    #[cfg(not(feature = "gzip"))]
    let _ = (head, compress);
    Encoding::Identity
}

fn one_of(
    open: &Limit,
    max: Option<usize>,
    rejection: impl FnOnce() -> Rejection,
) -> Result<Option<Open>, Rejection> {
    max.map(|max| open.open(max).ok_or_else(rejection))
        .transpose()
}

fn from_inner<St, F>(answer: Answer<St, F>) -> Answer<RouterStream<St>, RouterFuture<F>> {
    match answer {
        Answer::Now(reply) => Answer::Now(reply),
        Answer::Stream(stream) => Answer::Stream(RouterStream(Either::Inner(stream))),
        Answer::Future(future) => Answer::Future(RouterFuture(Either::Inner(future))),
    }
}

fn from_boxed<St, F>(
    answer: Answer<BoxStream, BoxFuture>,
) -> Answer<RouterStream<St>, RouterFuture<F>> {
    match answer {
        Answer::Now(reply) => Answer::Now(reply),
        Answer::Stream(stream) => Answer::Stream(RouterStream(Either::Boxed(stream))),
        Answer::Future(future) => Answer::Future(RouterFuture(Either::Boxed(future))),
    }
}

#[derive(Debug)]
enum Either<A, B> {
    Inner(A),
    Boxed(B),
}

/// The stream of replies of a [`Router`]'s call.
pub struct RouterStream<St>(Either<St, BoxStream>);

impl<St> fmt::Debug for RouterStream<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterStream").finish_non_exhaustive()
    }
}

impl<St: Stream<Item = Reply> + Unpin> Stream for RouterStream<St> {
    type Item = Reply;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        match &mut self.0 {
            Either::Inner(stream) => Pin::new(stream).poll_next(cx),
            Either::Boxed(stream) => stream.as_mut().poll_next(cx),
        }
    }
}

/// The future of a [`Router`]'s call with one reply.
pub struct RouterFuture<F>(Either<F, BoxFuture>);

impl<F> fmt::Debug for RouterFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterFuture").finish_non_exhaustive()
    }
}

impl<F: Future<Output = Reply> + Unpin> Future for RouterFuture<F> {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        match &mut self.0 {
            Either::Inner(future) => Pin::new(future).poll(cx),
            Either::Boxed(future) => future.as_mut().poll(cx),
        }
    }
}

/// The background work of several services. A panic ends the work of one service only.
struct All(Vec<Contained<Background>>);

impl Future for All {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0
            .retain_mut(|work| Pin::new(work).poll(cx).is_pending());
        if self.0.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
