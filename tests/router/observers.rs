//! Observers are told of the end of every call, however it ends, once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use grpc_health::router::{CallEnd, Raw, Request, Response, Route, Router, Streaming};
use grpc_health::service::{Answer as Answered, Head, Message, Requests, Service, Wrapper};
use grpc_health::{Code, HealthService, Status};

use crate::fixture::{Answer, raw, reply, router, serve, serve_with, settle};
use crate::support::frame::{self, CANCEL, ENHANCE_YOUR_CALM};
use crate::support::grpc::{Request as Call, envelope, prefix};
use crate::support::peer::PIPE;

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

/// What was told: the method, the code, and the seconds it took.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(String, Code, u64)>>>);

impl Told {
    fn observe<S: Service>(&self, router: Router<S>) -> Router<S> {
        let told = self.clone();
        router.observe(move |end: &CallEnd<'_>| told.tell(end))
    }

    fn tell(&self, end: &CallEnd<'_>) {
        assert!(end.peer().remote_addr.is_some());
        let method = end.path().rsplit('/').next().unwrap().to_owned();
        let told = &mut *self.0.lock().unwrap();
        told.push((method, end.code(), end.elapsed().as_secs()));
    }

    #[track_caller]
    fn assert_one(&self, method: &str, code: Code, seconds: u64) {
        let told = std::mem::take(&mut *self.0.lock().unwrap());
        assert_eq!(told, [(method.to_owned(), code, seconds)]);
    }
}

fn methods() -> Router<HealthService> {
    router()
        .unary("/t.T/Ok", |_: One| async { reply("x") })
        .unary("/t.T/Later", |_: One| async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            reply("x")
        })
        .unary("/t.T/Fails", |_: One| async {
            Answer::<Raw>::Err(Status::new(Code::ABORTED, "no"))
        })
        .bidi("/t.T/Echo", |r: Many| async {
            Ok(Response::new(r.into_inner()))
        })
        .server_streaming("/t.T/FailsLate", |_: One| async {
            let items = [Ok(raw("x")), Err(Status::new(Code::DATA_LOSS, "no"))];
            Ok(Response::new(tokio_stream::iter(items)))
        })
        .unary("/t.T/Never", |_: One| std::future::pending::<Answer>())
        .unary("/t.T/Panics", |r: One| async move {
            assert!(r.metadata().is_empty(), "as told");
            reply("x")
        })
        .unary(Route::new("/t.T/Full").max_concurrent(0), |_: One| async {
            reply("x")
        })
        .intercept(|call| match call.metadata().get("refuse") {
            None => Ok(()),
            Some(_) => Err(Status::new(Code::UNAUTHENTICATED, "no")),
        })
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_told_how_calls_end() {
    let told = Told::default();
    let host = serve(told.observe(methods()));
    let mut peer = host.connect().await;
    let rows = [
        ("Ok", Code::OK, 0),
        ("Later", Code::OK, 3),
        ("Fails", Code::ABORTED, 0),
        ("Echo", Code::OK, 0),
        ("FailsLate", Code::DATA_LOSS, 0),
        ("Full", Code::RESOURCE_EXHAUSTED, 0),
    ];
    for (method, code, seconds) in rows {
        let stream = peer.ask(&format!("/t.T/{method}"), b"x").await;
        assert_eq!(
            i32::from(peer.whole(stream).await.code()),
            code.value(),
            "{method}"
        );
        told.assert_one(method, code, seconds);
    }
    // By whoever ends it.
    let rows = [
        ("Ok", "refuse", "x", Code::UNAUTHENTICATED, 0),
        ("Panics", "panic", "x", Code::UNKNOWN, 0),
        ("Never", "grpc-timeout", "5S", Code::DEADLINE_EXCEEDED, 5),
    ];
    for (method, name, value, code, seconds) in rows {
        let request = Call::new(&format!("/t.T/{method}")).with(name, value);
        let stream = peer.call(&request, &envelope(0, b"x")).await;
        peer.expect_trailers_only(stream, code.value() as u16).await;
        told.assert_one(method, code, seconds);
    }
    // Before the handler is asked.
    let request = Call::new("/t.T/Ok");
    for (body, code) in [
        (prefix(0, u32::MAX), Code::RESOURCE_EXHAUSTED),
        (vec![], Code::UNIMPLEMENTED),
    ] {
        let stream = peer.call(&request, &body).await;
        peer.expect_trailers_only(stream, code.value() as u16).await;
        told.assert_one("Ok", code, 0);
    }
    let stream = peer.begin("/t.T/Ok").await;
    peer.expect_trailers_only(stream, 4).await;
    told.assert_one("Ok", Code::DEADLINE_EXCEEDED, 10);
    // By the client, and with the connection.
    let stream = peer.ask("/t.T/Never", b"x").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    peer.send(&frame::reset(stream, CANCEL)).await;
    peer.ping().await;
    told.assert_one("Never", Code::CANCELLED, 2);
    peer.ask("/t.T/Never", b"x").await;
    peer.ping().await;
    drop(peer);
    // A client that has closed its side has a second to be answered.
    settle().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    settle().await;
    told.assert_one("Never", Code::CANCELLED, 1);
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_told_of_stalls_and_drains_and_waits() {
    let told = Told::default();
    let end = Route::new("/t.T/End").drain(grpc_health::router::Drain::End);
    let router = methods()
        .bidi(end, |r: Many| async { Ok(Response::new(r.into_inner())) })
        .intercept_async(|call| async move {
            if call.metadata().get("wait").is_some() {
                tokio::time::sleep(Duration::from_secs(9)).await;
            }
            Ok(call)
        });
    let host = serve_with(told.observe(router), |server| server);
    let closed = [(frame::SETTINGS_INITIAL_WINDOW_SIZE, 0)];
    let mut peer = host.connect_with(PIPE, &closed).await;
    let stream = peer.ask("/t.T/Ok", b"x").await;
    peer.expect_head(stream).await;
    peer.send(&frame::window_update(stream, 1)).await;
    peer.expect_data(stream).await;
    peer.expect_reset(stream, ENHANCE_YOUR_CALM).await;
    told.assert_one("Ok", Code::RESOURCE_EXHAUSTED, 30);

    let mut peer = host.connect().await;
    // The time that interceptors take is part of it.
    for (timeout, code, seconds) in [("1H", Code::OK, 9), ("2S", Code::DEADLINE_EXCEEDED, 2)] {
        let request = Call::new("/t.T/Ok")
            .with("wait", "x")
            .with("grpc-timeout", timeout);
        let stream = peer.call(&request, &envelope(0, b"x")).await;
        assert_eq!(i32::from(peer.whole(stream).await.code()), code.value());
        told.assert_one("Ok", code, seconds);
    }
    let stream = peer.begin("/t.T/End").await;
    peer.expect_head(stream).await;
    let drain = host.shut_down();
    peer.expect_trailers(stream, 14).await;
    told.assert_one("End", Code::UNAVAILABLE, 0);
    drop(peer);
    drain.await.unwrap();
}

/// A refused stream, too: to its client it has never been.
#[tokio::test(start_paused = true)]
async fn an_observer_is_told_of_calls_that_are_refused_as_streams() {
    let told = Told::default();
    let host = serve(told.observe(methods()).max_concurrent(0));
    let mut peer = host.connect().await;
    let stream = peer.ask("/t.T/Ok", b"x").await;
    peer.expect_reset(stream, frame::REFUSED_STREAM).await;
    told.assert_one("Ok", Code::UNAVAILABLE, 0);
}

#[tokio::test(start_paused = true)]
async fn health_is_observed_where_it_is_intercepted() {
    let told = Told::default();
    let host = serve(told.observe(methods()).exempt("/t.T/Ok"));
    let mut peer = host.connect().await;
    peer.expect_alive().await;
    assert!(told.0.lock().unwrap().is_empty());
    // Those that interceptors leave alone are observed.
    let stream = peer.ask("/t.T/Ok", b"x").await;
    peer.messages(stream).await;
    told.assert_one("Ok", Code::OK, 0);
    let host = serve(told.observe(methods()).intercept_inner());
    host.connect().await.expect_alive().await;
    told.assert_one("Check", Code::OK, 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_an_observer_ends_nothing() {
    let told = Told::default();
    let panics = methods().observe(|end| panic!("as told: {end:?}"));
    let host = serve(told.observe(panics));
    let mut peer = host.connect().await;
    for method in ["Ok", "Panics"] {
        let request = Call::new(&format!("/t.T/{method}")).with("panic", "x");
        let stream = peer.call(&request, &envelope(0, b"x")).await;
        peer.whole(stream).await;
        peer.expect_alive().await;
    }
    let codes: Vec<_> = told.0.lock().unwrap().iter().map(|told| told.1).collect();
    assert_eq!(codes, [Code::OK, Code::UNKNOWN]);
}

/// Observes each call when the call is given to the service, and not before.
struct Late(Router<HealthService>, Told);

impl Late {
    fn observe(&self, head: &mut Head<'_>) {
        let told = self.1.clone();
        head.on_end(move |end| told.tell(end));
    }
}

impl Wrapper for Late {
    type Inner = Router<HealthService>;

    fn inner(&self) -> &Self::Inner {
        &self.0
    }

    fn call(
        &self,
        mut head: Head<'_>,
        message: Message,
    ) -> Answered<<Self::Inner as Service>::Stream, <Self::Inner as Service>::Future> {
        self.observe(&mut head);
        self.0.call(head, message)
    }

    fn call_streaming(
        &self,
        mut head: Head<'_>,
        requests: Requests,
    ) -> Answered<<Self::Inner as Service>::Stream, <Self::Inner as Service>::Future> {
        self.observe(&mut head);
        self.0.call_streaming(head, requests)
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_comes_with_the_call_is_told_that_the_client_has_cancelled() {
    let told = Told::default();
    // Nothing is kept of a call of this router before the call is given to the service.
    let service = router()
        .unary("/t.T/Ok", |_: One| async { reply("x") })
        .unary("/t.T/Never", |_: One| std::future::pending::<Answer>())
        .bidi("/t.T/Echo", |r: Many| async {
            Ok(Response::new(r.into_inner()))
        });
    let host = serve(Late(service, told.clone()));
    let mut peer = host.connect().await;
    let stream = peer.ask("/t.T/Ok", b"").await;
    assert_eq!(peer.whole(stream).await.code(), 0);
    told.assert_one("Ok", Code::OK, 0);
    let stream = peer.ask("/t.T/Never", b"").await;
    settle().await;
    peer.reset(stream).await;
    settle().await;
    told.assert_one("Never", Code::CANCELLED, 0);
    let stream = peer.begin("/t.T/Echo").await;
    settle().await;
    peer.reset(stream).await;
    settle().await;
    told.assert_one("Echo", Code::CANCELLED, 0);
}
