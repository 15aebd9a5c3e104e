//! The echo service that the scripts measure, on our router and on tonic: a unary method and a bidirectional one.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use grpc_health::router::{Request, Response, Router, Streaming};
use grpc_health::service::Service;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic_prost::ProstCodec;

/// What is echoed.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    body: Bytes,
}

const UNARY: &str = "/bench.Echo/Unary";
const BIDI: &str = "/bench.Echo/Bidi";

/// The echo service beside `first`.
pub(crate) fn router<S: Service>(first: S) -> Router<S> {
    Router::new(first)
        .unary(UNARY, |request: Request<Payload>| {
            ready(Ok(Response::new(request.into_inner())))
        })
        .bidi(BIDI, |request: Request<Streaming<Payload>>| {
            ready(Ok(Response::new(request.into_inner())))
        })
}

/// The echo service as tonic's generated code would have it.
#[derive(Clone)]
pub(crate) struct TonicEcho;

struct Handler;

impl tonic::server::UnaryService<Payload> for Handler {
    type Response = Payload;
    type Future = Ready<Result<tonic::Response<Payload>, tonic::Status>>;

    fn call(&mut self, request: tonic::Request<Payload>) -> Self::Future {
        ready(Ok(tonic::Response::new(request.into_inner())))
    }
}

impl tonic::server::StreamingService<Payload> for Handler {
    type Response = Payload;
    type ResponseStream = tonic::Streaming<Payload>;
    type Future = Ready<Result<tonic::Response<Self::ResponseStream>, tonic::Status>>;

    fn call(&mut self, request: tonic::Request<tonic::Streaming<Payload>>) -> Self::Future {
        ready(Ok(tonic::Response::new(request.into_inner())))
    }
}

impl tonic::server::NamedService for TonicEcho {
    const NAME: &'static str = "bench.Echo";
}

impl tower_service::Service<http::Request<Body>> for TonicEcho {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<Payload, Payload>::default())
                .accept_compressed(CompressionEncoding::Gzip);
            Ok(match request.uri().path() {
                UNARY => grpc.unary(Handler, request).await,
                BIDI => grpc.streaming(Handler, request).await,
                _ => tonic::Status::unimplemented("unknown method").into_http(),
            })
        })
    }
}
