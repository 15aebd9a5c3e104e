//! The hosts: hyper itself, and what is made of it.

use std::convert::Infallible;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use grpc_health::service::Service;
use grpc_health::tower::Mount;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tonic::service::Routes;
use tonic::transport::server::{Connected, TcpIncoming};

use crate::echo::Echo;
use crate::support::host;

/// Where mounts are put in axum's router.
const PATHS: [&str; 2] = [
    "/grpc.health.v1.Health/{*method}",
    "/grpc.testing.TestService/{*method}",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Hyper,
    Axum,
    Tonic,
}

impl Host {
    pub(crate) const ALL: [Self; 3] = [Self::Hyper, Self::Axum, Self::Tonic];

    /// Serves one connection.
    pub(crate) fn serve_io<S, T>(self, mount: Mount<S>, io: T)
    where
        S: Service,
        T: AsyncRead + AsyncWrite + Connected + Send + Unpin + 'static,
    {
        match self {
            Self::Hyper => {
                host::spawn(serve_hyper(mount, io));
            }
            Self::Axum => {
                host::spawn(serve_hyper(router(mount), io));
            }
            Self::Tonic => {
                let server = tonic::transport::Server::builder().add_routes(routes(mount));
                let incoming = tokio_stream::once(Ok::<_, std::io::Error>(io));
                tokio::spawn(server.serve_with_incoming(incoming));
            }
        }
    }

    /// Serves what comes, until `stop` completes and every call is over.
    pub(crate) async fn serve<S: Service>(
        self,
        mount: Mount<S>,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) {
        match self {
            Self::Hyper => {
                let mut stop = std::pin::pin!(stop);
                loop {
                    tokio::select! {
                        socket = listener.accept() => {
                            let (mut socket, _) = socket.expect("a socket");
                            no_delay(&mut socket);
                            host::spawn(serve_hyper(mount.clone(), socket));
                        }
                        () = &mut stop => break,
                    }
                }
            }
            Self::Axum => axum::serve(listener.tap_io(no_delay), router(mount))
                .with_graceful_shutdown(stop)
                .await
                .expect("no error"),
            Self::Tonic => tonic::transport::Server::builder()
                .add_routes(routes(mount))
                .serve_with_incoming_shutdown(
                    TcpIncoming::from(listener).with_nodelay(Some(true)),
                    stop,
                )
                .await
                .expect("no error"),
        }
    }
}

/// Without it a message waits for the acknowledgement of the one before.
fn no_delay(socket: &mut TcpStream) {
    socket.set_nodelay(true).expect("a socket");
}

fn router<S: Service>(mount: Mount<S>) -> Router {
    add(Router::new().route("/", get(async || "a page")), mount)
}

fn routes<S: Service>(mount: Mount<S>) -> Routes {
    Routes::from(add(Routes::new(Echo).into_axum_router(), mount))
}

fn add<S: Service>(router: Router, mount: Mount<S>) -> Router {
    let add = |router: Router, path| router.route_service(path, mount.clone());
    PATHS.into_iter().fold(router, add)
}

/// Spawns the calls of a connection, as the connection itself was spawned. Tonic and axum's `serve` have executors of their own.
#[derive(Clone)]
struct Executor;

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        host::spawn(future);
    }
}

async fn serve_hyper<S, B, T>(service: S, io: T)
where
    S: tower_service::Service<
            http::Request<hyper::body::Incoming>,
            Response = http::Response<B>,
            Error = Infallible,
        > + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data: Send, Error: Into<axum::BoxError>> + Send + 'static,
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // An error is the client's business.
    let _ = hyper::server::conn::http2::Builder::new(Executor)
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(service))
        .await;
}
