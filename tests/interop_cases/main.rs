//! gRPC's interoperability cases, by tonic's client. A test has its case's name.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md>
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cases;
mod client;
#[cfg(feature = "gzip")]
mod compressed;
mod deadline;
mod kinds;
mod streaming;
#[path = "../../examples/support/test_service.rs"]
mod test_service;

use client::Client;
use grpc_health::{Router, Server};
use test_service::proto::{
    EchoStatus, Payload, ResponseParameters, SimpleRequest, StreamingOutputCallRequest,
};

const EMPTY: &str = "/grpc.testing.TestService/EmptyCall";
const UNARY: &str = "/grpc.testing.TestService/UnaryCall";
const STREAMING_OUTPUT: &str = "/grpc.testing.TestService/StreamingOutputCall";
const STREAMING_INPUT: &str = "/grpc.testing.TestService/StreamingInputCall";
const FULL_DUPLEX: &str = "/grpc.testing.TestService/FullDuplexCall";
const HALF_DUPLEX: &str = "/grpc.testing.TestService/HalfDuplexCall";

/// Serves until the test's runtime goes.
async fn start() -> Server<Router> {
    let server = Server::builder()
        .service(test_service::router())
        .bind("127.0.0.1:0")
        .await
        .expect("a port");
    tokio::spawn(server.serve());
    server
}

async fn connect() -> Client {
    connect_to(&start().await).await
}

async fn connect_to(server: &Server<Router>) -> Client {
    Client::connect(server.local_addr().expect("an address")).await
}

fn payload(size: usize) -> Option<Payload> {
    Some(Payload {
        body: vec![0; size].into(),
        ..Payload::default()
    })
}

fn large_request() -> SimpleRequest {
    SimpleRequest {
        response_size: 314_159,
        payload: payload(271_828),
        ..SimpleRequest::default()
    }
}

/// Asks for responses of `sizes`, with a payload of `size`.
fn output_request(sizes: &[i32], size: usize) -> StreamingOutputCallRequest {
    let parameters = sizes.iter().map(|&size| ResponseParameters {
        size,
        ..ResponseParameters::default()
    });
    StreamingOutputCallRequest {
        response_parameters: parameters.collect(),
        payload: payload(size),
        ..StreamingOutputCallRequest::default()
    }
}

fn echo_status(message: &str) -> Option<EchoStatus> {
    Some(EchoStatus {
        code: 2,
        message: message.to_owned(),
    })
}

#[track_caller]
fn assert_zeros(payload: Option<Payload>, size: usize) {
    let body = payload.expect("a payload").body;
    assert_eq!(body.len(), size);
    assert!(body.iter().all(|&byte| byte == 0));
}
