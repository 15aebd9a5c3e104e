//! The router: an inner service, and the application's methods by path.

use std::fmt;
use std::future::Future;

use foldhash::HashMap;
use futures_core::Stream;

use super::codec::{Decode, Encode};
use super::handler::{Handler, given_many, given_one};
use super::interceptors::Interceptors;
use super::nested::{MAX_DEPTH, METHODS, Nested, NoInnerService};
use super::request::Request;
use super::response::Response;
use super::route::Route;
use super::streaming::Streaming;
use crate::service::{CallEnd, Limit, Method, RequestContext, Service, Unimplemented};
use crate::wire::status::Status;

/// A service made of an inner service and the application's methods. The inner service's methods come first.
///
/// The inner service is usually [`HealthService`](crate::HealthService). The router passes the inner service's calls on unchanged: a health
/// check costs what a health check costs without a router.
///
/// # Panics
///
/// Each method that adds a handler panics if the path is not `/package.Service/Method`, or if another handler or the inner service has the
/// path already.
pub struct Router<S = NoInnerService> {
    pub(super) inner: S,
    /// How many routers are nested, including this one.
    pub(super) depth: u32,
    pub(super) methods: Vec<Entry>,
    pub(super) paths: HashMap<Box<str>, u32>,
    pub(super) services: Vec<Box<dyn Nested>>,
    pub(super) interceptors: Interceptors,
    /// Whether interceptors are asked about calls of the inner service.
    pub(super) intercepts_inner: bool,
    pub(super) open: Limit,
    pub(super) max_concurrent: Option<usize>,
}

/// One of the application's methods.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) route: Route,
    pub(super) handler: Handler,
    pub(super) open: Limit,
}

impl Router {
    /// Makes a router without an inner service: the router has the application's methods alone.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(NoInnerService)
    }
}

impl<S: Service> Router<S> {
    /// Makes a router around the inner service `inner`.
    ///
    /// # Panics
    ///
    /// If more than four routers would be nested: `inner` is a router with three more routers nested in it.
    #[must_use]
    #[track_caller]
    pub fn new(inner: S) -> Self {
        Self {
            depth: depth_around(&inner),
            inner,
            methods: Vec::new(),
            paths: HashMap::default(),
            services: Vec::new(),
            interceptors: Interceptors::new(),
            intercepts_inner: false,
            open: Limit::default(),
            max_concurrent: None,
        }
    }

    /// The router's inner service.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// Adds a unary method: one request message, one reply.
    #[must_use]
    #[track_caller]
    pub fn unary<T, U, F, Fut>(self, route: impl Into<Route>, handler: F) -> Self
    where
        T: Decode,
        U: Encode,
        F: Fn(Request<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<U>, Status>> + Send + 'static,
    {
        self.add(unary::<T>(route), Handler::one(given_one(handler)))
    }

    /// Adds a server-streaming method: one request message, a stream of replies.
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
        self.add(unary::<T>(route), Handler::many(given_one(handler)))
    }

    /// Adds a client-streaming method: a stream of request messages, one reply.
    #[must_use]
    #[track_caller]
    pub fn client_streaming<T, U, F, Fut>(self, route: impl Into<Route>, handler: F) -> Self
    where
        T: Decode,
        U: Encode,
        F: Fn(Request<Streaming<T>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<U>, Status>> + Send + 'static,
    {
        self.add(streaming::<T>(route), Handler::one(given_many(handler)))
    }

    /// Adds a bidirectional method: a stream of request messages, a stream of replies.
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
        self.add(streaming::<T>(route), Handler::many(given_many(handler)))
    }

