//! Panics whose payload panics when it is dropped: they cost no more than other panics.

use std::panic::panic_any;
use std::task::Poll;

use grpc_health::router::{Raw, Request, Response, Route, Router, Streaming};
use grpc_health::service::{
    Admission, Answer as Answered, Background, Head, Lifecycle, Message, Method, Permit, Rejection,
    Service, Unimplemented,
};
use grpc_health::{HealthService, Registry, Status};
use tokio_stream::Empty;

use crate::fixture::{Answer, Host, polled, raw, router, serve};
use crate::support::grpc::SERVING;
use crate::support::peer::Peer;

const UNKNOWN: u16 = 2;

/// Panics when it is dropped, with another one of its kind.
struct Grenade(u32);

impl Drop for Grenade {
    fn drop(&mut self) {
        if let Some(left) = self.0.checked_sub(1) {
            panic_any(Self(left));
        }
    }
}

fn throw<T>() -> T {
    panic_any(Grenade(3))
}

type One = Request<Raw>;

/// Methods that panic.
const METHODS: [&str; 8] = [
    "Closure",
    "Future",
    "Later",
    "Opening",
    "Stream",
    "Spawned",
    "SpawnedStream",
    "Refused",
];

fn rash() -> Router<HealthService> {
    let path = |method: &str| format!("/t.Rash/{method}");
    let stream = |_: One| async {
        let mut polls = 0;
        Ok(Response::new(polled(move |_| {
            polls += 1;
            match polls {
                1 => Poll::Ready(Some(Ok(raw("x")))),
                _ => throw(),
            }
        })))
    };
    let later = |_: Request<Streaming<Raw>>| async {
        tokio::task::yield_now().await;
        throw::<Answer>()
    };
    router()
        .unary(path("Closure"), |_: One| {
            let answer = throw::<Answer>();
            async { answer }
        })
        .unary(path("Future"), |_: One| async { throw::<Answer>() })
        .client_streaming(path("Later"), later)
        .server_streaming(path("Opening"), |_: One| async {
            throw::<Answer<Empty<Result<Raw, Status>>>>()
        })
        .server_streaming(path("Stream"), stream)
        .client_streaming(Route::new(path("Spawned")).spawned(), later)
        .server_streaming(Route::new(path("SpawnedStream")).spawned(), stream)
        .unary(path("Refused"), |_: One| async { Ok(raw("").into()) })
        .intercept_async_at("/t.Rash/Refused", |call| async {
            tokio::task::yield_now().await;
            drop(call);
            throw()
        })
}

#[tokio::test(start_paused = true)]
async fn the_payload_of_a_handler_that_panics_costs_one_call() {
    let host = serve(rash());
    let mut peer = host.connect().await;
    let watch = peer.watch("").await;
    peer.expect_data(watch).await;
    for (panics, method) in (1..).zip(METHODS) {
        let stream = peer.ask(&format!("/t.Rash/{method}"), b"").await;
        assert_eq!(peer.whole(stream).await.code(), UNKNOWN, "{method}");
        peer.expect_alive().await;
        assert_eq!(host.0.stats().panics, panics, "{method}");
    }
    assert_eq!(host.0.stats().calls_waiting, 1);
}

/// What a call that is given up leaves behind.
#[tokio::test(start_paused = true)]
async fn the_payload_of_a_drop_that_panics_costs_one_call() {
    let pending = |_: One| {
        let grenade = Grenade(3);
        async move {
            std::future::pending::<()>().await;
            drop(grenade);
            Ok(raw("").into())
        }
    };
    let host = serve(
        router()
            .unary("/t.T/Here", pending)
            .unary(Route::new("/t.T/Spawned").spawned(), pending)
            .unary("/t.T/Undecided", pending)
            .intercept_async_at("/t.T/Undecided", |call| {
                let grenade = Grenade(3);
                async move {
                    std::future::pending::<()>().await;
                    drop(grenade);
                    Ok(call)
                }
            }),
    );
    let mut peer = host.connect().await;
    let watch = peer.watch("").await;
    peer.expect_data(watch).await;
    for method in ["Here", "Spawned", "Undecided"] {
        let stream = peer.ask(&format!("/t.T/{method}"), b"").await;
        peer.ping().await;
        peer.reset(stream).await;
        peer.expect_alive().await;
        assert_eq!(host.0.stats().calls_waiting, 1, "{method}");
    }
}

/// The health service, whose own methods panic.
struct Toy(HealthService);

impl Service for Toy {
    type Stream = <HealthService as Service>::Stream;
    type Future = <HealthService as Service>::Future;

    fn method(&self, path: &str) -> Result<Method, Unimplemented> {
        if path == "/t.T/Nowhere" {
            return throw();
        }
        Ok(self.0.method(path)?.needs_metadata())
    }
    fn admit(&self, head: &mut Head<'_>) -> Result<Admission, Rejection> {
        head.keep(Permit::new(Grenade(3)));
        head.on_end(|_| throw());
        Ok(Admission::Granted)
    }
    fn call(&self, head: Head<'_>, message: Message) -> Answered<Self::Stream, Self::Future> {
        self.0.call(head, message)
    }
    fn lifecycle(&self, event: Lifecycle) {
        self.0.lifecycle(event);
        throw()
    }
    fn background(&self) -> Option<Background> {
        Some(Box::pin(async { throw() }))
    }
}

async fn is_well(peer: &mut Peer, host: &Host<Toy>, panics: u64) {
    assert_eq!(peer.check("").await, SERVING);
    assert_eq!(host.0.stats().panics, panics);
}

#[tokio::test(start_paused = true)]
async fn the_payload_of_a_service_that_panics_costs_one_call() {
    let host = serve(Toy(HealthService::new(Registry::new())));
    let mut peer = host.connect().await;
    is_well(&mut peer, &host, 0).await;
    let stream = peer.ask("/t.T/Nowhere", b"").await;
    assert_eq!(peer.whole(stream).await.code(), UNKNOWN);
    is_well(&mut peer, &host, 1).await;
    host.shut_down().await.unwrap();
    assert_eq!(host.0.stats().panics, 3);
}
