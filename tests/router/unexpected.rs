//! Requests that no method takes: too few messages or too many, broken ones, and heads that are not gRPC. Of every kind of method.

use grpc_health::HealthService;
use grpc_health::router::{Request, Response, Route, Router};

use crate::echo::{AFTER, ALL, FULL, ONE, echo, replies};
use crate::fixture::{Count, Host, router, serve};
use crate::support::frame::NO_ERROR;
use crate::support::grpc::{INTERNAL, Request as Call, UNIMPLEMENTED, envelope, prefix};

const INVALID_ARGUMENT: u16 = 3;

fn host(called: &Count) -> Host<Router<HealthService>> {
    serve(echo(|path| Route::new(path), called))
}

#[tokio::test(start_paused = true)]
async fn methods_of_one_message_take_exactly_one() {
    let called = Count::default();
    let host = host(&called);
    let mut peer = host.connect().await;
    for path in ONE {
        let request = Call::new(path);
        let none = peer.call_without_body(&request).await;
        let only = peer.expect_trailers_only(none, UNIMPLEMENTED).await;
        let text = "no message in the request";
        assert_eq!(only.get("grpc-message"), Some(text), "{path}");
        let empty = peer.call(&request, b"").await;
        peer.expect_trailers_only(empty, UNIMPLEMENTED).await;
        let two = [envelope(0, b"a"), envelope(0, b"b")].concat();
        let stream = peer.call(&request, &two).await;
        let only = peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
        let text = "more than one message in the request";
        assert_eq!(only.get("grpc-message"), Some(text), "{path}");
        // The second message ends the call, whether the client has ended its side or not.
        let stream = peer.start_call(&request).await;
        peer.send_data(stream, false, &two).await;
        peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
        peer.expect_reset(stream, NO_ERROR).await;
    }
    assert_eq!(called.get(), 0);
    peer.expect_alive().await;
}

/// An empty message is a message; a stream without messages is a stream.
#[tokio::test(start_paused = true)]
async fn empty_messages_and_empty_streams_are_served_by_every_kind() {
    let host = host(&Count::default());
    let mut peer = host.connect().await;
    for path in ALL {
        let stream = peer.ask(path, b"").await;
        assert_eq!(peer.messages(stream).await, replies(path, &[b""]), "{path}");
    }
    for path in [AFTER[0], AFTER[1], FULL] {
        let at_once = peer.call_without_body(&Call::new(path)).await;
        assert_eq!(peer.messages(at_once).await, replies(path, &[]), "{path}");
        let later = peer.begin(path).await;
        peer.end(later).await;
        assert_eq!(peer.messages(later).await, replies(path, &[]), "{path}");
    }
}

/// The name, what comes in place of a message, whether the client's side ends there, and the text of the status.
fn broken() -> [(&'static str, Vec<u8>, bool, &'static str); 6] {
    let compressed = "compressed flag set with identity or empty encoding";
    [
        ("cut in the prefix", vec![0; 3], true, "unexpected EOF"),
        ("cut after the prefix", prefix(0, 3), true, "unexpected EOF"),
        (
            "cut in the message",
            envelope(0, b"abc")[..7].to_vec(),
            true,
            "unexpected EOF",
        ),
        (
            "a flag of no meaning",
            envelope(2, b"abc"),
            false,
            "received unexpected payload format 2",
        ),
        (
            "compressed without an encoding",
            envelope(1, b"abc"),
            false,
            compressed,
        ),
        (
            "compressed under identity",
            envelope(1, b"abc"),
            false,
            compressed,
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_broken_message_is_internal_for_every_kind() {
    let called = Count::default();
    let host = host(&called);
    let mut peer = host.connect().await;
    for (name, bad, last, text) in broken() {
        let request = |path| match name {
            "compressed under identity" => Call::new(path).with("grpc-encoding", "identity"),
            _ => Call::new(path),
        };
        called.reset();
        for path in ONE {
            let stream = peer.start_call(&request(path)).await;
            peer.send_data(stream, last, &bad).await;
            let only = peer.expect_trailers_only(stream, INTERNAL).await;
            assert_eq!(only.get("grpc-message"), Some(text), "{path}: {name}");
            if !last {
                peer.expect_reset(stream, NO_ERROR).await;
            }
        }
        assert_eq!(called.get(), 0, "{name}");
        for good in 0..3 {
            for path in AFTER {
                let stream = peer.start_call(&request(path)).await;
                for _ in 0..good {
                    peer.say(stream, b"good").await;
                }
                peer.expect_silence().await;
                peer.send_data(stream, last, &bad).await;
                let only = peer.expect_trailers_only(stream, INTERNAL).await;
                assert_eq!(only.get("grpc-message"), Some(text), "{path}: {name}");
                if !last {
                    peer.expect_reset(stream, NO_ERROR).await;
                }
            }
            let stream = peer.start_call(&request(FULL)).await;
            peer.expect_head(stream).await;
            for _ in 0..good {
                peer.say(stream, b"good").await;
                assert_eq!(peer.expect_data(stream).await, envelope(0, b"good"));
            }
            peer.send_data(stream, last, &bad).await;
            let trailers = peer.expect_trailers(stream, INTERNAL).await;
            assert_eq!(trailers.get("grpc-message"), Some(text), "{FULL}: {name}");
            if !last {
                peer.expect_reset(stream, NO_ERROR).await;
            }
        }
    }
    peer.expect_alive().await;
}

/// Each request is sent with its body, without the end of its body, and without a body.
#[tokio::test(start_paused = true)]
async fn what_is_not_grpc_reaches_no_handler() {
    let called = Count::default();
    let host = host(&called);
    let mut peer = host.connect().await;
    for path in ALL {
        let call = || Call::new(path);
        let rows = [
            (call().set(":method", "GET"), 405, INTERNAL),
            (call().set(":method", "DELETE"), 405, INTERNAL),
            (
                call().set("content-type", "image/jpeg"),
                415,
                INVALID_ARGUMENT,
            ),
            (call().without("content-type"), 415, INVALID_ARGUMENT),
            (call().set(":path", format!("{path}s")), 200, UNIMPLEMENTED),
            (call().set(":path", "/t.None/Unary"), 200, UNIMPLEMENTED),
            (call().with("grpc-encoding", "foo"), 200, UNIMPLEMENTED),
        ];
        for (request, http, code) in rows {
            let whole = peer.call(&request, &envelope(0, b"x")).await;
            peer.expect_error(whole, http, code).await;
            let none = peer.call_without_body(&request).await;
            peer.expect_error(none, http, code).await;
            let open = peer.start_call(&request).await;
            peer.expect_error(open, http, code).await;
            peer.expect_reset(open, NO_ERROR).await;
        }
    }
    assert_eq!(called.get(), 0);
    peer.expect_alive().await;
}

/// A method with typed messages takes the codec of those alone; both names of that codec are served.
#[tokio::test(start_paused = true)]
async fn a_foreign_codec_is_415_and_proto_has_two_names() {
    let host = serve(router().unary("/t.T/Typed", |_: Request<()>| async {
        Ok(Response::new(()))
    }));
    let mut peer = host.connect().await;
    let call = |content_type| Call::new("/t.T/Typed").set("content-type", content_type);
    let foreign = call("application/grpc+foo");
    let stream = peer.call(&foreign, &envelope(0, b"")).await;
    peer.expect_error(stream, 415, INVALID_ARGUMENT).await;
    for content_type in ["application/grpc", "application/grpc+proto"] {
        let stream = peer.call(&call(content_type), &envelope(0, b"")).await;
        assert_eq!(peer.expect_unary_ok(stream).await, envelope(0, b""));
    }
}
