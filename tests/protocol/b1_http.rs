//! Rows 1–20: the HTTP layer.

use crate::fixture::{Fixture, connect};
use crate::support::frame::{
    self, ENHANCE_YOUR_CALM, Frame, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED,
};
use crate::support::grpc::{
    CHECK, INTERNAL, RESOURCE_EXHAUSTED, Request, SERVING, UNIMPLEMENTED, WATCH, health_request,
};
use crate::support::peer::Peer;

const INVALID_ARGUMENT: u16 = 3;

/// `request` is answered with an HTTP status and a gRPC code, both when it is complete and when
/// its body is still to come; in the latter case the rest is not wanted.
async fn expect_refusal(peer: &mut Peer, request: &Request, http: u16, code: u16) {
    let stream = peer.call_without_body(request).await;
    peer.expect_error(stream, http, code).await;
    let stream = peer.call(request, &health_request("up")).await;
    peer.expect_error(stream, http, code).await;
    let stream = peer.start_call(request).await;
    peer.expect_error(stream, http, code).await;
    peer.expect_reset(stream, NO_ERROR).await;
    peer.expect_alive().await;
}

/// `request` never reaches the server: h2 resets its stream and carries on.
async fn expect_h2_reset(peer: &mut Peer, request: &Request) {
    let stream = peer.call_without_body(request).await;
    peer.expect_reset(stream, PROTOCOL_ERROR).await;
    peer.expect_alive().await;
}

async fn expect_served(peer: &mut Peer, request: &Request) {
    let stream = peer.call(request, &health_request("up")).await;
    assert_eq!(peer.expect_unary_ok(stream).await, SERVING, "{request:?}");
}

