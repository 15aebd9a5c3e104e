//! What a handler is told of its call.

use std::fmt::Write as _;
use std::time::Instant;

use grpc_health::router::{Raw, Request, Response, Streaming};

use crate::fixture::{Answer, Count, raw, router, serve};
use crate::support::grpc::{Request as Call, envelope};

/// All that comes with a call, as text.
fn describe<T>(request: &Request<T>) -> Raw {
    let metadata = request.metadata();
    let mut text = String::new();
    let all: Vec<_> = metadata.get_all("k").collect();
    let mut names: Vec<_> = metadata.names().collect();
    names.sort_unstable();
    let binary: Vec<_> = metadata.get_all_binary("k-bin").collect();
    let left = request.deadline().map(|deadline| {
        deadline.saturating_duration_since(Instant::now()) <= request.timeout().unwrap()
    });
    write!(
        text,
        "{names:?} {all:?} {binary:?} {:?} {left:?} {:?} {:?}",
        request.timeout(),
        request.peer().remote_addr.unwrap(),
        request.peer().certificates,
    )
    .unwrap();
    raw(text)
}

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

fn stream(
    message: Raw,
) -> Answer<impl tokio_stream::Stream<Item = Result<Raw, grpc_health::Status>>> {
    Ok(Response::new(tokio_stream::iter([Ok(message)])))
}

#[tokio::test(start_paused = true)]
async fn handlers_of_every_kind_are_told_metadata_deadline_and_peer() {
    let host = serve(
        router()
            .unary("/t.T/U", |r: One| async move { Ok(describe(&r).into()) })
            .server_streaming("/t.T/S", |r: One| async move { stream(describe(&r)) })
            .client_streaming("/t.T/C", |r: Many| async move { Ok(describe(&r).into()) })
            .bidi("/t.T/B", |r: Many| async move { stream(describe(&r)) }),
    );
    let mut peer = host.connect().await;
    for method in ["U", "S", "C", "B"] {
        let request = Call::new(&format!("/t.T/{method}"))
            .with("k", "one")
            .with("grpc-timeout", "90S")
            .with("other", "x")
            .with("k-bin", "AQI")
            .with("k", "two")
            .with("k-bin", "AwQ=,BQ")
            .with("user-agent", "test/1")
            .with("grpc-trace-bin", "AA")
            .with("k", "one");
        let stream = peer.call(&request, &envelope(0, b"")).await;
        let told = peer.messages(stream).await;
        let told = String::from_utf8(told[0].clone()).unwrap();
        let expected = concat!(
            r#"["grpc-trace-bin", "k", "k", "k", "k-bin", "k-bin", "other", "user-agent"] "#,
            r#"["one", "two", "one"] "#,
            r#"[b"\x01\x02", b"\x03\x04", b"\x05"] Some(90s) Some(true) 192.0.2.7:4321 None"#
        );
        assert_eq!(told, expected, "{method}");
        let stream = peer.ask(&format!("/t.T/{method}"), b"").await;
        let told = peer.messages(stream).await;
        let told = String::from_utf8(told[0].clone()).unwrap();
        assert_eq!(told, "[] [] [] None None 192.0.2.7:4321 None", "{method}");
    }
}

/// Headers that belong to gRPC or HTTP/2 are not metadata, however they are asked for.
#[tokio::test(start_paused = true)]
async fn reserved_headers_are_not_visible() {
    let host = serve(router().unary("/t.T/U", |r: One| async move {
        let names = [
            "te",
            "content-type",
            "grpc-timeout",
            "grpc-accept-encoding",
            "host",
            "grpc-encoding",
        ];
        let seen: Vec<_> = names
            .iter()
            .filter_map(|name| r.metadata().get(name))
            .collect();
        assert!(seen.is_empty(), "{seen:?}");
        assert_eq!(r.metadata().get_binary("grpc-status-details-bin"), None);
        assert!(r.metadata().is_empty());
        Ok(r.map(|message| message).into_inner().into())
    }));
    let mut peer = host.connect().await;
    let request = Call::new("/t.T/U")
        .with("host", "t.example")
        .with("grpc-encoding", "identity")
        .with("grpc-accept-encoding", "gzip")
        .with("grpc-timeout", "1H")
        .with("grpc-status-details-bin", "AA");
    let stream = peer.call(&request, &envelope(0, b"x")).await;
    assert_eq!(peer.expect_unary_ok(stream).await, envelope(0, b"x"));
}

/// A request's authority, user agent and attempts, to the interceptor and to the handler.
#[tokio::test(start_paused = true)]
async fn handlers_and_interceptors_are_told_who_is_called_and_who_calls_and_how_often() {
    fn text(authority: Option<&str>, agent: Option<&str>, attempts: u32) -> String {
        format!("{authority:?} {agent:?} {attempts}")
    }
    let (seen, mut intercepted) = tokio::sync::mpsc::unbounded_channel();
    let host = serve(
        router()
            .unary("/t.T/U", |r: One| async move {
                let text = text(r.authority(), r.user_agent(), r.previous_attempts());
                Ok(raw(text).into())
            })
            .intercept(move |head| {
                let text = text(
                    head.authority(),
                    head.user_agent(),
                    head.previous_attempts(),
                );
                seen.send(text)
                    .map_err(|_| grpc_health::Status::internal(""))
            }),
    );
    let mut peer = host.connect().await;
    let full = Call::new("/t.T/U")
        .set(":authority", "shop.example:443")
        .with("user-agent", "test/1 (é)")
        .with("grpc-previous-rpc-attempts", "2");
    let both = Call::new("/t.T/U")
        .set(":authority", "shop.example")
        .with("host", "other.example")
        .with("user-agent", "test/1");
    let host_only = Call::new("/t.T/U")
        .without(":authority")
        .with("host", "shop.example");
    let none = Call::new("/t.T/U").without(":authority");
    for (request, expected) in [
        (full, r#"Some("shop.example:443") None 2"#),
        (both, r#"Some("shop.example") Some("test/1") 0"#),
        (host_only, r#"Some("shop.example") None 0"#),
        (none, "None None 0"),
    ] {
        let stream = peer.call(&request, &envelope(0, b"")).await;
        let told = peer.messages(stream).await;
        assert_eq!(told, [expected.as_bytes()]);
        assert_eq!(intercepted.recv().await.unwrap(), expected);
    }
}

/// Rows 22, 27 and 40 hold for application methods as for health ones.
#[tokio::test(start_paused = true)]
async fn a_bad_head_never_reaches_a_handler() {
    let called = Count::default();
    let host = serve(router().bidi("/t.T/B", {
        let called = called.clone();
        move |r: Many| {
            called.add();
            async { Ok(Response::new(r.into_inner())) }
        }
    }));
    let mut peer = host.connect().await;
    let rows = [
        ("grpc-timeout", "1x", 400, 13),
        ("x-bin", "!!", 400, 13),
        ("grpc-encoding", "zz", 200, 12),
        ("grpc-timeout", "0n", 200, 4),
    ];
    for (name, value, http, code) in rows {
        let request = Call::new("/t.T/B").with(name, value);
        let stream = peer.start_call(&request).await;
        peer.expect_error(stream, http, code).await;
    }
    peer.expect_alive().await;
    assert_eq!(called.get(), 0);
}
