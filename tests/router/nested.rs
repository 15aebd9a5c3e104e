//! Services within a router, and what is not in it.

use std::sync::{Arc, Mutex};

use grpc_health::router::{NoInnerService, Raw, Request, Response, Route, Router, Streaming};
use grpc_health::service::{
    Admission, Answer, Background, Head, Lifecycle, Message, Method, Rejection, Reply, Service,
    Unimplemented, Wrapper,
};
use grpc_health::{HealthService, Registry, ServingStatus};

use crate::fixture::{Count, reply, router, serve, settle};
use crate::support::grpc::{NOT_SERVING, SERVING, UNIMPLEMENTED, envelope};

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

fn echo<S: Service>(router: Router<S>, service: &str) -> Router<S> {
    router
        .unary(format!("/{service}/One"), |r: One| async {
            Ok(r.into_inner().into())
        })
        .bidi(format!("/{service}/Many"), |r: Many| async {
            Ok(Response::new(r.into_inner()))
        })
}

#[tokio::test(start_paused = true)]
async fn services_within_services_are_found() {
    let registry = Registry::new();
    registry
        .set_service_status("up", ServingStatus::Serving)
        .unwrap();
    let innermost = echo(Router::empty(), "c.C");
    let inner = echo(Router::new(innermost), "b.B").service(echo(Router::empty(), "d.D"));
    let outer = echo(Router::empty(), "a.A")
        .service(inner)
        .service(HealthService::new(registry));
    let host = serve(outer);
    let mut peer = host.connect().await;
    for service in ["a.A", "b.B", "c.C", "d.D"] {
        let stream = peer
            .ask(&format!("/{service}/One"), service.as_bytes())
            .await;
        let body = peer.expect_unary_ok(stream).await;
        assert_eq!(body, envelope(0, service.as_bytes()));
        let stream = peer.begin(&format!("/{service}/Many")).await;
        peer.expect_head(stream).await;
        peer.say(stream, b"x").await;
        assert_eq!(
            peer.expect_data(stream).await,
            envelope(0, b"x"),
            "{service}"
        );
        peer.end(stream).await;
        peer.expect_trailers(stream, 0).await;
    }
    assert_eq!(peer.check("up").await, SERVING);
    let watch = peer.watch("up").await;
    assert_eq!(peer.expect_data(watch).await, SERVING);
}

fn deep(levels: usize) -> Router {
    let mut router = echo(Router::empty(), "a.A");
    for _ in 1..levels {
        router = Router::empty().service(router);
    }
    router
}

#[tokio::test(start_paused = true)]
async fn routers_are_nested_as_deep_as_there_is_room_for() {
    for levels in 1..=4 {
        let host = serve(deep(levels));
        let mut peer = host.connect().await;
        let stream = peer.ask("/a.A/One", b"x").await;
        let body = peer.expect_unary_ok(stream).await;
        assert_eq!(body, envelope(0, b"x"), "{levels}");
    }
    // As many, with the others first.
    let host = serve(Router::new(Router::new(deep(2))));
    let mut peer = host.connect().await;
    let stream = peer.ask("/a.A/One", b"x").await;
    assert_eq!(peer.expect_unary_ok(stream).await, envelope(0, b"x"));
}

#[test]
#[should_panic(expected = "more than 4 nested routers")]
fn a_router_that_is_too_deep_is_refused_as_it_is_added() {
    let _ = deep(5);
}

#[test]
#[should_panic(expected = "more than 4 nested routers")]
fn a_first_router_that_is_too_deep_is_refused() {
    let _ = Router::new(Router::empty().service(deep(3)));
}

/// The first that has a method serves it.
#[tokio::test(start_paused = true)]
async fn earlier_services_hide_later_ones() {
    let says = |text: &'static str| {
        Router::empty().unary("/a.A/One", move |_: One| async move { reply(text) })
    };
    let host = serve(Router::new(says("first")).service(says("added")));
    let mut peer = host.connect().await;
    let stream = peer.ask("/a.A/One", b"").await;
    assert_eq!(peer.expect_unary_ok(stream).await, envelope(0, b"first"));
    let host = serve(says("own").service(says("added")));
    let mut peer = host.connect().await;
    let stream = peer.ask("/a.A/One", b"").await;
    assert_eq!(peer.expect_unary_ok(stream).await, envelope(0, b"own"));
    let host = serve(Router::empty().service(says("one")).service(says("two")));
    let mut peer = host.connect().await;
    let stream = peer.ask("/a.A/One", b"").await;
    assert_eq!(peer.expect_unary_ok(stream).await, envelope(0, b"one"));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_unimplemented_and_said_as_such() {
    let host = serve(echo(router(), "a.A").service(echo(Router::empty(), "b.B.C")));
    let mut peer = host.connect().await;
    let rows = [
        ("/nope.N/One", "unknown service nope.N"),
        ("/a.A/Nope", "unknown method Nope for service a.A"),
        ("/b.B.C/Nope", "unknown method Nope for service b.B.C"),
        ("/b.B/One", "unknown service b.B"),
        (
            "/grpc.health.v1.Health/Nope",
            "unknown method Nope for service grpc.health.v1.Health",
        ),
        ("/A.A/One", "unknown service A.A"),
        ("/a.A/one", "unknown method one for service a.A"),
        ("/a.A/One/", "unknown service a.A/One"),
        ("//a.A/One", "unknown service /a.A"),
        ("/a.A", "unknown service /a.A"),
    ];
    for (path, message) in rows {
        let stream = peer.ask(path, b"").await;
        let refusal = peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
        assert_eq!(refusal.get("grpc-message"), Some(message), "{path}");
    }
    let host = serve(Router::empty());
    let mut peer = host.connect().await;
    let stream = peer.ask("/a.A/One", b"").await;
    peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
}

