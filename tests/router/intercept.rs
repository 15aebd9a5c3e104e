//! The interceptor: what it sees, what it decides, and whom it leaves alone.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use grpc_health::router::{Raw, Request, RequestContext, Response, Router, Streaming};
use grpc_health::wire::metadata::Metadata;
use grpc_health::{Code, HealthService, Registry, Status};

use crate::fixture::{reply, router, serve};
use crate::support::frame::NO_ERROR;
use crate::support::grpc::{
    CHECK, Request as Call, UNIMPLEMENTED, WATCH, envelope, health_request,
};

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

const UNAUTHENTICATED: u16 = 16;

fn guarded() -> Router<HealthService> {
    methods(router()).intercept(wants_token)
}

fn methods(router: Router<HealthService>) -> Router<HealthService> {
    router
        .unary("/a.A/One", |_: One| async { reply("one") })
        .unary("/a.A/Two", |_: One| async { reply("two") })
        .unary("/b.B/One", |_: One| async { reply("b") })
        .bidi("/b.B/Many", |r: Many| async {
            Ok(Response::new(r.into_inner()))
        })
}

fn wants_token(call: &mut RequestContext) -> Result<(), Status> {
    match call.metadata().get("authorization") {
        Some("Bearer s3cret") => Ok(()),
        _ => {
            let mut metadata = Metadata::new();
            metadata.append("www-authenticate", "Bearer").unwrap();
            Err(Status::new(Code::UNAUTHENTICATED, "who are you?")
                .with_details(Bytes::from_static(b"\x01"))
                .with_metadata(metadata))
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_the_interceptors_own_and_comes_before_the_body() {
    let host = serve(guarded());
    let mut peer = host.connect().await;
    for path in ["/a.A/One", "/b.B/Many"] {
        let stream = peer.begin(path).await;
        let refusal = peer.expect_headers(stream, true).await;
        assert_eq!(refusal.get("grpc-status"), Some("16"));
        assert_eq!(refusal.get("grpc-message"), Some("who are you?"));
        assert_eq!(refusal.get("grpc-status-details-bin"), Some("AQ"));
        assert_eq!(refusal.get("www-authenticate"), Some("Bearer"));
        peer.expect_reset(stream, NO_ERROR).await;
    }
    let request = Call::new("/a.A/One").with("authorization", "Bearer s3cret");
    let stream = peer.call(&request, &envelope(0, b"")).await;
    assert_eq!(peer.expect_unary_ok(stream).await, envelope(0, b"one"));
}

#[tokio::test(start_paused = true)]
async fn it_sees_path_metadata_deadline_and_peer() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let host = serve(methods(router()).intercept({
        let seen = Arc::clone(&seen);
        move |head| {
            let metadata = head.metadata();
            let k: Vec<_> = metadata.get_all("k").map(str::to_owned).collect();
            let peer = head.peer().remote_addr.unwrap().to_string();
            let timeout = head.timeout().map(|timeout| timeout.as_secs());
            seen.lock()
                .unwrap()
                .push((head.path().to_owned(), k, peer, timeout));
            Ok(())
        }
    }));
    let mut peer = host.connect().await;
    let request = Call::new("/b.B/Many")
        .with("k", "1")
        .with("k", "2")
        .with("grpc-timeout", "9S");
    peer.start_call(&request).await;
    peer.ping().await;
    let k = vec!["1".to_owned(), "2".to_owned()];
    let expected = (
        "/b.B/Many".to_owned(),
        k,
        "192.0.2.7:4321".to_owned(),
        Some(9),
    );
    assert_eq!(*seen.lock().unwrap(), [expected]);
}

#[tokio::test(start_paused = true)]
async fn health_is_exempt_unless_the_first_service_is_intercepted() {
    let host = serve(guarded());
    let mut peer = host.connect().await;
    peer.expect_alive().await;
    let watch = peer.watch("").await;
    peer.expect_data(watch).await;

    let host = serve(guarded().intercept_inner());
    let mut peer = host.connect().await;
    for path in [CHECK, WATCH] {
        let stream = peer.call(&Call::new(path), &health_request("")).await;
        let refusal = peer.expect_headers(stream, true).await;
        assert_eq!(refusal.get("grpc-status"), Some("16"), "{path}");
    }
    let request = Call::new(CHECK).with("authorization", "Bearer s3cret");
    let stream = peer.call(&request, &health_request("")).await;
    peer.expect_unary_ok(stream).await;
    // By path, again.
    let host = serve(
        guarded()
            .intercept_inner()
            .exempt("/grpc.health.v1.Health/"),
    );
    host.connect().await.expect_alive().await;
}

#[tokio::test(start_paused = true)]
async fn methods_and_services_can_be_exempt() {
    let exempt = guarded().exempt("/a.A/One").exempt("/b.B/");
    let host = serve(exempt);
    let mut peer = host.connect().await;
    for (path, code) in [
        ("/a.A/One", 0),
        ("/a.A/Two", UNAUTHENTICATED),
        ("/b.B/One", 0),
    ] {
        let stream = peer.ask(path, b"").await;
        assert_eq!(peer.whole(stream).await.code(), code, "{path}");
    }
}

/// The beginning of a name is nothing: neither of a method's nor of a service's.
#[test]
fn an_exemption_of_nothing_is_a_panic_that_names_the_path() {
    for path in ["/a.A/T", "/a.A/Nope", "/b.", "/b.B", "/nope.N/", "a.A/One"] {
        let exempt = || drop(guarded().exempt(path));
        let panic = std::panic::catch_unwind(exempt).expect_err(path);
        let message = panic.downcast::<String>().unwrap();
        assert_eq!(*message, format!("no method or service at {path}"));
    }
    // What is added later is not there yet.
    let early = || drop(methods(router().exempt("/a.A/One")));
    std::panic::catch_unwind(early).expect_err("not yet");
    drop(methods(router()).exempt("/a.A/One"));
}

/// There is nothing to protect where there is no method, and no way to tell by the answer who may ask.
#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_unimplemented_for_everyone() {
    let host = serve(guarded());
    let mut peer = host.connect().await;
    for path in ["/a.A/Nope", "/nope.N/One"] {
        let stream = peer.ask(path, b"").await;
        peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
    }
}

#[tokio::test(start_paused = true)]
async fn added_services_are_intercepted_and_those_within_them_by_both() {
    let inner = methods(router()).intercept(|head| {
        let refused = head.metadata().get("inner") == Some("no");
        assert!(head.path().starts_with('/'), "{:?}", head.path());
        if refused {
            return Err(Status::new(Code::PERMISSION_DENIED, "no"));
        }
        Ok(())
    });
    let outer = Router::empty()
        .service(inner)
        .service(HealthService::new(Registry::new()))
        .intercept(wants_token);
    let host = serve(outer);
    let mut peer = host.connect().await;
    let call = |path: &str, token: bool, inner: &str| {
        let request = Call::new(path).with("inner", inner);
        match token {
            true => request.with("authorization", "Bearer s3cret"),
            false => request,
        }
    };
    let rows = [
        ("/a.A/One", false, "no", UNAUTHENTICATED),
        ("/a.A/One", true, "no", 7),
        ("/a.A/One", true, "yes", 0),
        // The inner router leaves its inner service alone; the outer one does not know what it is.
        (CHECK, false, "no", UNAUTHENTICATED),
        (CHECK, true, "no", 0),
    ];
    for (path, token, inner, code) in rows {
        let stream = peer
            .call(&call(path, token, inner), &envelope(0, b""))
            .await;
        assert_eq!(
            peer.whole(stream).await.code(),
            code,
            "{path} {token} {inner}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn every_interceptor_has_to_let_a_call_in_the_first_one_first() {
    let host = serve(guarded().exempt("/b.B/").intercept(
        |head| match head.metadata().get("second") {
            Some(_) => Ok(()),
            None => Err(Status::new(Code::PERMISSION_DENIED, "no")),
        },
    ));
    let mut peer = host.connect().await;
    let one = || Call::new("/a.A/One");
    let known = |call: Call| call.with("authorization", "Bearer s3cret");
    for (call, code) in [
        (one(), UNAUTHENTICATED),
        (one().with("second", ""), UNAUTHENTICATED),
        (known(one()), 7),
        (known(one()).with("second", ""), 0),
        (Call::new("/b.B/One"), 0),
    ] {
        let stream = peer.call(&call, &envelope(0, b"")).await;
        assert_eq!(peer.whole(stream).await.code(), code);
    }
}

#[tokio::test(start_paused = true)]
async fn an_interceptor_that_panics_is_unknown_for_that_call() {
    let host = serve(methods(router()).intercept(|head| {
        assert_ne!(head.path(), "/a.A/One", "as told");
        Ok(())
    }));
    let mut peer = host.connect().await;
    for (path, code) in [("/a.A/One", 2), ("/a.A/Two", 0)] {
        let stream = peer.ask(path, b"").await;
        assert_eq!(peer.whole(stream).await.code(), code, "{path}");
    }
    assert_eq!(host.0.stats().panics, 1);
}
