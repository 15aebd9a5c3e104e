//! Which answer wins where several rows apply: host (400), content-type (415), timeout and binary
//! metadata (400), method (405), expired deadline (4), dispatch (12).

use crate::fixture::connect;
use crate::support::grpc::{
    CHECK, DEADLINE_EXCEEDED, INTERNAL, Request, UNIMPLEMENTED, health_request, prefix,
};

const NOWHERE: &str = "/no.S/M";

/// A request that breaks every rule; each answer is for the first one left.
#[tokio::test(start_paused = true)]
async fn order_of_decisions() {
    let mut peer = connect().await;
    let two_hosts = Request::new(NOWHERE)
        .set(":method", "GET")
        .set("content-type", "application/json")
        .with("grpc-encoding", "zz")
        .with("grpc-timeout", "soon")
        .with("x-bin", "!!")
        .with("host", "a")
        .with("host", "b");
    let content_type = two_hosts.clone().without("host");
    let timeout = content_type.clone().set("content-type", "application/grpc");
    let binary = timeout.clone().set("grpc-timeout", "0n");
    let method = binary.clone().set("x-bin", "AQ");
    let deadline = method.clone().set(":method", "POST");
    let dispatch = deadline.clone().set("grpc-timeout", "1S");
    let ordered = [
        (two_hosts, 400, INTERNAL),
        (content_type, 415, 3),
        (timeout, 400, INTERNAL),
        (binary, 400, INTERNAL),
        (method, 405, INTERNAL),
        (deadline, 200, DEADLINE_EXCEEDED),
        (dispatch, 200, UNIMPLEMENTED),
    ];
    for (request, http, code) in ordered {
        let stream = peer.call(&request, &prefix(2, u32::MAX)).await;
        peer.expect_error(stream, http, code).await;
        let stream = peer.call_without_body(&request).await;
        peer.expect_error(stream, http, code).await;
        peer.expect_alive().await;
    }
    peer.expect_silence().await;
}

/// Each pair of neighbours on its own.
#[tokio::test(start_paused = true)]
async fn order_of_pairs() {
    let mut peer = connect().await;
    let get = Request::new(CHECK).set(":method", "GET");
    let pairs = [
        (get.clone().without("content-type"), 415, 3),
        (
            get.clone()
                .set("content-type", "text/html")
                .with("grpc-timeout", "x"),
            415,
            3,
        ),
        (get.clone().with("grpc-timeout", "x"), 400, INTERNAL),
        (get.clone().with("x-bin", "!"), 400, INTERNAL),
        (get.clone().with("grpc-timeout", "0n"), 405, INTERNAL),
        (get.set(":path", NOWHERE), 405, INTERNAL),
        (
            Request::new(CHECK)
                .with("grpc-timeout", "0n")
                .with("x-bin", "!"),
            400,
            INTERNAL,
        ),
        (
            Request::new(NOWHERE).with("grpc-timeout", "0n"),
            200,
            DEADLINE_EXCEEDED,
        ),
        (
            Request::new(CHECK)
                .with("grpc-timeout", "0n")
                .with("grpc-encoding", "zz"),
            200,
            DEADLINE_EXCEEDED,
        ),
    ];
    for (request, http, code) in pairs {
        let stream = peer.call(&request, &health_request("up")).await;
        peer.expect_error(stream, http, code).await;
        peer.expect_alive().await;
    }
    peer.expect_silence().await;
}

/// What is wrong with the head is said before the body is looked at.
#[tokio::test(start_paused = true)]
async fn order_of_head_and_body() {
    let mut peer = connect().await;
    let request = Request::new(CHECK).with("grpc-encoding", "zz");
    for body in [prefix(0, u32::MAX), prefix(9, 0), vec![0], vec![]] {
        let stream = peer.call(&request, &body).await;
        peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
    }
    peer.expect_silence().await;
}
