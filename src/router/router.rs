//! Methods by path: what a router is made of.

use std::fmt;
use std::future::Future;

use foldhash::HashMap;
use futures_core::Stream;

use super::codec::{Decode, Encode};
use super::handler::{Handler, given_many, given_one};
use super::nested::{MAX_LEVELS, METHODS, Nested, NoInnerService};
use super::request::Request;
use super::response::Response;
use super::route::Route;
use super::streaming::Streaming;
use crate::service::{Head, Limit, Service};
use crate::wire::status::Status;

/// The methods of a server: those of the service it holds first, then the application's.
///
/// The calls of the inner service, usually [`HealthService`](crate::HealthService), are passed on as they are: its methods cost what they
/// cost without a router.
///
/// # Panics
///
/// Each of the methods that add a handler panics if its path is not `/package.Service/Method`, or taken: by another handler, or by the
/// inner service.
pub struct Router<S = NoInnerService> {
    pub(super) inner: S,
    /// How many routers there are in one another, this one included.
    pub(super) levels: u32,
    pub(super) methods: Vec<Entry>,
    pub(super) paths: HashMap<Box<str>, u32>,
    pub(super) services: Vec<Box<dyn Nested>>,
    pub(super) interceptors: Vec<Interceptor>,
    /// Paths, and beginnings of paths that end in a slash.
    pub(super) exempt: Vec<Box<str>>,
    pub(super) intercept_inner: bool,
    pub(super) open: Limit,
    pub(super) max_concurrent: Option<usize>,
}

pub(super) type Interceptor = Box<dyn Fn(&Head<'_>) -> Result<(), Status> + Send + Sync>;

/// One of the application's methods.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) route: Route,
    pub(super) handler: Handler,
    pub(super) open: Limit,
}

impl Router {
    /// A router with the application's methods alone.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(NoInnerService)
    }
}

impl<S: Service> Router<S> {
    /// A router that holds `inner`.
    ///
    /// # Panics
    ///
    /// If `inner` is a router, and there are three more in one another in it: four are the most.
    #[must_use]
    #[track_caller]
    pub fn new(inner: S) -> Self {
        Self {
            levels: levels_around(&inner),
            inner,
            methods: Vec::new(),
            paths: HashMap::default(),
            services: Vec::new(),
            interceptors: Vec::new(),
            exempt: Vec::new(),
            intercept_inner: false,
            open: Limit::default(),
            max_concurrent: None,
        }
    }

    /// The service that the router holds.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// Adds a method with one request message and one reply.
    #[must_use]
    #[track_caller]
    pub fn unary<T, U, F, Fut>(self, route: impl Into<Route>, handler: F) -> Self
    where
        T: Decode,
        U: Encode,
        F: Fn(Request<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<U>, Status>> + Send + 'static,
    {
        self.add(route.into(), false, Handler::one(given_one(handler)))
    }

    /// Adds a method with one request message and a stream of replies.
    #[must_use]
    #[track_caller]
    pub fn server_streaming<T, U, F, Fut, R>(self, route: impl Into<Route>, handler: F) -> Self
    where
        T: Decode,
        U: Encode,
        F: Fn(Request<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<R>, Status>> + Send + 'static,
        R: Stream<Item = Result<U, Status>> + Send + 'static,
    {
        self.add(route.into(), false, Handler::many(given_one(handler)))
    }

    /// Adds a method with a stream of request messages and one reply.
    #[must_use]
    #[track_caller]
    pub fn client_streaming<T, U, F, Fut>(self, route: impl Into<Route>, handler: F) -> Self
    where
        T: Decode,
        U: Encode,
        F: Fn(Request<Streaming<T>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<U>, Status>> + Send + 'static,
    {
        self.add(route.into(), true, Handler::one(given_many(handler)))
    }

    /// Adds a method with a stream of request messages and a stream of replies.
    #[must_use]
    #[track_caller]
    pub fn bidi<T, U, F, Fut, R>(self, route: impl Into<Route>, handler: F) -> Self
    where
        T: Decode,
        U: Encode,
        F: Fn(Request<Streaming<T>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<R>, Status>> + Send + 'static,
        R: Stream<Item = Result<U, Status>> + Send + 'static,
    {
        self.add(route.into(), true, Handler::many(given_many(handler)))
    }

    #[track_caller]
    fn add(mut self, mut route: Route, streaming: bool, handler: Handler) -> Self {
        let id = u32::try_from(self.methods.len()).unwrap_or(u32::MAX);
        if streaming {
            route.method = route.method.streaming();
        }
        route.method = route.method.numbered(id).routed(METHODS);
        // Its calls would go to the inner service, without a word.
        let inner_has = self.inner.method(&route.path).is_ok();
        assert!(!inner_has, "{} is the inner service's", route.path);
        let taken = self.paths.insert(route.path.clone(), id);
        assert!(taken.is_none(), "{} has a handler already", route.path);
        self.methods.push(Entry {
            route,
            handler,
            open: Limit::default(),
        });
        self
    }

    /// Adds the methods of another service. It is asked for those that neither the inner service nor a handler has, after the services
    /// that were added before it.
    ///
    /// # Panics
    ///
    /// If there are 254 already, or if `service` has four routers in one another, as [`new`](Self::new).
    #[must_use]
    #[track_caller]
    pub fn service(mut self, service: impl Service) -> Self {
        assert!(self.services.len() < 254, "254 services are the most");
        self.levels = self.levels.max(levels_around(&service));
        self.services.push(Box::new(service));
        self
    }

    /// Has `interceptor` decide of every call, before its body is read, whether it may begin: by its path, metadata, peer. What it
    /// returns as an error is the call's status. Calls of the inner service, and of [exempt](Self::exempt) methods, are not its concern.
    ///
    /// Of several interceptors each has to let a call in. They are asked in the order in which they were added, up to the first error.
    #[must_use]
    pub fn intercept(
        mut self,
        interceptor: impl Fn(&Head<'_>) -> Result<(), Status> + Send + Sync + 'static,
    ) -> Self {
        self.interceptors.push(Box::new(interceptor));
        self
    }

    /// Exempts a method (`/package.Service/Method`), or all methods of a service (`/package.Service/`), from every interceptor.
    #[must_use]
    pub fn exempt(mut self, path: impl Into<Box<str>>) -> Self {
        self.exempt.push(path.into());
        self
    }

    /// Has the interceptors decide of the inner service's calls, too. Probes that know no secret then fail.
    #[must_use]
    pub const fn intercept_inner(mut self) -> Self {
        self.intercept_inner = true;
        self
    }

    /// Sets how many calls of handlers may be in progress at once, on all connections and of all methods together. A further one is reset
    /// with `REFUSED_STREAM`, as if it had never come: clients try it again, elsewhere if they can. Calls of the inner service and of
    /// [added](Self::service) ones do not count. Default: no limit but that of each connection's streams.
    #[must_use]
    pub const fn max_concurrent(mut self, calls: usize) -> Self {
        self.max_concurrent = Some(calls);
        self
    }
}

/// The levels of a router around `service`.
#[track_caller]
fn levels_around(service: &impl Service) -> u32 {
    let levels = service.routers();
    assert!(
        levels < MAX_LEVELS,
        "more than {MAX_LEVELS} routers in one another"
    );
    levels + 1
}

impl<S: fmt::Debug> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("inner", &self.inner)
            .field("methods", &self.methods)
            .field("services", &self.services)
            .finish_non_exhaustive()
    }
}
