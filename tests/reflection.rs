//! Server reflection through the server: streams of questions, their ends, and a drain.
#![cfg(feature = "reflection")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use grpc_health::proto::reflection::v1::server_reflection_request::MessageRequest;
use grpc_health::proto::reflection::v1::server_reflection_response::MessageResponse;
use grpc_health::proto::reflection::v1::{ServerReflectionRequest, ServerReflectionResponse};
use grpc_health::reflection::{Index, MAX_REQUEST, Reflection};
use grpc_health::router::Router;
use grpc_health::service::Service;
use grpc_health::{Code, HealthService, Registry, Server, Status, proto};
use prost::Message;
use support::frame::NO_ERROR;
use support::grpc::{INTERNAL, OK, RESOURCE_EXHAUSTED, Request, UNAVAILABLE, UNIMPLEMENTED};
use support::io::Trickle;
use support::peer::{PIPE, Peer};

const V1: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
const HEALTH: &str = "grpc.health.v1.Health";

fn server() -> Server<Reflection> {
    let reflection = Reflection::new(Index::builder().build().unwrap());
    assert_eq!(reflection.index().services()[0], HEALTH);
    Server::builder().service(reflection).build()
}

async fn connect<S: Service>(server: &Server<S>) -> Peer {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    tokio::spawn(server.serve_connection(theirs));
    Peer::handshake(ours, &[]).await
}

fn symbol(name: &str) -> MessageRequest {
    MessageRequest::FileContainingSymbol(name.to_owned())
}

fn list() -> MessageRequest {
    MessageRequest::ListServices(String::new())
}

fn envelope(question: MessageRequest) -> Vec<u8> {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };
    support::grpc::envelope(0, &request.encode_to_vec())
}

impl Peer {
    async fn ask(&mut self, stream: u32, question: MessageRequest) {
        self.send_data(stream, false, &envelope(question)).await;
    }

    async fn answer(&mut self, stream: u32) -> MessageResponse {
        let envelope = self.expect_data(stream).await;
        assert_eq!(envelope[0], 0);
        assert_eq!(envelope[1..5], (envelope.len() as u32 - 5).to_be_bytes());
        let response = ServerReflectionResponse::decode(&envelope[5..]).unwrap();
        response.message_response.unwrap()
    }

