//! The options of a listener: the mirror, aliases, a header with the service's name, and requests without a message.

use crate::fixture::Fixture;
use crate::support::frame::{self, Frame};
use crate::support::grpc::{
    CHECK, INTERNAL, LIST, NOT_FOUND, NOT_SERVING, OK, Request, SERVING, UNAVAILABLE,
    UNIMPLEMENTED, UNKNOWN, WATCH, envelope, health_request, prefix,
};
use crate::support::peer::Peer;
use grpc_health::ServingStatus::{NotServing, Serving, Unknown};
use grpc_health::router::{RequestContext, Router};
use grpc_health::server::ListenOptions;
use grpc_health::{HealthService, Server, Status};

const ALB: &str = "/AWS.ALB/healthcheck";

impl Fixture {
    async fn connect_to(&self, options: ListenOptions) -> Peer {
        let server = self.server.with_listen_options(options);
        let (ours, theirs) = tokio::io::duplex(crate::support::peer::PIPE);
        crate::support::host::spawn(server.serve_connection(theirs));
        Peer::handshake(ours, &[]).await
    }
}

/// The one HEADERS frame of an answer: `:status`, `grpc-status`.
async fn head_alone(peer: &mut Peer, stream: u32) -> (String, u16) {
    match peer.recv_on(stream).await {
        Frame::Headers {
            end_stream: true,
            fields,
            ..
        } => {
            assert_eq!(fields.get("content-type"), Some("application/grpc"));
            let field = |name| fields.get(name).expect("a field").to_owned();
            (field(":status"), field("grpc-status").parse().unwrap())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_mirror_answers_unavailable_for_every_status_but_serving() {
    let fixture = Fixture::new();
    fixture.set("new", Unknown);
    let mut peer = fixture.connect_to(ListenOptions::new().mirror()).await;
    assert_eq!(peer.check("up").await, SERVING);
    for service in ["down", "new"] {
        let stream = peer
            .call(&Request::new(CHECK), &health_request(service))
            .await;
        peer.expect_trailers_only(stream, UNAVAILABLE).await;
    }
    peer.expect_not_found("nope").await;
    fixture.set("down", Serving);
    assert_eq!(peer.check("down").await, SERVING);
    fixture.registry.shutdown();
    let stream = peer.call(&Request::new(CHECK), &health_request("up")).await;
    peer.expect_trailers_only(stream, UNAVAILABLE).await;
}

#[tokio::test(start_paused = true)]
async fn a_mirror_changes_neither_watch_nor_requests_without_a_message() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect_to(ListenOptions::new().mirror()).await;
    let stream = peer.watch("down").await;
    assert_eq!(peer.expect_data(stream).await, NOT_SERVING);
    let stream = peer.call_without_body(&Request::new(CHECK)).await;
    peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
}

#[tokio::test(start_paused = true)]
async fn an_alias_is_a_check_of_its_service() {
    let fixture = Fixture::new();
    let options = ListenOptions::new().alias(ALB, "down").alias("/up", "up");
    let mut peer = fixture.connect_to(options).await;
    // Whatever name the message has.
    for message in [envelope(0, b""), health_request("up"), health_request("no")] {
        let stream = peer.call(&Request::new(ALB), &message).await;
        assert_eq!(peer.expect_unary_ok(stream).await, NOT_SERVING);
        let stream = peer.call(&Request::new("/up"), &message).await;
        assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    }
    fixture.set("down", Unknown);
    let stream = peer.call(&Request::new(ALB), &envelope(0, b"")).await;
    assert_eq!(peer.expect_unary_ok(stream).await, UNKNOWN);
    // The method itself, and every other path, stay what they are.
    assert_eq!(peer.check("up").await, SERVING);
    for path in ["/AWS.ALB/healthcheck2", "/AWS.ALB/", "/up?now"] {
        let stream = peer.call(&Request::new(path), &envelope(0, b"")).await;
        peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_alias_with_a_mirror_says_unavailable() {
    let fixture = Fixture::new();
    let options = ListenOptions::new().mirror().alias(ALB, "down");
    let mut peer = fixture.connect_to(options).await;
    let stream = peer.call(&Request::new(ALB), &envelope(0, b"")).await;
    peer.expect_trailers_only(stream, UNAVAILABLE).await;
    fixture.set("down", Serving);
    let stream = peer.call(&Request::new(ALB), &envelope(0, b"")).await;
    assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
}

#[tokio::test(start_paused = true)]
async fn a_header_names_the_service_of_a_check() {
    let fixture = Fixture::new();
    let options = ListenOptions::new()
        .service_header("x-service")
        .alias(ALB, "up");
    let mut peer = fixture.connect_to(options).await;
    for path in [CHECK, ALB] {
        let named = Request::new(path).with("x-service", "down");
        let stream = peer.call(&named, &health_request("up")).await;
        assert_eq!(peer.expect_unary_ok(stream).await, NOT_SERVING);
    }
    assert_eq!(peer.check("down").await, NOT_SERVING);
    let bad = Request::new(CHECK).with("x-service", b"\xff");
    let stream = peer.call(&bad, &health_request("up")).await;
    peer.expect_trailers_only(stream, INTERNAL).await;
}

#[tokio::test(start_paused = true)]
async fn a_check_without_a_message_gets_an_answer_without_one() {
    let fixture = Fixture::new();
    fixture.set("new", Unknown);
    let options = ListenOptions::new()
        .service_header("x-service")
        .alias(ALB, "down");
    let mut peer = fixture.connect_to(options).await;
    let named = |name| Request::new(CHECK).with("x-service", name);
    let expected = [
        (Request::new(CHECK), "200", OK),
        (named("up"), "200", OK),
        (named("down"), "503", UNAVAILABLE),
        (named("new"), "503", UNAVAILABLE),
        (named("nope"), "404", NOT_FOUND),
        (Request::new(ALB), "503", UNAVAILABLE),
    ];
    for (request, http, code) in expected {
        // The end of the stream comes with the head, or later.
        let stream = peer.call_without_body(&request).await;
        let answer = head_alone(&mut peer, stream).await;
        assert_eq!(answer, (http.to_owned(), code), "{request:?}");
        let stream = peer.start_call(&request).await;
        peer.ping().await;
        peer.send(&frame::data(stream, true, b"")).await;
        assert_eq!(head_alone(&mut peer, stream).await, (http.to_owned(), code));
    }
    peer.expect_alive().await;
}

#[tokio::test(start_paused = true)]
async fn broken_bodies_and_other_methods_are_refused_on_every_listener() {
    let fixture = Fixture::new();
    let options = ListenOptions::new().mirror().alias(ALB, "up");
    let mut peer = fixture.connect_to(options).await;
    for path in [LIST, WATCH] {
        let stream = peer.call_without_body(&Request::new(path)).await;
        peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
    }
    let stream = peer.call(&Request::new(ALB), &prefix(0, 7)).await;
    peer.expect_trailers_only(stream, INTERNAL).await;
    let two = [envelope(0, b""), envelope(0, b"")].concat();
    let stream = peer.call(&Request::new(ALB), &two).await;
    peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
    let get = Request::new(ALB).set(":method", "GET");
    let stream = peer.call_without_body(&get).await;
    let (http, _) = head_alone(&mut peer, stream).await;
    assert_eq!(http, "405");
}

#[tokio::test(start_paused = true)]
async fn a_listener_without_options_is_exact_beside_one_with_options() {
    let fixture = Fixture::new();
    let options = ListenOptions::new().mirror().alias(ALB, "up");
    let mut other = fixture.connect_to(options).await;
    let mut peer = fixture.connect().await;
    assert_eq!(other.check("up").await, SERVING);
    assert_eq!(peer.check("down").await, NOT_SERVING);
    for request in [Request::new(CHECK), Request::new(ALB)] {
        let stream = peer.call_without_body(&request).await;
        peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
    }
}

/// An interceptor at Check that an alias went around would protect nothing.
#[tokio::test(start_paused = true)]
async fn interceptors_of_check_decide_about_its_aliases() {
    let fixture = Fixture::new();
    fixture.set("down", NotServing);
    let refuse = |call: &mut RequestContext| match call.path() {
        CHECK => Err(Status::unauthenticated("who are you?")),
        _ => Ok(()),
    };
    let health = HealthService::new(fixture.registry.clone());
    let router = Router::new(health).intercept_at(CHECK, refuse);
    let server = Server::builder().service(router).build();
    let options = ListenOptions::new().alias(ALB, "up");
    let (ours, theirs) = tokio::io::duplex(crate::support::peer::PIPE);
    let server = server.with_listen_options(options);
    crate::support::host::spawn(server.serve_connection(theirs));
    let mut peer = Peer::handshake(ours, &[]).await;
    let stream = peer.call(&Request::new(ALB), &envelope(0, b"")).await;
    peer.expect_trailers_only(stream, 16).await;
    let stream = peer.call_without_body(&Request::new(ALB)).await;
    peer.expect_trailers_only(stream, 16).await;
}