#[tokio::test(start_paused = true)]
async fn row_01_other_methods_are_405() {
    let mut peer = connect().await;
    for method in [
        "GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW", "post",
    ] {
        let request = Request::new(CHECK).set(":method", method);
        expect_refusal(&mut peer, &request, 405, INTERNAL).await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_02_other_content_types_are_415() {
    let mut peer = connect().await;
    let none = Request::new(CHECK).without("content-type");
    expect_refusal(&mut peer, &none, 415, INVALID_ARGUMENT).await;
    let others = [
        "",
        "application/json",
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpcfoo",
        "application/grp",
        "text/plain; application/grpc",
        "application/grpc, application/grpc",
    ];
    for value in others {
        let request = Request::new(CHECK).set("content-type", value);
        expect_refusal(&mut peer, &request, 415, INVALID_ARGUMENT).await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_03_grpc_content_types_are_accepted() {
    let mut peer = connect().await;
    let accepted = [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc;charset=x",
        "application/grpc; charset=x",
        "application/grpc+proto;charset=x",
        "Application/GRPC",
    ];
    for value in accepted {
        // expect_head asserts that the answer's own type is application/grpc.
        expect_served(&mut peer, &Request::new(CHECK).set("content-type", value)).await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_04_unknown_subtypes_are_415() {
    let mut peer = connect().await;
    for value in [
        "application/grpc+json",
        "application/grpc+",
        "application/grpc+protobuf",
    ] {
        let request = Request::new(CHECK).set("content-type", value);
        expect_refusal(&mut peer, &request, 415, INVALID_ARGUMENT).await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_05_other_te_is_reset() {
    let mut peer = connect().await;
    expect_h2_reset(&mut peer, &Request::new(CHECK).set("te", "gzip")).await;
    expect_h2_reset(&mut peer, &Request::new(CHECK).set("te", "")).await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_06_missing_te_is_accepted() {
    let mut peer = connect().await;
    expect_served(&mut peer, &Request::new(CHECK).without("te")).await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_07_connection_headers_are_reset() {
    let mut peer = connect().await;
    let headers = [
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
    ];
    for (name, value) in headers {
        expect_h2_reset(&mut peer, &Request::new(CHECK).with(name, value)).await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_08_malformed_pseudo_headers_are_reset() {
    let mut peer = connect().await;
    for name in [":method", ":scheme", ":path"] {
        expect_h2_reset(&mut peer, &Request::new(CHECK).without(name)).await;
    }
    let repeats = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", CHECK),
        (":authority", "a"),
    ];
    for (name, value) in repeats {
        expect_h2_reset(&mut peer, &Request::new(CHECK).first(name, value)).await;
    }
    let late = Request::new(CHECK).without(":path").with(":path", CHECK);
    expect_h2_reset(&mut peer, &late).await;
    expect_h2_reset(&mut peer, &Request::new(CHECK).first(":status", "200")).await;
    peer.expect_silence().await;
}

/// To h2 a name that cannot be one is an error of the whole connection.
#[tokio::test(start_paused = true)]
async fn row_08_impossible_names_end_the_connection() {
    for name in ["X-Upper", ":unknown", "a b", ""] {
        let mut peer = connect().await;
        peer.call_without_body(&Request::new(CHECK).first(name, "x"))
            .await;
        peer.expect_goaway(PROTOCOL_ERROR).await;
        peer.recv_to_end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn row_09_relative_paths_are_reset() {
    let mut peer = connect().await;
    for path in [
        "",
        "grpc.health.v1.Health/Check",
        "%2Fgrpc.health.v1.Health/Check",
    ] {
        expect_h2_reset(&mut peer, &Request::new(path)).await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_10_odd_paths_are_12() {
    let mut peer = connect().await;
    let paths = [
        "/",
        "//",
        "*",
        "/Check",
        "/grpc.health.v1.Health",
        "/grpc.health.v1.Health/",
        "//grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health//Check",
        "/grpc.health.v1.Health/Check/",
        "/grpc.health.v1.Health/Check/x",
        "/grpc.health.v1.Health/Check?",
        "/grpc.health.v1.Health/Check?q",
        "/grpc.health.v1.Health/Check?q=1#f",
        "/grpc.health.v1.Health%2FCheck",
        "/grpc.health.v1.Health/%43heck",
        "/x/../grpc.health.v1.Health/Check",
    ];
    for path in paths {
        expect_refusal(&mut peer, &Request::new(path), 200, UNIMPLEMENTED).await;
    }
    peer.expect_silence().await;
}

/// The http crate cuts the fragment before anyone can see it.
#[tokio::test(start_paused = true)]
async fn row_10_a_fragment_is_not_part_of_the_path() {
    let mut peer = connect().await;
    expect_served(&mut peer, &Request::new("/grpc.health.v1.Health/Check#f")).await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_11_unknown_services_are_12() {
    let mut peer = connect().await;
    for path in [
        "/no.S/M",
        "/no.S/Check",
        "/grpc.health.v1.Healthy/Check",
        "/Health/Check",
    ] {
        expect_refusal(&mut peer, &Request::new(path), 200, UNIMPLEMENTED).await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_12_unknown_methods_are_12() {
    let mut peer = connect().await;
    for method in ["Nope", "Check1", "Chec", "Watches"] {
        let request = Request::new(&format!("/grpc.health.v1.Health/{method}"));
        expect_refusal(&mut peer, &request, 200, UNIMPLEMENTED).await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_13_paths_are_case_sensitive() {
    let mut peer = connect().await;
    for path in [
        "/GRPC.health.v1.Health/Check",
        "/grpc.health.v1.Health/check",
    ] {
        expect_refusal(&mut peer, &Request::new(path), 200, UNIMPLEMENTED).await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_14_two_hosts_are_400() {
    let mut peer = connect().await;
    let two = Request::new(CHECK).with("host", "a").with("host", "b");
    expect_refusal(&mut peer, &two, 400, INTERNAL).await;
    expect_refusal(&mut peer, &two.clone().without(":authority"), 400, INTERNAL).await;
    let same = Request::new(CHECK)
        .with("host", "localhost")
        .with("host", "localhost");
    expect_refusal(&mut peer, &same, 400, INTERNAL).await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_15_one_host_is_accepted() {
    let mut peer = connect().await;
    let both = Request::new(CHECK).with("host", "elsewhere");
    expect_served(&mut peer, &both).await;
    expect_served(&mut peer, &both.without(":authority")).await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_17_a_header_list_over_16_kib_is_resource_exhausted() {
    let mut peer = connect().await;
    // Each field counts 32 bytes more than its name and value.
    let list = |len: usize| {
        let rest = Request::new(CHECK).with("x", "").size();
        Request::new(CHECK).with("x", "v".repeat(len - rest))
    };
    expect_served(&mut peer, &list(16_384)).await;
    let over = list(16_385);
    let whole = peer.call_without_body(&over).await;
    let fields = peer.expect_trailers_only(whole, RESOURCE_EXHAUSTED).await;
    assert_eq!(
        fields.get("grpc-message"),
        Some("metadata of 16385 bytes; the limit is 16384")
    );
    let open = peer.start_call(&over).await;
    peer.expect_trailers_only(open, RESOURCE_EXHAUSTED).await;
    peer.expect_reset(open, NO_ERROR).await;
    // What is no call of gRPC is told so first.
    let http = over.set("content-type", "text/plain");
    let http = peer.call_without_body(&http).await;
    peer.expect_error(http, 415, INVALID_ARGUMENT).await;
    peer.expect_alive().await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_17_a_header_list_over_32_kib_is_431() {
    let mut peer = connect().await;
    let over = Request::new(CHECK).with("x", "v".repeat(32 << 10));
    let whole = peer.call_without_body(&over).await;
    expect_431(&mut peer, whole).await;
    let open = peer.start_call(&over).await;
    expect_431(&mut peer, open).await;
    peer.expect_reset(open, PROTOCOL_ERROR).await;
    peer.expect_alive().await;
    peer.expect_silence().await;
}

/// h2's own answer, without gRPC's headers.
async fn expect_431(peer: &mut Peer, stream: u32) {
    let fields = peer.expect_headers(stream, true).await;
    assert_eq!(fields.names(), [":status"]);
    assert_eq!(fields.get(":status"), Some("431"));
}

#[tokio::test(start_paused = true)]
async fn row_17_a_header_list_over_128_kib_ends_the_connection() {
    let mut peer = connect().await;
    let bomb = Request::new(CHECK).with("x", "v".repeat(130 << 10));
    peer.call_without_body(&bomb).await;
    peer.expect_goaway(ENHANCE_YOUR_CALM).await;
    peer.recv_to_end().await;
}

#[tokio::test(start_paused = true)]
async fn row_18_expect_and_connect() {
    let mut peer = connect().await;
    // No 100 comes first: expect_served takes the first HEADERS for the answer.
    expect_served(
        &mut peer,
        &Request::new(CHECK).with("expect", "100-continue"),
    )
    .await;
    let connect = Request::new(CHECK)
        .set(":method", "CONNECT")
        .without(":scheme");
    expect_refusal(&mut peer, &connect.without(":path"), 405, INTERNAL).await;
    let extended = Request::new(CHECK)
        .set(":method", "CONNECT")
        .first(":protocol", "websocket");
    expect_h2_reset(&mut peer, &extended).await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_19_streams_over_the_limit_are_refused() {
    let fixture = Fixture::with_streams(2);
    let mut peer = fixture.connect().await;
    let first = peer.watch("up").await;
    let second = peer.watch("up").await;
    for path in [CHECK, WATCH] {
        let over = peer.call_without_body(&Request::new(path)).await;
        peer.expect_reset(over, REFUSED_STREAM).await;
    }
    // Where the body is under way already, h2 says once more that the stream is closed.
    let over = peer.call(&Request::new(CHECK), &health_request("up")).await;
    peer.expect_reset(over, REFUSED_STREAM).await;
    peer.expect_reset(over, STREAM_CLOSED).await;
    for stream in [first, second] {
        assert_eq!(peer.expect_data(stream).await, SERVING);
    }
    // The place of a cancelled call is free at once.
    peer.send(&frame::reset(first, frame::CANCEL)).await;
    assert_eq!(peer.check("up").await, SERVING);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_20_an_end_before_the_preface_is_silent() {
    for sent in 0..frame::PREFACE.len() {
        let (mut peer, served) = Fixture::new().connect_silently();
        peer.send(&frame::PREFACE[..sent]).await;
        peer.finish().await;
        // h2 speaks first; nothing is said about the end.
        let frames = peer.recv_to_end().await;
        assert!(
            matches!(frames[..], [Frame::Settings { ack: false, .. }]),
            "{frames:?}"
        );
        served.await.expect("no panic");
    }
}
