//! What interceptors add to a call, and the calls that they are for.

use std::time::Duration;

use grpc_health::router::{
    Extensions, Raw, Request, RequestContext, Response, Route, Router, Streaming,
};
use grpc_health::{Code, HealthService, Status};

use crate::fixture::{Answer, raw, reply, router, serve};
use crate::support::frame;
use crate::support::grpc::{
    CHECK, DEADLINE_EXCEEDED, INTERNAL, LIST, RESOURCE_EXHAUSTED, Request as Call, envelope,
    health_request, prefix,
};
use crate::support::peer::Peer;

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

#[derive(Clone, Debug)]
struct User(String);

fn user(extensions: &Extensions) -> Raw {
    raw(extensions
        .get()
        .map_or("nobody", |User(name)| name)
        .to_owned())
}

fn name(call: &mut RequestContext) -> Result<(), Status> {
    let name = call.metadata().get("user").map(str::to_owned);
    call.extensions_mut().extend(
        name.map(|name| {
            let mut named = Extensions::new();
            named.insert(User(name));
            named
        })
        .unwrap_or_default(),
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn handlers_of_every_kind_read_what_interceptors_have_found_out() {
    let answer = |user: Raw| Ok::<_, Status>(Response::new(tokio_stream::iter([Ok(user)])));
    let methods = || {
        router()
            .unary("/t.T/U", |r: One| async move {
                Ok(Response::new(user(r.extensions())))
            })
            .server_streaming("/t.T/S", move |r: One| async move {
                answer(user(r.extensions()))
            })
            .client_streaming(Route::new("/t.T/C").spawned(), |r: Many| async move {
                Ok(Response::new(user(r.extensions())))
            })
            .bidi("/t.T/B", move |r: Many| async move {
                answer(user(r.extensions()))
            })
    };
    let wait = |mut call: RequestContext| async move {
        tokio::task::yield_now().await;
        name(&mut call).map(|()| call)
    };
    for router in [
        Router::new(methods().intercept(name)),
        Router::new(methods().intercept_async(wait)),
        Router::new(methods()).intercept_inner().intercept(name),
    ] {
        let host = serve(Router::empty().service(router));
        let mut peer = host.connect().await;
        for method in ["U", "S", "C", "B"] {
            let path = format!("/t.T/{method}");
            let request = Call::new(&path).with("user", "ada");
            let stream = peer.call(&request, &envelope(0, b"")).await;
            assert_eq!(peer.messages(stream).await, [b"ada"], "{method}");
            let stream = peer.ask(&path, b"").await;
            assert_eq!(peer.messages(stream).await, [b"nobody"], "{method}");
        }
    }
}

fn tag(call: &mut RequestContext) -> Result<(), Status> {
    call.response_metadata_mut().append("tag", "7")?;
    Ok(())
}

/// An answer of one HEADERS frame that says it.
async fn expect_tagged(peer: &mut Peer, stream: u32, code: u16) {
    let only = peer.expect_headers(stream, true).await;
    assert_eq!(only.get("grpc-status"), Some(&*code.to_string()));
    assert_eq!(only.get("tag"), Some("7"));
}

#[tokio::test(start_paused = true)]
async fn an_answers_head_has_what_interceptors_say() {
    fn own() -> grpc_health::router::Metadata {
        let mut metadata = grpc_health::router::Metadata::new();
        metadata.append("own", "1").unwrap();
        metadata
    }
    let fails = || Status::new(Code::ABORTED, "no").with_metadata(own());
    let host = serve(
        router()
            .unary("/t.T/Plain", |_: One| async { reply("x") })
            .unary("/t.T/Own", |_: One| async {
                Ok(Response::new(raw("x")).with_metadata(own()))
            })
            .server_streaming("/t.T/S", |_: One| async {
                Ok(Response::new(tokio_stream::iter([Ok(raw("x"))])).with_metadata(own()))
            })
            .bidi("/t.T/Empty", |_: Many| async {
                Ok(Response::new(tokio_stream::empty::<Result<Raw, Status>>()))
            })
            .unary("/t.T/Fails", move |_: One| async move {
                Answer::<Raw>::Err(fails())
            })
            .server_streaming("/t.T/FailsLate", move |_: One| async move {
                Ok(Response::new(tokio_stream::iter([
                    Ok(raw("x")),
                    Err(fails()),
                ])))
            })
            .unary("/t.T/Never", |_: One| std::future::pending::<Answer>())
            .intercept(tag),
    );
    let mut peer = host.connect().await;
    for (method, own) in [
        ("Plain", None),
        ("Own", Some("1")),
        ("S", Some("1")),
        ("Empty", None),
    ] {
        let stream = peer.ask(&format!("/t.T/{method}"), b"").await;
        let whole = peer.whole(stream).await;
        assert_eq!(whole.code(), 0, "{method}");
        let said = (whole.head.get("tag"), whole.head.get("own"));
        assert_eq!(said, (Some("7"), own), "{method}");
        assert_eq!(whole.trailers.get("tag"), None, "{method}");
    }
    // An answer of one HEADERS frame has it there.
    let stream = peer.ask("/t.T/Fails", b"").await;
    let only = peer.expect_headers(stream, true).await;
    assert_eq!((only.get("tag"), only.get("own")), (Some("7"), Some("1")));
    // One that has sent its head has it once.
    let stream = peer.ask("/t.T/FailsLate", b"").await;
    let whole = peer.whole(stream).await;
    let said = (
        whole.head.get("tag"),
        whole.trailers.get("tag"),
        whole.trailers.get("own"),
    );
    assert_eq!(said, (Some("7"), None, Some("1")));
    // What the host answers, too: a deadline, a request that is too large, or is none.
    let request = Call::new("/t.T/Never").with("grpc-timeout", "1S");
    let stream = peer.call(&request, &envelope(0, b"")).await;
    expect_tagged(&mut peer, stream, DEADLINE_EXCEEDED).await;
    let request = Call::new("/t.T/Plain");
    let stream = peer.call(&request, &prefix(0, u32::MAX)).await;
    expect_tagged(&mut peer, stream, RESOURCE_EXHAUSTED).await;
    let stream = peer.call(&request, &prefix(2, 0)).await;
    expect_tagged(&mut peer, stream, INTERNAL).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_has_what_interceptors_before_it_have_said() {
    fn no() -> Status {
        Status::new(Code::PERMISSION_DENIED, "no")
    }
    let methods = || {
        router()
            .unary("/t.T/U", |_: One| async { reply("x") })
            .intercept(tag)
    };
    for router in [
        methods().intercept(|_| Err(no())),
        methods().intercept(|call| {
            call.response_metadata_mut().append("why", "not")?;
            Err(no())
        }),
        methods().intercept_async(|_| async { Err(no()) }),
        methods()
            .intercept_async(|call| async { Ok(call) })
            .intercept(|_| Err(no())),
    ] {
        let host = serve(router);
        let mut peer = host.connect().await;
        let stream = peer.ask("/t.T/U", b"").await;
        expect_tagged(&mut peer, stream, 7).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_while_an_interceptor_waits_has_what_those_before_it_have_said() {
    let host = serve(
        router()
            .unary("/t.T/U", |_: One| async { reply("x") })
            .intercept(tag)
            .intercept_async(|_| std::future::pending()),
    );
    let mut peer = host.connect().await;
    let request = Call::new("/t.T/U").with("grpc-timeout", "1S");
    let stream = peer.call(&request, &envelope(0, b"")).await;
    expect_tagged(&mut peer, stream, DEADLINE_EXCEEDED).await;
}

/// However much they say: a client that takes 8 KiB of a head loses no call.
#[tokio::test(start_paused = true)]
async fn what_interceptors_say_leaves_room_for_the_handlers_own() {
    let large = |name: &str| {
        let mut metadata = grpc_health::router::Metadata::new();
        metadata.append(name, &"x".repeat(4_000)).unwrap();
        metadata
    };
    let host = serve(
        router()
            .unary("/t.T/U", move |_: One| async move {
                Ok(Response::new(raw("x")).with_metadata(large("own")))
            })
            .intercept(move |call| {
                *call.response_metadata_mut() = large("tag");
                Ok(())
            }),
    );
    let mut peer = host.connect().await;
    let stream = peer.ask("/t.T/U", b"").await;
    let whole = peer.whole(stream).await;
    assert_eq!(whole.head.get("own").map(str::len), Some(4_000));
    assert_eq!(whole.head.get("tag"), None);
}

fn refuse(_: &mut RequestContext) -> Result<(), Status> {
    Err(Status::new(Code::PERMISSION_DENIED, "no"))
}

async fn refuse_later(_: RequestContext) -> Result<RequestContext, Status> {
    tokio::task::yield_now().await;
    Err(Status::new(Code::PERMISSION_DENIED, "no"))
}

fn services() -> Router<HealthService> {
    let mut router = router();
    for path in ["/a.A/One", "/a.A/Two", "/a.AB/One", "/b.B/One"] {
        router = router.unary(path, |_: One| async { reply("x") });
    }
    router
}

#[tokio::test(start_paused = true)]
async fn interceptors_can_be_for_one_service_or_method() {
    const ALL: [&str; 4] = ["/a.A/One", "/a.A/Two", "/a.AB/One", "/b.B/One"];
    let nested = Router::empty().service(services());
    let rows: [(_, &[&str]); 6] = [
        (
            Router::new(services()).intercept_at("/a.A/", refuse),
            &ALL[..2],
        ),
        (
            Router::new(services().intercept_at("/a.A/", refuse)),
            &ALL[..2],
        ),
        (
            Router::new(services().intercept_async_at("/a.A/Two", refuse_later)),
            &ALL[1..2],
        ),
        (
            Router::new(
                services()
                    .intercept_at("/a.AB/One", refuse)
                    .exempt("/a.AB/One"),
            ),
            &[],
        ),
        (
            Router::new(
                services()
                    .intercept_at("/b.B/", refuse)
                    .intercept_async_at("/a.A/One", refuse_later),
            ),
            &["/a.A/One", "/b.B/One"],
        ),
        (
            Router::new(services())
                .service(nested)
                .intercept_at("/b.B/One", refuse),
            &ALL[3..],
        ),
    ];
    for (i, (router, refused)) in rows.into_iter().enumerate() {
        let host = serve(router);
        let mut peer = host.connect().await;
        for path in ALL {
            let stream = peer.ask(path, b"").await;
            let code = if refused.contains(&path) { 7 } else { 0 };
            assert_eq!(peer.whole(stream).await.code(), code, "{i}: {path}");
        }
        peer.expect_alive().await;
    }
}

/// Health is exempt from interceptors of everything, not from one of its own.
#[tokio::test(start_paused = true)]
async fn an_interceptor_can_be_for_one_method_of_the_inner_service() {
    let host = serve(services().intercept(refuse).intercept_at(LIST, refuse));
    let mut peer = host.connect().await;
    let stream = peer.call(&Call::new(LIST), &envelope(0, b"")).await;
    peer.expect_trailers_only(stream, 7).await;
    let stream = peer.call(&Call::new(CHECK), &health_request("")).await;
    peer.expect_unary_ok(stream).await;
}

#[test]
#[should_panic(expected = "no method or service at /a.a/")]
fn an_interceptor_for_nothing_is_refused() {
    let _ = services().intercept_at("/a.a/", refuse);
}

#[test]
#[should_panic(expected = "no method or service at /a.A")]
fn an_interceptor_for_half_a_name_is_refused() {
    let _ = services().intercept_async_at("/a.A", refuse_later);
}

/// A client's own timeout, and the one its method has, to the interceptor.
#[tokio::test(start_paused = true)]
async fn an_interceptor_is_told_how_long_the_call_may_take() {
    let route = Route::new("/t.T/U").timeout(Duration::from_secs(5));
    let host = serve(
        router()
            .unary(route, |_: One| async { reply("x") })
            .intercept(|call| {
                let left = call.deadline().unwrap() - tokio::time::Instant::now().into_std();
                Err(Status::new(
                    Code::ABORTED,
                    format!("{:?} {left:?}", call.timeout().unwrap()),
                ))
            }),
    );
    let mut peer = host
        .connect_with(
            crate::support::peer::PIPE,
            &[(frame::SETTINGS_MAX_HEADER_LIST_SIZE, 8_192)],
        )
        .await;
    let stream = peer.ask("/t.T/U", b"").await;
    let only = peer.expect_trailers_only(stream, 10).await;
    assert_eq!(only.get("grpc-message"), Some("5s 5s"));
}
