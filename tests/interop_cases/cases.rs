//! The cases without compression, and the two soaks.

use std::future::Future;
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt, iter, once};
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::client::Client;
use crate::test_service::proto::{
    Empty, SimpleRequest, SimpleResponse, StreamingInputCallRequest, StreamingInputCallResponse,
    StreamingOutputCallRequest, StreamingOutputCallResponse,
};
use crate::{
    EMPTY, FULL_DUPLEX, HALF_DUPLEX, STREAMING_INPUT, STREAMING_OUTPUT, UNARY, assert_zeros,
    connect, connect_to, echo_status, large_request, output_request, payload, start,
};

const SOAK_ITERATIONS: usize = 100;

/// A server that takes a minute over it is taken for dead.
pub(crate) async fn in_time<T>(call: impl Future<Output = T>) -> T {
    let call = tokio::time::timeout(Duration::from_secs(60), call).await;
    call.expect("an answer in time")
}

async fn large_unary_over(client: &Client) {
    let call = client.unary(UNARY, Request::new(large_request()));
    let response: Response<SimpleResponse> = in_time(call).await.expect("OK");
    assert_zeros(response.into_inner().payload, 314_159);
}

async fn full_duplex(
    client: &Client,
    requests: impl Stream<Item = StreamingOutputCallRequest> + Send + 'static,
) -> Result<Streaming<StreamingOutputCallResponse>, Status> {
    let call = client.streaming(FULL_DUPLEX, Request::new(requests));
    in_time(call).await.map(Response::into_inner)
}

async fn assert_next(responses: &mut Streaming<StreamingOutputCallResponse>, size: usize) {
    let response = in_time(responses.next()).await.expect("a response");
    assert_zeros(response.expect("OK").payload, size);
}

async fn assert_end(mut responses: Streaming<StreamingOutputCallResponse>) {
    // An error, such as a missing grpc-status, would be an item.
    assert!(in_time(responses.next()).await.is_none());
}

/// What was cancelled has cost the connection nothing.
async fn assert_alive(client: &Client) {
    let call = client.unary(EMPTY, Request::new(Empty {}));
    let _: Response<Empty> = in_time(call).await.expect("OK");
}

#[tokio::test]
async fn empty_unary() {
    let client = connect().await;
    let call = client.unary(EMPTY, Request::new(Empty {}));
    let response: Response<Empty> = in_time(call).await.expect("OK");
    assert_eq!(response.into_inner(), Empty {});
}

#[tokio::test]
async fn large_unary() {
    large_unary_over(&connect().await).await;
}

#[tokio::test]
async fn client_streaming() {
    let client = connect().await;
    let requests = [27_182, 8, 1_828, 45_904].map(|size| StreamingInputCallRequest {
        payload: payload(size),
        ..StreamingInputCallRequest::default()
    });
    let call = client.client_streaming(STREAMING_INPUT, iter(requests));
    let response: Response<StreamingInputCallResponse> = in_time(call).await.expect("OK");
    assert_eq!(response.into_inner().aggregated_payload_size, 74_922);
}

#[tokio::test]
async fn server_streaming() {
    let client = connect().await;
    let request = output_request(&[31_415, 9, 2_653, 58_979], 0);
    let call = client.streaming(STREAMING_OUTPUT, Request::new(once(request)));
    let mut responses = in_time(call).await.expect("OK").into_inner();
    for size in [31_415, 9, 2_653, 58_979] {
        assert_next(&mut responses, size).await;
    }
    assert_end(responses).await;
}

#[tokio::test]
async fn ping_pong() {
    let client = connect().await;
    let (pipe, requests) = mpsc::channel(1);
    // Before the call, whose head may wait for it.
    let first = output_request(&[31_415], 27_182);
    pipe.send(first).await.expect("a reader");
    let requests = ReceiverStream::new(requests);
    let mut responses = full_duplex(&client, requests).await.expect("OK");
    assert_next(&mut responses, 31_415).await;
    for (request, size, response) in [(8, 9, 9), (1_828, 2_653, 2_653), (45_904, 58_979, 58_979)] {
        let request = output_request(&[size], request);
        pipe.send(request).await.expect("a reader");
        assert_next(&mut responses, response).await;
    }
    drop(pipe);
    assert_end(responses).await;
}

#[tokio::test]
async fn empty_stream() {
    let client = connect().await;
    let requests = tokio_stream::empty();
    assert_end(full_duplex(&client, requests).await.expect("OK")).await;
}

/// No case of the official list: the responses of all requests, after the last one.
#[tokio::test]
async fn half_duplex() {
    let client = connect().await;
    let requests = [
        output_request(&[31_415, 9], 27_182),
        output_request(&[], 8),
        output_request(&[2_653], 1_828),
    ];
    let call = client.streaming(HALF_DUPLEX, Request::new(iter(requests)));
    let mut responses = in_time(call).await.expect("OK").into_inner();
    for size in [31_415, 9, 2_653] {
        assert_next(&mut responses, size).await;
    }
    assert_end(responses).await;
}

const INITIAL: &str = "x-grpc-test-echo-initial";
const TRAILING: &str = "x-grpc-test-echo-trailing-bin";

fn with_metadata<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert(
        INITIAL,
        MetadataValue::from_static("test_initial_metadata_value"),
    );
    let bytes = MetadataValue::from_bytes(b"\xab\xab\xab");
    metadata.insert_bin(TRAILING, bytes);
    request
}

