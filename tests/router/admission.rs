//! Interceptors that wait: nothing is read meanwhile, and the call ends as any other does.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use grpc_health::router::{Raw, Request, RequestContext, Response, Route, Router, Streaming};
use grpc_health::service::{
    Admission, Answer as Answered, Background, Head, Lifecycle, Message, Method, Rejection,
    Requests, Service, Unimplemented,
};
use grpc_health::{Code, HealthService, Registry, Status};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_stream::StreamExt as _;

use crate::fixture::{Answer, Count, Host, Present, raw, reply, router, serve, serve_with, settle};
use crate::support::frame::{self, CANCEL, NO_ERROR};
use crate::support::grpc::{
    CHECK, DEADLINE_EXCEEDED, INTERNAL, RESOURCE_EXHAUSTED, Request as Call, SERVING, WATCH,
    envelope, health_request,
};

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

/// An interceptor that waits for a place at its gate, and refuses whoever says so.
#[derive(Clone)]
struct Gate {
    open: Arc<Semaphore>,
    waiting: Count,
    called: Count,
}

impl Gate {
    fn new() -> Self {
        Self {
            open: Arc::new(Semaphore::new(0)),
            waiting: Count::default(),
            called: Count::default(),
        }
    }

    async fn pass(self, call: RequestContext) -> Result<RequestContext, Status> {
        let waiting: Present = self.waiting.enter();
        self.open.acquire().await.unwrap().forget();
        drop(waiting);
        match call.metadata().get("refuse") {
            None => Ok(call),
            Some(why) => Err(Status::new(Code::PERMISSION_DENIED, why.to_owned())),
        }
    }

    fn guard<S: Service>(&self, router: Router<S>) -> Router<S> {
        let gate = self.clone();
        router.intercept_async(move |call| gate.clone().pass(call))
    }