    #[track_caller]
    fn add(mut self, mut route: Route, handler: Handler) -> Self {
        let id = u32::try_from(self.methods.len()).unwrap_or(u32::MAX);
        route.method = route.method.numbered(id).routed(METHODS);
        // Otherwise the handler would never be called, since the inner service's methods come first.
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

    /// Adds the methods of another service. The router asks `service` for a method only if the inner service, the handlers and the services
    /// added before do not have the method.
    ///
    /// # Panics
    ///
    /// If 254 services were added already, or if more than four routers would be nested (see [`new`](Self::new)).
    #[must_use]
    #[track_caller]
    pub fn service(mut self, service: impl Service) -> Self {
        assert!(
            self.services.len() < 254,
            "a router takes at most 254 services"
        );
        self.depth = self.depth.max(depth_around(&service));
        self.services.push(Box::new(service));
        self
    }

    /// Adds an interceptor: a function that decides whether a call may begin, by the call's path, metadata and peer. The router asks before
    /// the request's body is read. An `Err` refuses the call with that status.
    ///
    /// The interceptor may add extensions for the handler ([`extensions_mut`](RequestContext::extensions_mut)) and metadata for the client
    /// ([`response_metadata_mut`](RequestContext::response_metadata_mut)).
    ///
    /// A call begins if every interceptor admits the call. The router asks the interceptors in the order in which they were added, up to
    /// the first error. The router does not ask about calls of the inner service (unless [`intercept_inner`](Self::intercept_inner) is
    /// set), about [exempt](Self::exempt) methods, and about methods that do not exist.
    ///
    /// ```
    /// use grpc_health::Status;
    /// use grpc_health::router::Router;
    ///
    /// #[derive(Clone)]
    /// struct User(String);
    ///
    /// let router = Router::empty().intercept(|call| {
    ///     let user = call.metadata().get("x-user").map(str::to_owned);
    ///     let user = user.ok_or_else(|| Status::unauthenticated("who are you?"))?;
    ///     call.extensions_mut().insert(User(user));
    ///     Ok(())
    /// });
    /// # drop(router);
    /// ```
    #[must_use]
    pub fn intercept<F>(mut self, interceptor: F) -> Self
    where
        F: Fn(&mut RequestContext) -> Result<(), Status> + Send + Sync + 'static,
    {
        self.interceptors.add(None, interceptor);
        self
    }

    /// Adds an async interceptor: an [interceptor](Self::intercept) that may wait, for example for another server. The function takes the
    /// call's context and returns it.
    ///
    /// While the interceptor waits, the server does not read the request's body. From the first async interceptor on, the call counts as a
    /// call [in progress](Self::max_concurrent).
    ///
    /// # Cancel safety
    ///
    /// The future is dropped, at any `await`, when the client cancels the call, the call's deadline passes, the connection ends, or the
    /// deadline of a shutdown passes.
    ///
    /// # Example
    ///
    /// ```
    /// use grpc_health::Status;
    /// use grpc_health::router::Router;
    ///
    /// async fn is_valid(token: &str) -> bool {
    ///     // Asks somebody else.
    ///     token == "s3cret"
    /// }
    ///
    /// let router = Router::empty().intercept_async(|call| async move {
    ///     match call.metadata().get("token") {
    ///         Some(token) if is_valid(token).await => Ok(call),
    ///         _ => Err(Status::unauthenticated("who are you?")),
    ///     }
    /// });
    /// # drop(router);
    /// ```
    #[must_use]
    pub fn intercept_async<F, Fut>(mut self, interceptor: F) -> Self
    where
        F: Fn(RequestContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<RequestContext, Status>> + Send + 'static,
    {
        self.interceptors.add_async(None, interceptor);
        self
    }

    /// Adds an [interceptor](Self::intercept) for one method (`/package.Service/Method`), or for all methods of one service
    /// (`/package.Service/`). The method or service may be the inner service's.
    ///
    /// # Panics
    ///
    /// If the router does not have the method or service yet: add the method or service first.
    #[must_use]
    #[track_caller]
    pub fn intercept_at<F>(mut self, path: impl Into<Box<str>>, interceptor: F) -> Self
    where
        F: Fn(&mut RequestContext) -> Result<(), Status> + Send + Sync + 'static,
    {
        let path = self.known(path.into());
        self.interceptors.add(Some(path), interceptor);
        self
    }

    /// Adds an [async interceptor](Self::intercept_async) for one method (`/package.Service/Method`), or for all methods of one service
    /// (`/package.Service/`). The method or service may be the inner service's.
    ///
    /// # Panics
    ///
    /// If the router does not have the method or service yet: add the method or service first.
    #[must_use]
    #[track_caller]
    pub fn intercept_async_at<F, Fut>(mut self, path: impl Into<Box<str>>, interceptor: F) -> Self
    where
        F: Fn(RequestContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<RequestContext, Status>> + Send + 'static,
    {
        let path = self.known(path.into());
        self.interceptors.add_async(Some(path), interceptor);
        self
    }

    /// Checks that a path has a method or service: an interceptor at any other path would protect nothing, silently.
    #[track_caller]
    fn known(&mut self, path: Box<str>) -> Box<str> {
        self.intercepts_inner |= leads_to(&path, self.inner.method(&path));
        self.assert_known(&path);
        path
    }

    #[track_caller]
    fn assert_known(&self, path: &str) {
        assert!(
            leads_to(path, Service::method(self, path)),
            "no method or service at {path}"
        );
    }

    /// Adds an observer: a function that is told when a call has ended, with the call's code and duration. The router tells observers of
    /// calls that interceptors refuse, too, and of calls that end before their handler is asked. The router does not tell observers of
    /// calls of the inner service (unless [`intercept_inner`](Self::intercept_inner) is set), and of methods that do not exist.
    ///
    /// The observer runs in the connection's task and must not block. A panic of the observer is caught.
    ///
    /// ```
    /// use grpc_health::router::Router;
    ///
    /// let router = Router::empty().observe(|call| {
    ///     println!("{} {} {:?}", call.path(), call.code(), call.elapsed());
    /// });
    /// # drop(router);
    /// ```
    #[must_use]
    pub fn observe<F>(mut self, observer: F) -> Self
    where
        F: Fn(&CallEnd<'_>) + Send + Sync + 'static,
    {
        self.interceptors.observe(observer);
        self
    }

    /// Exempts one method (`/package.Service/Method`), or all methods of one service (`/package.Service/`), from every interceptor.
    /// Observers are still told of the exempt calls.
    ///
    /// # Panics
    ///
    /// If there is no such method or service: add the method or the service before `exempt` is called.
    #[must_use]
    #[track_caller]
    pub fn exempt(mut self, path: impl Into<Box<str>>) -> Self {
        let path = path.into();
        self.assert_known(&path);
        self.interceptors.exempt(path);
        self
    }

    /// Makes the interceptors decide about the inner service's calls, and tells the observers of these calls. Health probes that send no
    /// credentials are then refused.
    #[must_use]
    pub const fn intercept_inner(mut self) -> Self {
        self.interceptors.with_inner = true;
        self.intercepts_inner = true;
        self
    }

    /// Limits how many calls of handlers may be in progress at once, on all connections and of all methods together. Default: no limit but
    /// the number of streams of each connection. The server resets a further call with `REFUSED_STREAM`, as if the call had never arrived;
    /// clients retry such a call, on another server if they can. Calls of the inner service and of [added](Self::service) services do not
    /// count.
    #[must_use]
    pub const fn max_concurrent(mut self, calls: usize) -> Self {
        self.max_concurrent = Some(calls);
        self
    }
}

/// Whether a path leads to the method, or to the methods of the service, that it names.
fn leads_to(path: &str, found: Result<Method, Unimplemented>) -> bool {
    match found {
        Ok(_) => true,
        Err(missing) => path.ends_with('/') && missing == Unimplemented::Method,
    }
}

/// The route of a method with one request message.
#[track_caller]
fn unary<T: Decode>(route: impl Into<Route>) -> Route {
    let mut route = route.into();
    route.method = route.method.content_subtype(T::SUBTYPE);
    route
}

/// The route of a method with a stream of request messages.
#[track_caller]
fn streaming<T: Decode>(route: impl Into<Route>) -> Route {
    let mut route = unary::<T>(route);
    route.method = route.method.streaming();
    route
}

/// The nesting depth of a router around `service`.
#[track_caller]
fn depth_around(service: &impl Service) -> u32 {
    let depth = service.routers();
    assert!(depth < MAX_DEPTH, "more than {MAX_DEPTH} nested routers");
    depth + 1
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