/// Tells what it is told.
#[derive(Clone, Default)]
struct Told {
    events: Arc<Mutex<Vec<Lifecycle>>>,
    working: Count,
}

impl Service for Told {
    type Stream = <NoInnerService as Service>::Stream;
    type Future = std::future::Ready<Reply>;

    fn method(&self, _: &str) -> Result<Method, Unimplemented> {
        Err(Unimplemented::Service)
    }
    fn admit(&self, _: &mut Head<'_>) -> Result<Admission, Rejection> {
        Ok(Admission::Granted)
    }

    fn call(&self, _: Head<'_>, _: Message) -> Answer<Self::Stream, Self::Future> {
        unreachable!("it has no methods")
    }
    fn lifecycle(&self, event: Lifecycle) {
        self.events.lock().unwrap().push(event);
    }
    fn background(&self) -> Option<Background> {
        let working = self.working.clone();
        Some(Box::pin(async move {
            let _working = working.enter();
            std::future::pending::<()>().await;
        }))
    }
}

#[tokio::test(start_paused = true)]
async fn lifecycle_and_background_reach_every_service() {
    let told = [Told::default(), Told::default(), Told::default()];
    let [first, added, nested] = told.clone();
    let registry = Registry::new();
    let health = HealthService::new(registry.clone());
    let host = serve(
        Router::new(first)
            .service(Router::new(added).service(nested))
            .service(health),
    );
    let mut peer = host.connect().await;
    settle().await;
    for told in &told {
        assert_eq!(told.working.get(), 1);
        assert!(told.events.lock().unwrap().is_empty());
    }
    // The registry's driver is among them: watchers hear of changes.
    let watch = peer.watch("").await;
    assert_eq!(peer.expect_data(watch).await, SERVING);
    registry
        .set_service_status("", ServingStatus::NotServing)
        .unwrap();
    assert_eq!(peer.expect_data(watch).await, NOT_SERVING);
    let drain = host.shut_down();
    peer.expect_trailers(watch, 14).await;
    drop(peer);
    drain.await.unwrap();
    drop(host);
    settle().await;
    for told in &told {
        let expected = [Lifecycle::Announce, Lifecycle::Closing];
        assert_eq!(*told.events.lock().unwrap(), expected);
        assert_eq!(told.working.get(), 0);
    }
}

/// A service whose background work panics.
struct Failing(Told);

impl Wrapper for Failing {
    type Inner = Told;

    fn inner(&self) -> &Told {
        &self.0
    }
    fn background(&self) -> Option<Background> {
        Some(Box::pin(async { panic!("as told") }))
    }
}

/// The panic ended the work of all services of the router, the registry's driver included.
#[tokio::test(start_paused = true)]
async fn a_panic_in_the_background_work_of_one_service_costs_no_other_its_work() {
    let told = [Told::default(), Told::default()];
    let [first, last] = told.clone();
    let host = serve(
        Router::new(first)
            .service(Failing(Told::default()))
            .service(last),
    );
    let _peer = host.connect().await;
    settle().await;
    assert_eq!(told.map(|told| told.working.get()), [1, 1]);
}

#[test]
fn paths_that_name_no_method_are_refused_as_they_are_added() {
    let bad = [
        "",
        "/",
        "a.A/One",
        "/a.A",
        "/a.A/",
        "//One",
        "/a.A/One/",
        "/a.A/One?x",
        "/a.A/One#x",
        "/a A/One",
        "/a.A/Öne",
    ];
    for path in bad {
        assert!(
            std::panic::catch_unwind(|| Route::new(path)).is_err(),
            "{path:?}"
        );
    }
    for path in ["/a.A/One", "/A/o", "/a-b.c_d/One"] {
        let _ = Route::new(path);
    }
}

#[test]
#[should_panic(expected = "/grpc.health.v1.Health/Check is the inner service's")]
fn a_handler_is_not_hidden_by_the_first_service() {
    let check = |message: Request<Raw>| async move { Ok(Response::new(message.into_inner())) };
    let _ = router().unary("/grpc.health.v1.Health/Check", check);
}

#[test]
#[should_panic(expected = "/a.A/One has a handler already")]
fn a_path_has_one_handler() {
    let _ = echo(echo(Router::empty(), "a.A"), "a.A");
}