    /// How many files come for the symbol.
    async fn files(&mut self, stream: u32) -> usize {
        match self.answer(stream).await {
            MessageResponse::FileDescriptorResponse(files) => {
                let files = files.file_descriptor_proto;
                for file in &files {
                    let set = proto::FILE_DESCRIPTOR_SET;
                    assert!(set.windows(file.len()).any(|part| part == file));
                }
                files.len()
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn converse(mut peer: Peer<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>) {
    let stream = peer.start_call(&Request::new(V1)).await;
    let both = [envelope(list()), envelope(symbol(HEALTH))].concat();
    let (begin, rest) = both.split_at(3);
    peer.send_data(stream, false, begin).await;
    peer.ping().await;
    peer.send_data(stream, true, rest).await;
    peer.expect_head(stream).await;
    for _ in 0..2 {
        peer.expect_data(stream).await;
    }
    peer.expect_trailers(stream, OK).await;
}

#[tokio::test(start_paused = true)]
async fn questions_in_pieces_and_two_at_once() {
    let server = server();
    converse(connect(&server).await).await;
    let (ours, theirs) = tokio::io::duplex(PIPE);
    tokio::spawn(server.serve_connection(Trickle::new(theirs)));
    converse(Peer::handshake(ours, &[]).await).await;
}

#[tokio::test(start_paused = true)]
async fn each_question_is_answered_before_the_next_is_asked() {
    for path in [V1, V1ALPHA] {
        let mut peer = connect(&server()).await;
        let stream = peer.start_call(&Request::new(path)).await;
        peer.ask(stream, list()).await;
        peer.expect_head(stream).await;
        let MessageResponse::ListServicesResponse(listed) = peer.answer(stream).await else {
            panic!("not a list");
        };
        assert_eq!(listed.service.len(), 3);
        for service in listed.service {
            peer.ask(stream, symbol(&service.name)).await;
            assert_eq!(peer.files(stream).await, 1, "{service:?}");
        }
        peer.ask(stream, symbol("nothing")).await;
        let MessageResponse::ErrorResponse(error) = peer.answer(stream).await else {
            panic!("not an error");
        };
        assert_eq!(
            (error.error_code, &*error.error_message),
            (5, "no such symbol")
        );
        peer.ask(stream, symbol(HEALTH)).await;
        assert_eq!(peer.files(stream).await, 1);
        peer.send_data(stream, true, b"").await;
        peer.expect_trailers(stream, OK).await;
    }
}

#[tokio::test(start_paused = true)]
async fn streams_of_a_connection_do_not_wait_for_each_other() {
    let mut peer = connect(&server()).await;
    let silent = peer.start_call(&Request::new(V1)).await;
    let asking = peer.start_call(&Request::new(V1ALPHA)).await;
    peer.ask(asking, symbol(HEALTH)).await;
    peer.expect_head(asking).await;
    assert_eq!(peer.files(asking).await, 1);
    peer.ask(silent, symbol(HEALTH)).await;
    peer.expect_head(silent).await;
    assert_eq!(peer.files(silent).await, 1);
}

#[tokio::test(start_paused = true)]
async fn no_question_at_all() {
    let mut peer = connect(&server()).await;
    let stream = peer.call_without_body(&Request::new(V1)).await;
    peer.expect_head(stream).await;
    let trailers = peer.expect_trailers(stream, OK).await;
    assert_eq!(trailers.names(), ["grpc-status"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_question_ends_the_stream_after_the_answers() {
    let too_long = envelope(symbol(&"x".repeat(MAX_REQUEST)));
    for (bad, code) in [
        (too_long, RESOURCE_EXHAUSTED),
        (support::grpc::envelope(0, b"\xff"), INTERNAL),
    ] {
        let mut peer = connect(&server()).await;
        let stream = peer.start_call(&Request::new(V1)).await;
        peer.send_data(stream, false, &[envelope(list()), bad].concat())
            .await;
        peer.expect_head(stream).await;
        peer.answer(stream).await;
        peer.expect_trailers(stream, code).await;
        peer.expect_reset(stream, NO_ERROR).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_of_the_greatest_length_is_answered() {
    let request = |name: usize| envelope(symbol(&"x".repeat(name)));
    let name = MAX_REQUEST - (request(MAX_REQUEST).len() - 5 - MAX_REQUEST);
    assert_eq!(request(name).len(), 5 + MAX_REQUEST);
    let mut peer = connect(&server()).await;
    let stream = peer.call(&Request::new(V1), &request(name)).await;
    peer.expect_head(stream).await;
    assert!(matches!(
        peer.answer(stream).await,
        MessageResponse::ErrorResponse(_)
    ));
    peer.expect_trailers(stream, OK).await;
}

#[tokio::test(start_paused = true)]
async fn other_paths_are_unimplemented() {
    let mut peer = connect(&server()).await;
    for path in [
        "/grpc.reflection.v1.ServerReflection/Other",
        "/grpc.reflection.v1.ServerReflection/",
        "/grpc.reflection.v2.ServerReflection/ServerReflectionInfo",
        "/grpc.health.v1.Health/Check",
    ] {
        let stream = peer.call(&Request::new(path), &envelope(list())).await;
        peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_an_open_stream() {
    let server = server();
    let mut peer = connect(&server).await;
    let stream = peer.start_call(&Request::new(V1)).await;
    peer.ask(stream, list()).await;
    peer.expect_head(stream).await;
    peer.answer(stream).await;
    let stopped = tokio::spawn(async move { server.shutdown().await });
    peer.expect_trailers(stream, UNAVAILABLE).await;
    stopped.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn in_a_router_for_those_whom_its_interceptor_lets_in() {
    let router = Router::new(HealthService::new(Registry::new()))
        .service(Reflection::new(Index::builder().build().unwrap()))
        .intercept(|head| match head.metadata().get("key") {
            Some(_) => Ok(()),
            None => Err(Status::new(Code::UNAUTHENTICATED, "no key")),
        });
    let mut peer = connect(&Server::builder().service(router).build()).await;
    peer.expect_alive().await;
    for path in [V1, V1ALPHA] {
        let refused = peer.call(&Request::new(path), &envelope(list())).await;
        peer.expect_trailers_only(refused, Code::UNAUTHENTICATED.value() as u16)
            .await;
        let request = Request::new(path).with("key", "k");
        let asking = peer.call(&request, &envelope(symbol(HEALTH))).await;
        peer.expect_head(asking).await;
        assert_eq!(peer.files(asking).await, 1);
        peer.expect_trailers(asking, OK).await;
    }
}
