//! tonic's client of `grpc.testing.TestService`, and what it does not show of an answer.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use grpc_health::wire::envelope::Decoder;
use http::HeaderMap;
use http::uri::PathAndQuery;
use http_body::Frame;
use tokio_stream::Stream;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::codec::Streaming;
use tonic::codegen::{BoxFuture, Service};
use tonic::transport::{Channel, Endpoint, Error};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// The parts of the latest answer.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) head: HeaderMap,
    /// The compressed flag of each message.
    pub(crate) flags: Vec<bool>,
    pub(crate) trailers: HeaderMap,
}

/// A connection that is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    channel: Channel,
    seen: Arc<Mutex<Seen>>,
    /// Sent in place of the body that tonic made.
    pub(crate) body: Arc<Mutex<Option<Body>>>,
    /// Whether requests are compressed.
    pub(crate) compress: bool,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{addr}")).expect("a URI");
        Self {
            channel: endpoint.connect().await.expect("a connection"),
            seen: Arc::default(),
            body: Arc::default(),
            compress: false,
        }
    }

    /// What the latest call got; of a stream, as far as it was read.
    pub(crate) fn seen(&self) -> Seen {
        std::mem::take(&mut self.seen.lock().expect("no panic"))
    }

    async fn grpc(&self) -> Grpc<Self> {
        let mut grpc = Grpc::new(self.clone()).accept_compressed(Gzip);
        if self.compress {
            grpc = grpc.send_compressed(Gzip);
        }
        grpc.ready().await.expect("a connection");
        grpc
    }

    pub(crate) async fn unary<M, N>(
        &self,
        method: &'static str,
        request: Request<M>,
    ) -> Result<Response<N>, Status>
    where
        M: prost::Message + 'static,
        N: prost::Message + Default + 'static,
    {
        let codec = ProstCodec::<M, N>::default();
        self.grpc().await.unary(request, path(method), codec).await
    }

    pub(crate) async fn client_streaming<M, N>(
        &self,
        method: &'static str,
        requests: impl Stream<Item = M> + Send + 'static,
    ) -> Result<Response<N>, Status>
    where
        M: prost::Message + 'static,
        N: prost::Message + Default + 'static,
    {
        let (request, codec) = (Request::new(requests), ProstCodec::<M, N>::default());
        self.grpc()
            .await
            .client_streaming(request, path(method), codec)
            .await
    }

    pub(crate) async fn streaming<M, N>(
        &self,
        method: &'static str,
        requests: Request<impl Stream<Item = M> + Send + 'static>,
    ) -> Result<Response<Streaming<N>>, Status>
    where
        M: prost::Message + 'static,
        N: prost::Message + Default + 'static,
    {
        let codec = ProstCodec::<M, N>::default();
        self.grpc()
            .await
            .streaming(requests, path(method), codec)
            .await
    }
}

fn path(method: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(method)
}

impl Service<http::Request<Body>> for Client {
    type Response = http::Response<Body>;
    type Error = Error;
    type Future = BoxFuture<Self::Response, Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        if let Some(body) = self.body.lock().expect("no panic").take() {
            *request.body_mut() = body;
        }
        let (response, seen) = (self.channel.call(request), self.seen.clone());
        Box::pin(async move {
            let response = response.await?;
            *seen.lock().expect("no panic") = Seen {
                head: response.headers().clone(),
                ..Seen::default()
            };
            let decoder = Decoder::new(usize::MAX);
            Ok(response.map(|body| {
                Body::new(Looking {
                    body,
                    decoder,
                    seen,
                })
            }))
        })
    }
}

/// A response body that notes what goes through it.
struct Looking {
    body: Body,
    decoder: Decoder,
    seen: Arc<Mutex<Seen>>,
}

impl http_body::Body for Looking {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            let Self { decoder, seen, .. } = &mut *self;
            let mut seen = seen.lock().expect("no panic");
            if let Some(data) = frame.data_ref() {
                let mut data = data.clone();
                while let Some(envelope) = decoder.decode(&mut data).expect("an envelope") {
                    seen.flags.push(envelope.compressed);
                }
            } else if let Some(trailers) = frame.trailers_ref() {
                seen.trailers = trailers.clone();
            }
        }
        Poll::Ready(frame)
    }
}
