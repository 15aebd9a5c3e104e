//! Handlers that panic: one call is UNKNOWN, and nobody else notices.

use std::task::Poll;

use bytes::BytesMut;
use grpc_health::router::{
    Decode, Encode, EncodeError, Raw, Request, Response, Route, Router, Streaming,
};
use grpc_health::service::{
    Admission, Answer as Answered, Background, Head, Lifecycle, Message, Method, Permit, Rejection,
    Service, Unimplemented,
};
use grpc_health::{HealthService, Registry, Status};
use tokio_stream::Empty;

use crate::fixture::{Answer, Count, polled, raw, router, serve};
use crate::support::grpc::{SERVING, envelope};

const UNKNOWN: u16 = 2;

/// A message that cannot be read, or written, without a panic.
struct Rash;

impl Decode for Rash {
    fn decode(message: Message) -> Result<Self, Status> {
        panic!("as told: {:?}", message.body)
    }
}

impl Encode for Rash {
    fn encode(&self, dst: &mut BytesMut) -> Result<(), EncodeError> {
        panic!("as told: {dst:?}")
    }
}

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

fn never<T>() -> Answer<T> {
    panic!("as told")
}

/// Methods that panic, and whether they do so after their head.
const METHODS: [(&str, bool); 10] = [
    ("Closure", false),
    ("Decode", false),
    ("DecodeLater", false),
    ("Encode", false),
    ("Future", false),
    ("Later", false),
    ("Opening", false),
    ("Stream", true),
    ("Spawned", false),
    ("SpawnedStream", true),
];

fn rash<S: Service>(router: Router<S>) -> Router<S> {
    let path = |method: &str| format!("/t.Rash/{method}");
    let stream = |_: One| async {
        let mut polls = 0;
        Ok(Response::new(polled(move |cx| {
            polls += 1;
            assert!(polls < 3, "as told");
            cx.waker().wake_by_ref();
            if polls < 2 {
                Poll::Ready(Some(Ok(raw("x"))))
            } else {
                Poll::Pending
            }
        })))
    };
    let later = |_: Many| async {
        tokio::task::yield_now().await;
        never::<Raw>()
    };
    router
        .unary(path("Closure"), |r: One| {
            assert!(r.metadata().get("x").is_some(), "as told");
            async { Ok(raw("").into()) }
        })
        .unary(path("Decode"), |_: Request<Rash>| async {
            Ok(raw("").into())
        })
        .bidi(path("DecodeLater"), |r: Request<Streaming<Rash>>| async {
            use tokio_stream::StreamExt as _;
            let items = r.into_inner();
            Ok(Response::new(items.map(|item| item.map(|_| raw("")))))
        })
        .unary(path("Encode"), |_: One| async { Ok(Rash.into()) })
        .unary(path("Future"), |_: One| async { never::<Raw>() })
        .client_streaming(path("Later"), later)
        .server_streaming(path("Opening"), |_: One| async {
            never::<Empty<Result<Raw, Status>>>()
        })
        .server_streaming(path("Stream"), stream)
        .client_streaming(Route::new(path("Spawned")).spawned(), later)
        .server_streaming(Route::new(path("SpawnedStream")).spawned(), stream)
}

