//! A [`Service`] inside somebody else's HTTP/2 server: tonic, axum, hyper, or whatever else calls a [`tower_service::Service`].
//!
//! [`Mount`] is that service. The host has the sockets, HTTP/2 and its limits, and TLS; the mount judges the head, reads the request,
//! holds it to its `grpc-timeout`, and answers. A call has no task but the one that the host gives it.
//!
//! In axum (with its feature `http2`, or gRPC clients find nobody who speaks with them), beside routes of any other kind, and so in whatever
//! is made of axum's router:
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
//! In tonic, whose `add_service` wants its own `NamedService`, through the router that is within `Routes`:
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
//! In hyper, through `hyper_util::service::TowerToHyperService`. The repository has a runnable example of each.
//!
//! What layers around a mount have put into the request's extensions is there for a router's interceptors and handlers
//! ([`Request::extensions`](crate::router::Request::extensions)); a [`PeerInfo`](crate::service::PeerInfo) in them is the call's peer.
//!
//! # What the host decides
//!
//! On what reaches it a mount answers as a [`Server`](crate::Server) would. The rest
//! is the host's:
//!
//! - Every limit of a connection: streams, windows, header lists, floods, idle and old connections, replies that nobody reads. hyper takes
//!   16 KiB of headers and 200 streams; tonic takes any number of streams until it is given one. What is left here is
//!   [`body_timeout`](Mount::body_timeout), the largest request of each method, and what the service limits, such as its watches.
//! - Which paths reach the mount: axum answers the others with 404, tonic with `UNIMPLEMENTED` (12) and no message.
//! - Replies that the client makes no room for. The mount is not asked for more meanwhile, so that its deadline and
//!   [`close`](Mount::close) end the call only when there is room again.
//! - The fate of a stream whose call its service [does not begin](crate::service::Rejection::Unprocessed). It cannot be reset from here,
//!   and is answered with `UNAVAILABLE` (14).
//! - In tonic, a timer for `grpc-timeout` that runs until the answer begins: the code is `CANCELLED` (1) if it is before the one here.
//! - A `date` in each head, in all of them.
//! - HTTP/1, where it is accepted: an answer there has no trailers, and so no status.
//! - `TCP_NODELAY`: without it a message may wait 40 ms for the acknowledgement of the one before. axum's and tonic's listeners have to be
//!   told, as in the examples.

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
/// Clones are the same mount. A call finds its peer in the request's extensions, if the host or a layer has put a
/// [`PeerInfo`](crate::service::PeerInfo) there.
///
/// The service's [background work](Service::background) runs from the first call on, in a task of its own, until the last clone and the
/// last call are gone. Calls need tokio's timer.
///
/// # The way down
///
/// A host that shuts down gracefully waits for open calls, and a `Watch` has no end of its own: [`close`](Self::close) ends it.
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
    /// Mounts `service`.
    #[must_use]
    pub fn new(service: S) -> Self {
        Self {
            host: Arc::new(Host::new(service)),
            body_timeout: Duration::from_secs(10),
        }
    }

    /// Sets how long the one message of a unary or server-streaming request may take to arrive. Default: 10 s. Then the call ends with
    /// `DEADLINE_EXCEEDED` (4).
    #[must_use]
    pub const fn body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = timeout;
        self
    }

    /// Tells the service that the host is about to go: the health service shows NOT_SERVING. All else goes on. Nothing happens if it has
    /// been told.
    pub fn announce(&self) {
        self.host.step(Phase::Serving, Phase::Announced);
    }

    /// Takes [`announce`](Self::announce) back. True if it was still possible, which it is until [`close`](Self::close).
    #[expect(
        clippy::must_use_candidate,
        reason = "an action, whose success is often certain"
    )]
    pub fn resume(&self) -> bool {
        self.host.step(Phase::Announced, Phase::Serving)
    }

    /// [Announces](Self::announce) the end, and ends the calls that [a drain ends](crate::service::Drain::End), such as `Watch`: each
    /// gets the reply that is due, and then `UNAVAILABLE` (14). So does every such call that begins after this; all others are answered as
    /// before.
    ///
    /// To be called as the host begins to shut down. A client that is told before its connection is told to go away may watch once more
    /// on the same connection, to be told the same.
    pub fn close(&self) {
        // Once more where somebody takes the announcement back meanwhile.
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
