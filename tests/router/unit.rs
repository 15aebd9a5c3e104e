//! A handler of each kind, called by its test without a router, a server or a client.

use std::time::{Duration, Instant};

use grpc_health::router::{
    BoxStream, Metadata, PeerInfo, Request, Response, Streaming, UnixCredentials, UnixPeer,
};
use grpc_health::service::Service;
use grpc_health::{Code, Status};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

#[derive(Clone, PartialEq, prost::Message)]
struct Number {
    #[prost(uint32, tag = "1")]
    value: u32,
}

fn number(value: u32) -> Number {
    Number { value }
}

// The handlers, as a router takes them.

/// Unary: needs metadata, an address and time.
async fn double(request: Request<Number>) -> Result<Response<Number>, Status> {
    let Some(user) = request.metadata().get("user") else {
        return Err(Status::unauthenticated("who are you?"));
    };
    if request.timeout() < Some(Duration::from_secs(1)) {
        return Err(Status::deadline_exceeded("too little time"));
    }
    let mut response = Response::new(number(2 * request.get_ref().value));
    response.metadata_mut().append("user", user)?;
    if let Some(addr) = request.peer().remote_addr {
        response.trailers_mut().append("from", &addr.to_string())?;
    }
    Ok(response)
}

/// Server streaming.
async fn count_down(request: Request<Number>) -> Result<Response<BoxStream<Number>>, Status> {
    let from = request.into_inner().value;
    if from > 1000 {
        return Err(Status::out_of_range("1000 at most"));
    }
    let numbers = (0..from).rev().map(|value| Ok(number(value)));
    Ok(Response::new(Box::pin(tokio_stream::iter(numbers))))
}

/// Client streaming.
async fn sum(request: Request<Streaming<Number>>) -> Result<Response<Number>, Status> {
    let (mut numbers, mut sum) = (request.into_inner(), 0);
    while let Some(Number { value }) = numbers.message().await? {
        sum += value;
    }
    Ok(number(sum).into())
}

/// Bidirectional: the sum so far, after each number.
async fn sums(request: Request<Streaming<Number>>) -> Result<Response<BoxStream<Number>>, Status> {
    let mut sum = 0;
    let sums = request.into_inner().map(move |next| {
        sum += next?.value;
        Ok(number(sum))
    });
    Ok(Response::new(Box::pin(sums)))
}

// Their tests.

#[tokio::test]
async fn a_unary_handler() {
    let mut metadata = Metadata::new();
    metadata.append("user", "ada").unwrap();
    let addr: std::net::SocketAddr = "192.0.2.7:4321".parse().unwrap();
    let request = Request::new(number(4))
        .with_metadata(metadata)
        .with_timeout(Duration::from_secs(5))
        .with_peer(PeerInfo::from(addr));
    let response = double(request.clone()).await.unwrap();
    assert_eq!(response.get_ref(), &number(8));
    assert_eq!(response.metadata().get("user"), Some("ada"));
    assert_eq!(response.trailers().get("from"), Some("192.0.2.7:4321"));

    let hasty = request.with_deadline(Instant::now());
    let status = double(hasty).await.unwrap_err();
    assert_eq!(status.code(), Code::DEADLINE_EXCEEDED);

    let unknown = Request::new(number(4));
    let refused = Err(Status::unauthenticated("who are you?"));
    assert_eq!(double(unknown).await, refused);
}

#[tokio::test]
async fn a_server_streaming_handler() {
    let response = count_down(Request::new(number(3))).await.unwrap();
    let numbers: Result<Vec<_>, Status> = response.into_inner().collect().await;
    assert_eq!(numbers.unwrap(), [2, 1, 0].map(number));

    let refused = count_down(Request::new(number(1001))).await.err();
    assert_eq!(refused.unwrap().code(), Code::OUT_OF_RANGE);
}

#[tokio::test]
async fn a_client_streaming_handler() {
    let numbers = Streaming::from_iter([1, 2, 3].map(number));
    let response = sum(Request::new(numbers)).await.unwrap();
    assert_eq!(response, Response::new(number(6)));

    let gone = Status::cancelled("the client has gone");
    let numbers = Streaming::from_iter([Ok(number(1)), Err(gone.clone())]);
    assert_eq!(sum(Request::new(numbers)).await, Err(gone));
}