#[tokio::test(start_paused = true)]
async fn a_panic_anywhere_in_a_handler_is_unknown_for_its_call_alone() {
    let host = serve(rash(router()).bidi("/t.T/Echo", |r: Many| async {
        Ok(Response::new(r.into_inner()))
    }));
    let mut peer = host.connect().await;
    let watch = peer.watch("").await;
    peer.expect_data(watch).await;
    let other = peer.begin("/t.T/Echo").await;
    peer.expect_head(other).await;
    for (panics, (method, after_head)) in (1..).zip(METHODS) {
        let stream = peer.ask(&format!("/t.Rash/{method}"), b"").await;
        let whole = peer.whole(stream).await;
        assert_eq!(whole.code(), UNKNOWN, "{method}");
        assert_eq!(
            whole.head.get("grpc-status").is_none(),
            after_head,
            "{method}"
        );
        peer.say(other, method.as_bytes()).await;
        let echo = envelope(0, method.as_bytes());
        assert_eq!(peer.expect_data(other).await, echo, "{method}");
        assert_eq!(host.0.stats().panics, panics, "{method}");
    }
    peer.expect_alive().await;
    assert_eq!(host.0.stats().calls_waiting, 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_gives_the_permit_back() {
    let host = serve(rash(router()).max_concurrent(1));
    let mut peer = host.connect().await;
    for (method, _) in METHODS {
        let stream = peer.ask(&format!("/t.Rash/{method}"), b"").await;
        assert_eq!(peer.whole(stream).await.code(), UNKNOWN, "{method}");
    }
}

/// A service whose permits panic as they are given back.
struct Grudging(HealthService);

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("as told");
    }
}

impl Service for Grudging {
    type Stream = <HealthService as Service>::Stream;
    type Future = <HealthService as Service>::Future;

    fn method(&self, path: &str) -> Result<Method, Unimplemented> {
        Ok(self.0.method(path)?.needs_metadata())
    }
    fn admit(&self, head: &mut Head<'_>) -> Result<Admission, Rejection> {
        head.keep(Permit::new(Bomb));
        Ok(Admission::Granted)
    }
    fn call(&self, head: Head<'_>, message: Message) -> Answered<Self::Stream, Self::Future> {
        self.0.call(head, message)
    }

    fn lifecycle(&self, _: Lifecycle) {}

    fn background(&self) -> Option<Background> {
        None
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_drop_of_a_permit_costs_nothing() {
    let host = serve(Grudging(HealthService::new(Registry::new())));
    let mut peer = host.connect().await;
    let watch = peer.watch("").await;
    peer.expect_data(watch).await;
    assert_eq!(peer.check("").await, SERVING);
    peer.reset(watch).await;
    assert_eq!(peer.check("").await, SERVING);
    assert_eq!(host.0.stats().calls_waiting, 0);
}

/// What a handler leaves behind may panic, too, when its call is given up.
#[tokio::test(start_paused = true)]
async fn a_panic_in_the_drop_of_a_handler_costs_no_other_call() {
    struct Bomb(Count);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.add();
            panic!("as told");
        }
    }
    let dropped = Count::default();
    let host = serve(
        router()
            .unary("/t.T/U", {
                let dropped = dropped.clone();
                move |_: One| {
                    let bomb = Bomb(dropped.clone());
                    async move {
                        std::future::pending::<()>().await;
                        drop(bomb);
                        Ok(raw("").into())
                    }
                }
            })
            .server_streaming("/t.T/S", {
                let dropped = dropped.clone();
                move |_: One| {
                    let bomb = Bomb(dropped.clone());
                    async move {
                        Ok(Response::new(polled(move |_| {
                            let _ = &bomb;
                            Poll::<Option<Result<Raw, Status>>>::Pending
                        })))
                    }
                }
            }),
    );
    let mut peer = host.connect().await;
    let watch = peer.watch("").await;
    peer.expect_data(watch).await;
    for (dropped_before, path) in ["/t.T/U", "/t.T/S"].into_iter().enumerate() {
        let stream = peer.ask(path, b"").await;
        peer.ping().await;
        assert_eq!(dropped.get(), dropped_before, "{path}");
        peer.reset(stream).await;
        peer.expect_alive().await;
        assert_eq!(dropped.get(), dropped_before + 1, "{path}");
    }
    let request = crate::support::grpc::Request::new("/t.T/U").with("grpc-timeout", "1S");
    let stream = peer.call(&request, &envelope(0, b"")).await;
    peer.expect_trailers_only(stream, 4).await;
    assert_eq!(dropped.get(), 3);
    peer.expect_alive().await;
    let stats = host.0.stats();
    assert_eq!((stats.panics, stats.calls_waiting), (3, 1));
}