#[track_caller]
fn assert_echo(client: &Client) {
    let seen = client.seen();
    let get = |fields: &HeaderMap, name| fields.get(name).map(|value| value.as_bytes().to_vec());
    assert_eq!(
        get(&seen.head, INITIAL).as_deref(),
        Some(&b"test_initial_metadata_value"[..])
    );
    assert_eq!(get(&seen.head, TRAILING), None);
    // Without padding.
    let trailing = get(&seen.trailers, TRAILING);
    assert_eq!(trailing.as_deref(), Some(&b"q6ur"[..]));
    assert_eq!(get(&seen.trailers, INITIAL), None);
}

#[tokio::test]
async fn custom_metadata() {
    let client = connect().await;
    let call = client.unary(UNARY, with_metadata(large_request()));
    let response: Response<SimpleResponse> = in_time(call).await.expect("OK");
    assert_zeros(response.into_inner().payload, 314_159);
    assert_echo(&client);

    let requests = once(output_request(&[314_159], 271_828));
    let call = client.streaming(FULL_DUPLEX, with_metadata(requests));
    let mut responses = in_time(call).await.expect("OK").into_inner();
    assert_next(&mut responses, 314_159).await;
    assert_end(responses).await;
    assert_echo(&client);
}

async fn echoed(client: &Client, message: &str) -> Status {
    let request = SimpleRequest {
        response_status: echo_status(message),
        ..SimpleRequest::default()
    };
    let call = client.unary::<_, SimpleResponse>(UNARY, Request::new(request));
    in_time(call).await.expect_err("the status asked for")
}

#[tokio::test]
async fn status_code_and_message() {
    let client = connect().await;
    let status = echoed(&client, "test status message").await;
    assert_eq!(status.code(), Code::Unknown);
    assert_eq!(status.message(), "test status message");

    let request = StreamingOutputCallRequest {
        response_status: echo_status("test status message"),
        ..StreamingOutputCallRequest::default()
    };
    // Trailers-Only, or a head and trailers: both are the status.
    let status = match full_duplex(&client, once(request)).await {
        Err(status) => status,
        Ok(mut responses) => {
            let end = in_time(responses.next()).await.expect("an error");
            end.expect_err("the status asked for")
        }
    };
    assert_eq!(status.code(), Code::Unknown);
    assert_eq!(status.message(), "test status message");
}

#[tokio::test]
async fn special_status_message() {
    let message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
    let status = echoed(&connect().await, message).await;
    assert_eq!(status.code(), Code::Unknown);
    assert_eq!(status.message(), message);
}

async fn assert_unimplemented(method: &'static str) {
    let client = connect().await;
    let call = client.unary::<_, Empty>(method, Request::new(Empty {}));
    let status = in_time(call).await.expect_err("no such method");
    assert_eq!(status.code(), Code::Unimplemented);
}

#[tokio::test]
async fn unimplemented_method() {
    assert_unimplemented("/grpc.testing.TestService/UnimplementedCall").await;
}

#[tokio::test]
async fn unimplemented_service() {
    assert_unimplemented("/grpc.testing.UnimplementedService/UnimplementedCall").await;
}

/// To tonic a call is cancelled when its future is dropped: there is nobody left to see a status.
#[tokio::test]
async fn cancel_after_begin() {
    let server = start().await;
    let client = connect_to(&server).await;
    let (begin, begun) = oneshot::channel();
    let (pipe, silence) = mpsc::channel::<StreamingInputCallRequest>(1);
    // Polled as soon as the head of the request is on its way. Nothing follows.
    let requests = once(begin)
        .filter_map(|begin| begin.send(()).err().map(|()| unreachable!("a listener")))
        .chain(ReceiverStream::new(silence));
    let call = tokio::spawn({
        let client = client.clone();
        async move {
            let call = client.client_streaming(STREAMING_INPUT, requests);
            let answer: Result<Response<StreamingInputCallResponse>, Status> = call.await;
            answer
        }
    });
    in_time(begun).await.expect("a call");
    // Behind the head, on the same connection: the server has both when it answers.
    assert_alive(&client).await;
    call.abort();
    let end = in_time(call).await.expect_err("no answer");
    assert!(end.is_cancelled());
    assert_alive(&client).await;
    assert_eq!(server.stats().calls_cancelled, 1);
    drop(pipe);
}

#[tokio::test]
async fn cancel_after_first_response() {
    let server = start().await;
    let client = connect_to(&server).await;
    let (pipe, requests) = mpsc::channel(1);
    let first = output_request(&[31_415], 27_182);
    pipe.send(first).await.expect("a reader");
    let requests = ReceiverStream::new(requests);
    let mut responses = full_duplex(&client, requests).await.expect("OK");
    assert_next(&mut responses, 31_415).await;
    // With both halves gone, and not before, the stream is reset.
    drop(responses);
    drop(pipe);
    assert_alive(&client).await;
    assert_eq!(server.stats().calls_cancelled, 1);
}

#[tokio::test]
async fn rpc_soak() {
    let client = connect().await;
    for _ in 0..SOAK_ITERATIONS {
        large_unary_over(&client).await;
    }
}

#[tokio::test]
async fn channel_soak() {
    let server = start().await;
    for _ in 0..SOAK_ITERATIONS {
        large_unary_over(&connect_to(&server).await).await;
    }
}
