//! gRPC's interoperability cases, by tonic's client. A test has its case's name.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md>
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cases;
mod client;
mod compressed;
mod deadline;

use std::net::SocketAddr;

use client::Client;
use testing::{EchoStatus, Payload, ResponseParameters, SimpleRequest, StreamingOutputCallRequest};

/// Package `grpc.testing`, by build.rs.
#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub)]
mod testing {
    include!(concat!(env!("OUT_DIR"), "/grpc.testing.rs"));
}

const EMPTY: &str = "/grpc.testing.TestService/EmptyCall";
const UNARY: &str = "/grpc.testing.TestService/UnaryCall";
const STREAMING_OUTPUT: &str = "/grpc.testing.TestService/StreamingOutputCall";
const STREAMING_INPUT: &str = "/grpc.testing.TestService/StreamingInputCall";
const FULL_DUPLEX: &str = "/grpc.testing.TestService/FullDuplexCall";
const HALF_DUPLEX: &str = "/grpc.testing.TestService/HalfDuplexCall";

async fn start() -> SocketAddr {
    std::env::var("INTEROP_ADDR").unwrap().parse().unwrap()
}

async fn connect() -> Client {
    Client::connect(start().await).await
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