    /// Two methods that count their calls and answer with what they were sent.
    fn methods(&self, route: impl Fn(&str) -> Route) -> Router<HealthService> {
        let (one, many) = (self.called.clone(), self.called.clone());
        self.guard(router())
            .unary(route("/t.T/U"), move |r: One| {
                one.add();
                async move { reply(r.get_ref().0.len().to_string()) }
            })
            .bidi(route("/t.T/B"), move |r: Many| {
                many.add();
                let len =
                    |item: Result<Raw, Status>| item.map(|Raw(item)| raw(item.len().to_string()));
                async move { Ok(Response::new(r.into_inner().map(len))) }
            })
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_before_the_decision() {
    let gate = Gate::new();
    let host = serve(gate.methods(|path| Route::new(path)));
    let mut peer = host.connect().await;
    for path in ["/t.T/U", "/t.T/B"] {
        let stream = peer.begin(path).await;
        // As much as the windows hold: none of it is taken, or there would be a WINDOW_UPDATE.
        let message = envelope(0, &vec![7; 60_000]);
        for chunk in message.chunks(16_000) {
            peer.send_data(stream, false, chunk).await;
        }
        peer.end(stream).await;
        let frames = peer.recv_until_idle().await;
        assert!(
            frames.iter().all(|frame| frame.stream() != stream),
            "{frames:?}"
        );
        assert_eq!((gate.waiting.get(), gate.called.get()), (1, 0), "{path}");
        gate.open.add_permits(1);
        assert_eq!(peer.messages(stream).await, [b"60000"], "{path}");
        // Refused, it is never read.
        let request = Call::new(path).with("refuse", "no");
        let stream = peer.start_call(&request).await;
        peer.send_data(stream, false, &message[..1_000]).await;
        gate.open.add_permits(1);
        let only = peer.expect_trailers_only(stream, 7).await;
        assert_eq!(only.get("grpc-message"), Some("no"));
        peer.expect_reset(stream, NO_ERROR).await;
        assert_eq!(gate.called.get(), 1, "{path}");
        gate.called.reset();
        peer.expect_alive().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_is_dropped_with_its_call() {
    for path in ["/t.T/U", "/t.T/B"] {
        let gate = Gate::new();
        let limits = |path: &str| Route::new(path).max_concurrent(1);
        let host = serve_with(gate.methods(limits), |server| {
            server.shutdown_deadline(Duration::from_secs(3))
        });
        // The deadline.
        let mut peer = host.connect().await;
        let start = Instant::now();
        let request = Call::new(path).with("grpc-timeout", "5S");
        let stream = peer.call(&request, &envelope(0, b"x")).await;
        peer.expect_trailers_only(stream, DEADLINE_EXCEEDED).await;
        assert_eq!(start.elapsed().as_secs(), 5);
        assert_eq!(gate.waiting.get(), 0, "{path}");
        // The client. Its place is free again each time.
        let stream = peer.ask(path, b"x").await;
        peer.ping().await;
        assert_eq!(gate.waiting.get(), 1, "{path}");
        let full = peer.ask(path, b"x").await;
        peer.expect_trailers_only(full, RESOURCE_EXHAUSTED).await;
        peer.send(&frame::reset(stream, CANCEL)).await;
        peer.ping().await;
        assert_eq!(gate.waiting.get(), 0, "{path}");
        // The connection, which may be half closed: the decision has a second.
        peer.ask(path, b"x").await;
        peer.ping().await;
        assert_eq!(gate.waiting.get(), 1, "{path}");
        drop(peer);
        tokio::time::sleep(Duration::from_secs(1)).await;
        settle().await;
        assert_eq!(gate.waiting.get(), 0, "{path}");
        // A shutdown waits for it, until its own deadline.
        let mut peer = host.connect().await;
        peer.ask(path, b"x").await;
        peer.ping().await;
        let start = Instant::now();
        host.shut_down().await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 3, "{path}");
        assert_eq!((gate.waiting.get(), gate.called.get()), (0, 0), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_a_decision_and_for_its_call() {
    let gate = Gate::new();
    let host = serve(gate.methods(|path| Route::new(path)));
    let mut peer = host.connect().await;
    let stream = peer.ask("/t.T/U", b"x").await;
    peer.ping().await;
    let drain = host.shut_down();
    peer.expect_goaway(NO_ERROR).await;
    settle().await;
    assert!(!drain.is_finished());
    gate.open.add_permits(1);
    assert_eq!(peer.messages(stream).await, [b"1"]);
    drop(peer);
    drain.await.unwrap();
}

/// The request has its time from when it is read.
#[tokio::test(start_paused = true)]
async fn the_time_for_a_request_begins_with_the_decision() {
    let gate = Gate::new();
    let host = serve(gate.methods(|path| Route::new(path)));
    let mut peer = host.connect().await;
    let stream = peer.begin("/t.T/U").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    gate.open.add_permits(1);
    settle().await;
    let start = Instant::now();
    peer.expect_trailers_only(stream, DEADLINE_EXCEEDED).await;
    assert_eq!(start.elapsed().as_secs(), 10);
    peer.expect_reset(stream, NO_ERROR).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_decision_is_in_progress() {
    let gate = Gate::new();
    let methods = gate.methods(|path| Route::new(path)).max_concurrent(1);
    let host = serve(methods);
    let mut peer = host.connect().await;
    let first = peer.ask("/t.T/U", b"x").await;
    peer.ping().await;
    let second = peer.ask("/t.T/B", b"x").await;
    peer.expect_reset(second, frame::REFUSED_STREAM).await;
    gate.open.add_permits(1);
    assert_eq!(peer.messages(first).await, [b"1"]);
    // And no more than once.
    gate.open.add_permits(1);
    let third = peer.ask("/t.T/B", b"x").await;
    assert_eq!(peer.messages(third).await, [b"1"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_it_decides_is_unknown_for_that_call() {
    let host = serve(
        router()
            .unary("/t.T/U", |_: One| async { reply("x") })
            .intercept_async(|call| {
                assert!(call.metadata().get("at-once").is_none(), "as told");
                async move {
                    tokio::task::yield_now().await;
                    assert!(call.metadata().get("later").is_none(), "as told");
                    Ok(call)
                }
            }),
    );
    let mut peer = host.connect().await;
    let watch = peer.watch("").await;
    peer.expect_data(watch).await;
    for (panics, name) in (1..).zip(["at-once", "later"]) {
        let request = Call::new("/t.T/U").with(name, "x");
        let stream = peer.call(&request, &envelope(0, b"")).await;
        peer.expect_trailers_only(stream, 2).await;
        assert_eq!(host.0.stats().panics, panics);
    }
    let stream = peer.ask("/t.T/U", b"").await;
    assert_eq!(peer.messages(stream).await, [b"x"]);
    assert_eq!(host.0.stats().calls_waiting, 1);
}

/// In their order, whether they wait or not, and those of a router within after those of the one around it.
#[tokio::test(start_paused = true)]
async fn interceptors_are_asked_in_their_order_each_once() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let sync = |name: &'static str| {
        let order = Arc::clone(&order);
        move |_: &mut RequestContext| {
            order.lock().unwrap().push(name);
            Ok(())
        }
    };
    let waits = |name: &'static str| {
        let order = Arc::clone(&order);
        move |call: RequestContext| {
            order.lock().unwrap().push(name);
            async move {
                tokio::task::yield_now().await;
                Ok(call)
            }
        }
    };
    let inner = router()
        .unary(Route::new("/t.T/U").max_concurrent(1), |_: One| async {
            reply("x")
        })
        .max_concurrent(1)
        .intercept_async(waits("in 1"))
        .intercept(sync("in 2"))
        .intercept_async(waits("in 3"));
    let host = serve(
        Router::empty()
            .service(inner)
            .intercept(sync("out 1"))
            .intercept_async(waits("out 2"))
            .intercept_async(waits("out 3"))
            .intercept(sync("out 4")),
    );
    let mut peer = host.connect().await;
    for _ in 0..2 {
        let stream = peer.ask("/t.T/U", b"").await;
        assert_eq!(peer.messages(stream).await, [b"x"]);
        let order = std::mem::take(&mut *order.lock().unwrap());
        let expected = ["out 1", "out 2", "out 3", "out 4", "in 1", "in 2", "in 3"];
        assert_eq!(order, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn health_is_waited_for_where_it_is_intercepted_and_nowhere_else() {
    let gate = Gate::new();
    let guarded = || gate.guard(router());
    serve(guarded()).connect().await.expect_alive().await;
    let host = serve(guarded().intercept_inner());
    let mut peer = host.connect().await;
    for path in [CHECK, WATCH] {
        let stream = peer.call(&Call::new(path), &health_request("")).await;
        peer.expect_silence().await;
        gate.open.add_permits(1);
        peer.expect_head(stream).await;
        assert_eq!(peer.expect_data(stream).await, SERVING, "{path}");
        if path == CHECK {
            peer.expect_trailers(stream, 0).await;
        }
    }
}

/// A service around a router that forgets to pass `admit` on: with it would go interceptors and limits.
struct Forgetful(Router<HealthService>);

impl Service for Forgetful {
    type Stream = <Router<HealthService> as Service>::Stream;
    type Future = <Router<HealthService> as Service>::Future;

    fn method(&self, path: &str) -> Result<Method, Unimplemented> {
        self.0.method(path)
    }
    fn admit(&self, _: &mut Head<'_>) -> Result<Admission, Rejection> {
        Ok(Admission::Granted)
    }

    fn call(&self, head: Head<'_>, message: Message) -> Answered<Self::Stream, Self::Future> {
        self.0.call(head, message)
    }
    fn call_streaming(
        &self,
        head: Head<'_>,
        requests: Requests,
    ) -> Answered<Self::Stream, Self::Future> {
        self.0.call_streaming(head, requests)
    }

    fn lifecycle(&self, _: Lifecycle) {}

    fn background(&self) -> Option<Background> {
        None
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_forgets_to_ask_switches_no_interceptor_off() {
    let methods = || {
        router()
            .unary("/t.T/U", |_: One| async { reply("x") })
            .bidi("/t.T/B", |r: Many| async {
                Ok(Response::new(r.into_inner()))
            })
    };
    async fn assert_refused<S: Service>(host: Host<S>, what: &str) {
        let mut peer = host.connect().await;
        for path in ["/t.T/U", "/t.T/B"] {
            let stream = peer.ask(path, b"x").await;
            let only = peer.expect_trailers_only(stream, INTERNAL).await;
            let text = only.get("grpc-message").unwrap();
            assert!(text.contains("does not pass on `admit`"), "{what}: {text}");
        }
    }
    let allow = |_: &mut RequestContext| Ok(());
    let rows = [
        ("sync", methods().intercept(allow)),
        (
            "async",
            methods().intercept_async(|call| async { Ok(call) }),
        ),
        ("limit", methods().max_concurrent(9)),
        ("observer", methods().observe(|_| {})),
        ("of a service", methods().intercept_at("/t.T/", allow)),
    ];
    for (what, router) in rows {
        assert_refused(serve(Forgetful(router)), what).await;
    }
    // Within another router, which asks, and which has interceptors of its own.
    let within = Router::empty().service(Forgetful(methods().intercept(allow)));
    assert_refused(serve(within), "within").await;
    let within = Router::empty().service(Forgetful(methods().intercept(allow)));
    assert_refused(serve(within.intercept(allow)), "within an asking one").await;
    // Where there is nothing to decide nothing can be forgotten.
    let host = serve(Forgetful(methods()));
    let mut peer = host.connect().await;
    peer.expect_alive().await;
    let stream = peer.ask("/t.T/U", b"").await;
    assert_eq!(peer.messages(stream).await, [b"x"]);
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_never_comes_holds_up_nobody_else() {
    let host = serve(
        Router::new(HealthService::new(Registry::new()))
            .unary("/t.T/U", |_: One| pending::<Answer>())
            .unary("/f.F/U", |_: One| async { reply("x") })
            .intercept_async_at("/t.T/", |_| pending::<Result<RequestContext, Status>>()),
    );
    let mut peer = host.connect().await;
    for _ in 0..100 {
        peer.ask("/t.T/U", b"x").await;
    }
    peer.expect_alive().await;
    let stream = peer.ask("/f.F/U", b"").await;
    assert_eq!(peer.messages(stream).await, [b"x"]);
}
