//! A [`Service`] inside another HTTP/2 server: tonic, axum, hyper, or any host that calls a [`tower_service::Service`].
//!
//! [`Mount`] makes a tower service of a [`Service`]. The host has the sockets, TLS, HTTP/2 and the limits of HTTP/2. The mount checks the
//! head of a request, reads the request, enforces its `grpc-timeout`, and answers. The mount spawns no task for a call.
//!
//! In axum, the mount is a route next to routes of any other kind. axum needs its feature `http2`, without which gRPC clients cannot
//! connect:
//!
//! ```
//! use grpc_health::tower::Mount;
//! use grpc_health::{HealthService, Registry};
//!
//! let health = Mount::new(HealthService::new(Registry::new()));
//! let app: axum::Router = axum::Router::new()
//!     .route("/", axum::routing::get(async || "hello"))
//!     .route_service("/grpc.health.v1.Health/{*method}", health);
//! ```
//!
//! In tonic, `add_service` needs tonic's `NamedService`, so the mount goes into the axum router inside tonic's `Routes`:
//!
//! ```
//! use grpc_health::tower::Mount;
//! use grpc_health::{HealthService, Registry};
//! use tonic::service::Routes;
//!
//! let health = Mount::new(HealthService::new(Registry::new()));
//! // `Routes::new(GreeterServer::new(greeter))`, for one that has services of its own.
//! let routes = Routes::default()
//!     .into_axum_router()
//!     .route_service("/grpc.health.v1.Health/{*method}", health);
//! let server = tonic::transport::Server::builder().add_routes(Routes::from(routes));
//! ```
//!
//! In hyper, the mount goes through `hyper_util::service::TowerToHyperService`. The repository has a runnable example for each host.
//!
//! The extensions that layers around a mount add to the request reach a router's interceptors and handlers
//! ([`Request::extensions`](crate::router::Request::extensions)). A [`PeerInfo`](crate::service::PeerInfo) among the extensions is the
//! call's peer.
//!
//! # What the host decides
//!
//! A mount answers the requests that reach it as a [`Server`](crate::Server) would. The host decides the rest:
//!
//! - Every limit of a connection: streams, windows, header lists, floods, idle and old connections, replies that nobody reads. hyper allows
//!   16 KiB of headers and 200 streams; tonic allows any number of streams by default. The mount limits the time of a request
//!   ([`body_timeout`](Mount::body_timeout)) and the size of a request message, and the service has its own limits, such as the number of
//!   watches.
//! - Which paths reach the mount: axum answers other paths with 404, tonic with `UNIMPLEMENTED` (12) and no message.
//! - Replies that the client makes no room for. The host does not poll the mount meanwhile, so that the call's deadline and
//!   [`close`](Mount::close) end the call only when there is room again.
//! - Refused streams. A mount cannot reset the stream of a call that its service [does not begin](crate::service::Rejection::Unprocessed),
//!   and answers `UNAVAILABLE` (14).
//! - In tonic, a timer for `grpc-timeout` that runs until the answer begins. If the timer is faster than the mount's, the code is
//!   `CANCELLED` (1).
//! - A `date` in the head of each answer.
//! - HTTP/1, if the host accepts it: an answer over HTTP/1 has no trailers, and so no status.
//! - `TCP_NODELAY`: without the option a message may wait 40 ms for the acknowledgement of the message before. The listeners of axum and
//!   tonic need the option set, as in the examples.

mod answer;
mod host;
mod replies;

pub use replies::ResponseBody;

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;

use self::host::{Host, Phase};
use crate::service::Service;

/// A [`Service`] as a [`tower_service::Service`] of HTTP requests.
///
/// Clones share one mount. The mount takes a call's peer from a [`PeerInfo`](crate::service::PeerInfo) in the request's extensions, if the
/// host or a layer has added one. Calls need a tokio runtime with time enabled.
///
/// The mount runs the service's [background work](Service::background) in a task of its own, from the first call until the last clone and
/// the last call are dropped.
///
/// # Shutdown
///
/// A host that shuts down gracefully waits for open calls, and a `Watch` does not end by itself: call [`close`](Self::close) to end it.
///
/// ```no_run
/// # async fn run(listener: tokio::net::TcpListener, app: axum::Router,
/// #     health: grpc_health::tower::Mount<grpc_health::HealthService>) -> std::io::Result<()> {
/// axum::serve(listener, app)
///     .with_graceful_shutdown(async move {
///         let _ = tokio::signal::ctrl_c().await;
///         health.close();
///     })
///     .await
/// # }
/// ```
pub struct Mount<S> {
    host: Arc<Host<S>>,
    body_timeout: Duration,
}

impl<S: Service> Mount<S> {
    /// Makes a mount of `service`.
    #[must_use]
    pub fn new(service: S) -> Self {
        Self {
            host: Arc::new(Host::new(service)),
            body_timeout: Duration::from_secs(10),
        }
    }

    /// Limits how long the one message of a unary or server-streaming request may take to arrive. Default: 10 s. Then the call ends with
    /// `DEADLINE_EXCEEDED` (4).
    #[must_use]
    pub const fn body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = timeout;
        self
    }

    /// Tells the service that the host will shut down soon: the health service shows NOT_SERVING. Calls go on as before. A second
    /// `announce` does nothing.
    pub fn announce(&self) {
        self.host.step(Phase::Serving, Phase::Announced);
    }

    /// Takes [`announce`](Self::announce) back. Returns `false` after [`close`](Self::close), which cannot be taken back.
    #[expect(
        clippy::must_use_candidate,
        reason = "an action, whose success is often certain"
    )]
    pub fn resume(&self) -> bool {
        self.host.step(Phase::Announced, Phase::Serving)
    }

    /// [Announces](Self::announce) the shutdown, and ends the long-lived calls, those of methods with
    /// [`Drain::End`](crate::service::Drain::End) such as `Watch`: each gets the reply that is due, and then `UNAVAILABLE` (14). Long-lived
    /// calls that begin later end in the same way. Other calls go on as before.
    ///
    /// Call `close` when the host begins to shut down. A client may watch again on the same connection until the host closes the
    /// connection; that call ends in the same way.
    pub fn close(&self) {
        // Repeats the step if another thread takes the announcement back meanwhile.
        while self.host.phase() != Phase::Closed {
            self.announce();
            self.host.step(Phase::Announced, Phase::Closed);
        }
    }
}

impl<S, B> tower_service::Service<Request<B>> for Mount<S>
where
    S: Service,
    B: Body + Send + 'static,
{
    type Response = Response<ResponseBody<S>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Answers one call.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future, or the body of the answer, cancels the call.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.host.start_background();
        let answer = answer::answer(Arc::clone(&self.host), request, self.body_timeout);
        Box::pin(async { Ok(answer.await) })
    }
}

impl<S> Clone for Mount<S> {
    fn clone(&self) -> Self {
        Self {
            host: Arc::clone(&self.host),
            body_timeout: self.body_timeout,
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Mount<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mount").field(&self.host.service).finish()
    }
}