/// The test answers to what the handler has answered.
#[tokio::test]
async fn a_bidirectional_handler() {
    let (client, messages) = mpsc::channel(1);
    let messages = Streaming::from_stream(ReceiverStream::new(messages));
    let mut replies = sums(Request::new(messages)).await.unwrap().into_inner();
    client.send(Ok(number(5))).await.unwrap();
    let first = replies.next().await.unwrap().unwrap();
    client.send(Ok(number(first.value + 1))).await.unwrap();
    assert_eq!(replies.next().await, Some(Ok(number(11))));
    drop(client);
    assert_eq!(replies.next().await, None);
}

/// What is tested is what is served.
#[test]
fn a_router_takes_these_functions() {
    let router = crate::fixture::router()
        .unary("/t.T/Double", double)
        .server_streaming("/t.T/CountDown", count_down)
        .client_streaming("/t.T/Sum", sum)
        .bidi("/t.T/Sums", sums);
    for method in ["Double", "CountDown", "Sum", "Sums"] {
        let path = format!("/t.T/{method}");
        assert!(router.method(&path).is_ok(), "{path}");
    }
}

// What the tests stand on.

#[test]
fn a_timeout_and_a_deadline_are_set_together() {
    let before = Instant::now();
    let second = Duration::from_secs(1);
    let request = Request::new(()).with_timeout(second);
    let deadline = request.deadline().unwrap();
    assert_eq!(request.timeout(), Some(second));
    assert!((before + second..=Instant::now() + second).contains(&deadline));

    let request = Request::new(()).with_deadline(before + second);
    assert_eq!(request.deadline(), Some(before + second));
    assert!(request.timeout() <= Some(second));
    let past = Request::new(()).with_deadline(before);
    assert_eq!(past.timeout(), Some(Duration::ZERO));
    // Longer than any clock runs: there is no such instant.
    let endless = Request::new(()).with_timeout(Duration::MAX);
    assert_eq!(
        (endless.timeout(), endless.deadline()),
        (Some(Duration::MAX), None)
    );
}

#[test]
fn what_a_client_says_of_itself_is_made_for_a_test() {
    let mut request = Request::new(()).with_authority("shop.example:443".parse().unwrap());
    assert_eq!(request.authority(), Some("shop.example:443"));
    assert_eq!(
        (request.user_agent(), request.previous_attempts()),
        (None, 0)
    );
    let metadata = request.metadata_mut();
    metadata.append("user-agent", "test/1").unwrap();
    metadata.append("grpc-previous-rpc-attempts", "2").unwrap();
    assert_eq!(request.user_agent(), Some("test/1"));
    assert_eq!(request.previous_attempts(), 2);
    let user = UnixCredentials::new(1000, 100).with_pid(7);
    let request = request.with_peer(PeerInfo::from(UnixPeer::from(user)));
    assert_eq!(request.map(|()| 1).peer().credentials(), Some(user));
}

#[tokio::test]
async fn a_stream_of_messages_is_over_after_an_error() {
    let error = Status::aborted("x");
    let items = [Ok(number(1)), Err(error.clone()), Ok(number(2))];
    let mut messages = Streaming::from_stream(tokio_stream::iter(items));
    assert_eq!(messages.message().await, Ok(Some(number(1))));
    assert_eq!(messages.message().await, Err(error));
    assert_eq!(messages.message().await, Ok(None));
}

#[test]
fn a_response_is_taken_apart_and_changed() {
    let mut response = Response::new(1).map(|one| one + 1);
    *response.get_mut() += 1;
    response.metadata_mut().append("in", "a").unwrap();
    response.trailers_mut().append("out", "b").unwrap();
    let response = response.map(|three| three.to_string());
    let (message, head, trailers) = response.into_parts();
    assert_eq!(message, "3");
    assert_eq!((head.get("in"), head.get("out")), (Some("a"), None));
    assert_eq!((trailers.get("in"), trailers.get("out")), (None, Some("b")));
}
