//! The four compressed cases.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use tokio_stream::{StreamExt, empty, iter, once};
use tonic::body::Body;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::codec::{Codec, EncodeBody};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::cases::in_time;
use crate::client::Client;
use crate::test_service::proto::{
    BoolValue, ResponseParameters, SimpleRequest, SimpleResponse, StreamingInputCallRequest,
    StreamingInputCallResponse, StreamingOutputCallRequest, StreamingOutputCallResponse,
};
use crate::{
    STREAMING_INPUT, STREAMING_OUTPUT, UNARY, assert_zeros, connect, large_request, payload,
};

const YES: Option<BoolValue> = Some(BoolValue { value: true });
const NO: Option<BoolValue> = Some(BoolValue { value: false });

impl Client {
    /// The same connection, with all requests compressed.
    fn compressing(&self) -> Self {
        let mut client = self.clone();
        client.compress = true;
        client
    }

    /// As [`Self::client_streaming`] of two messages, of which only the first one is compressed: tonic itself compresses all messages
    /// of a call or none.
    async fn client_streaming_mixed<M, N>(
        &self,
        method: &'static str,
        compressed: M,
        plain: M,
    ) -> Result<Response<N>, Status>
    where
        M: prost::Message + 'static,
        N: prost::Message + Default + 'static,
    {
        let encode = |message, encoding| {
            let encoder = ProstCodec::<M, N>::default().encoder();
            let message = once(Ok(message));
            Body::new(EncodeBody::new_client(encoder, message, encoding, None))
        };
        let both = Chain(encode(compressed, Some(Gzip)), encode(plain, None));
        *self.body.lock().expect("no panic") = Some(Body::new(both));
        self.compressing()
            .client_streaming(method, empty::<M>())
            .await
    }
}

/// One body after the other.
struct Chain(Body, Body);

impl http_body::Body for Chain {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut self.1).poll_frame(cx),
        }
    }
}

/// A large response, compressed or not.
async fn assert_large(client: &Client, request: SimpleRequest, compressed: bool) {
    let call = client.unary(UNARY, Request::new(request));
    let response: Response<SimpleResponse> = in_time(call).await.expect("OK");
    assert_zeros(response.into_inner().payload, 314_159);
    assert_eq!(client.seen().flags, [compressed]);
}

#[tokio::test]
async fn client_compressed_unary() {
    let client = connect().await;
    let expecting = SimpleRequest {
        expect_compressed: YES,
        ..large_request()
    };
    let call = client.unary::<_, SimpleResponse>(UNARY, Request::new(expecting.clone()));
    let status = in_time(call).await.expect_err("the probe");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_large(&client.compressing(), expecting, false).await;
    let not_expecting = SimpleRequest {
        expect_compressed: NO,
        ..large_request()
    };
    assert_large(&client, not_expecting, false).await;
}

#[tokio::test]
async fn server_compressed_unary() {
    let client = connect().await;
    for (response_compressed, compressed) in [(YES, true), (NO, false)] {
        let request = SimpleRequest {
            response_compressed,
            ..large_request()
        };
        assert_large(&client, request, compressed).await;
    }
}

#[tokio::test]
async fn client_compressed_streaming() {
    let client = connect().await;
    let request = |expect_compressed, size| StreamingInputCallRequest {
        expect_compressed,
        payload: payload(size),
    };
    let first = request(YES, 27_182);
    let probe = iter([first.clone()]);
    let call = client.client_streaming::<_, StreamingInputCallResponse>(STREAMING_INPUT, probe);
    let status = in_time(call).await.expect_err("the probe");
    assert_eq!(status.code(), Code::InvalidArgument);

    let second = request(NO, 45_904);
    let call = client.client_streaming_mixed(STREAMING_INPUT, first, second);
    let response: Response<StreamingInputCallResponse> = in_time(call).await.expect("OK");
    assert_eq!(response.into_inner().aggregated_payload_size, 73_086);
}

#[tokio::test]
async fn server_compressed_streaming() {
    let client = connect().await;
    let sizes = [(31_415, YES), (92_653, NO)];
    let request = StreamingOutputCallRequest {
        response_parameters: sizes
            .map(|(size, compressed)| ResponseParameters {
                size,
                compressed,
                ..ResponseParameters::default()
            })
            .into(),
        ..StreamingOutputCallRequest::default()
    };
    let call = client.streaming(STREAMING_OUTPUT, Request::new(once(request)));
    let mut responses = in_time(call).await.expect("OK").into_inner();
    for size in [31_415, 92_653] {
        let response = in_time(responses.next()).await.expect("a response");
        let response: StreamingOutputCallResponse = response.expect("OK");
        assert_zeros(response.payload, size);
    }
    assert!(in_time(responses.next()).await.is_none());
    assert_eq!(client.seen().flags, [true, false]);
}
