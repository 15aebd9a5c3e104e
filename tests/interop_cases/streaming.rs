//! No case of the official list: 100 MiB, and 100,000 small messages, there and back. The server's limits are the defaults, and it takes
//! none of it for a flood. tests/interop/test_streaming.py does the same with grpcio and grpc-js.

use std::future::ready;

use bytes::Bytes;
use grpc_health::Server;
use grpc_health::router::{Raw, Request, Response, Router, Streaming};
use tokio_stream::iter;

use crate::cases::in_time;
use crate::connect_to;

const ECHO: &str = "/test.Echo/Echo";

#[derive(Clone, PartialEq, prost::Message)]
struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    body: Bytes,
}

/// The number of the message, over and over.
fn message(number: u32, size: usize) -> Payload {
    let body = number.to_be_bytes().repeat(size / 4).into();
    Payload { body }
}

async fn echo(messages: u32, size: usize) {
    let echo = |request: Request<Streaming<Raw>>| ready(Ok(Response::new(request.into_inner())));
    let server = Server::builder()
        .service(Router::empty().bidi(ECHO, echo))
        .bind("127.0.0.1:0")
        .await
        .expect("a port");
    tokio::spawn(server.serve());
    let client = connect_to(&server).await;
    let requests = iter((0..messages).map(move |number| message(number, size)));
    let call = client.streaming(ECHO, tonic::Request::new(requests));
    let mut replies = in_time(call).await.expect("OK").into_inner();
    for number in 0..messages {
        let reply = in_time(replies.message()).await.expect("OK");
        assert!(reply == Some(message(number, size)), "message {number}");
    }
    // An error, such as a missing grpc-status, would be no end.
    assert_eq!(in_time(replies.message()).await.expect("OK"), None);
    drop((client, replies));
    server.shutdown().await;
    let stats = server.stats();
    assert_eq!((stats.calls, stats.connections), (1, 1));
    assert_eq!((stats.floods, stats.connection_errors), (0, 0));
    assert_eq!((stats.calls_cancelled, stats.calls_stalled), (0, 0));
    let least = u64::from(messages) * size as u64;
    assert!(stats.bytes_read > least && stats.bytes_written > least);
}

#[tokio::test]
async fn large_messages_both_ways() {
    echo(100, 1 << 20).await;
}

#[tokio::test]
async fn small_messages_both_ways() {
    echo(100_000, 16).await;
}
