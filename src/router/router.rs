//! Methods by path: what a router is made of.

use std::fmt;
use std::future::Future;

use foldhash::HashMap;
use futures_core::Stream;

use super::codec::{Decode, Encode};
use super::handler::{Handler, given_many, given_one};
use super::interceptors::Interceptors;
use super::nested::{MAX_LEVELS, METHODS, Nested, NoInnerService};
use super::request::Request;
use super::response::Response;
use super::route::Route;
use super::streaming::Streaming;
use crate::service::{CallEnd, Limit, Method, RequestContext, Service, Unimplemented};
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
    pub(super) interceptors: Interceptors,
    /// Whether the inner service's calls are kept for interceptors to look at.
    pub(super) attends_inner: bool,
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
            interceptors: Interceptors::new(),
            attends_inner: false,
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
        self.add(unary::<T>(route), Handler::one(given_one(handler)))
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
        self.add(unary::<T>(route), Handler::many(given_one(handler)))
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
        self.add(streaming::<T>(route), Handler::one(given_many(handler)))
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
        self.add(streaming::<T>(route), Handler::many(given_many(handler)))
    }

    #[track_caller]
    fn add(mut self, mut route: Route, handler: Handler) -> Self {
        let id = u32::try_from(self.methods.len()).unwrap_or(u32::MAX);
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

    /// Adds an interceptor: a function that decides of each call, before its body is read, whether it may begin, by its path, metadata and
    /// peer. An error is the call's status. The function may add to what the handler reads
    /// ([`extensions_mut`](RequestContext::extensions_mut)) and to what the client does
    /// ([`response_metadata_mut`](RequestContext::response_metadata_mut)).
    ///
    /// Of several interceptors each has to let a call in. They are asked in the order in which they were added, up to the first error.
    /// They are not asked about calls of the inner service, unless [told to](Self::intercept_inner), of [exempt](Self::exempt) methods, and
    /// of methods that there are not.
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

    /// Adds an interceptor that may wait for something, such as another server. It is given the context of the call and gives it back. In all
    /// else it is one of [those](Self::intercept) that do not wait.
    ///
    /// Nothing of the request's body is read meanwhile. The call counts among those [in progress](Self::max_concurrent) from the first
    /// such interceptor on. The future is dropped, at any `await`, when the call ends before it does: by the client, its deadline, the
    /// connection, or a shutdown's deadline.
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

    /// Adds an [interceptor](Self::intercept) of one method (`/package.Service/Method`), or of all methods of a service
    /// (`/package.Service/`), which may be the inner service's.
    ///
    /// # Panics
    ///
    /// If there is no such method or service: it has to be added first.
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

    /// Adds an interceptor [that may wait](Self::intercept_async) of one method (`/package.Service/Method`), or of all methods of a service
    /// (`/package.Service/`), which may be the inner service's.
    ///
    /// # Panics
    ///
    /// If there is no such method or service: it has to be added first.
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

    /// A path that leads to something: an interceptor at any other would protect nothing, without a word.
    #[track_caller]
    fn known(&mut self, path: Box<str>) -> Box<str> {
        self.attends_inner |= leads_to(&path, self.inner.method(&path));
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

    /// Adds an observer: a function that is told of the end of each call, with its code and the time it took. It is told of calls that
    /// interceptors refuse, too, and of those that end before their handler is asked. It is not told of calls of the inner service, unless
    /// interceptors are [asked about these](Self::intercept_inner), nor of methods that there are not.
    ///
    /// It is called in the task of the connection, and must not block it. A panic of it ends nothing.
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

    /// Exempts a method (`/package.Service/Method`), or all methods of a service (`/package.Service/`), from every interceptor. Observers
    /// are told of them.
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

    /// Has the interceptors decide of the inner service's calls, too, and the observers told of them. Probes that know no secret then fail.
    #[must_use]
    pub const fn intercept_inner(mut self) -> Self {
        self.interceptors.with_inner = true;
        self.attends_inner = true;
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
