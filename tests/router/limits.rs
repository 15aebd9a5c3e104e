//! How many calls there may be at once, of a method and of them all.

use std::sync::Arc;

use grpc_health::HealthService;
use grpc_health::router::{Raw, Request, Route, Router};
use tokio::sync::Semaphore;

use crate::fixture::{Count, reply, router, serve};
use crate::support::frame::{NO_ERROR, REFUSED_STREAM};
use crate::support::grpc::{RESOURCE_EXHAUSTED, envelope};

type One = Request<Raw>;

/// Handlers that wait until they are let go.
#[derive(Clone)]
struct Gate {
    open: Arc<Semaphore>,
    inside: Count,
}

impl Gate {
    fn new() -> Self {
        Self {
            open: Arc::new(Semaphore::new(0)),
            inside: Count::default(),
        }
    }

    fn add(&self, router: Router<HealthService>, route: Route) -> Router<HealthService> {
        let gate = self.clone();
        router.unary(route, move |_: One| {
            let gate = gate.clone();
            async move {
                let _inside = gate.inside.enter();
                gate.open.acquire().await.unwrap().forget();
                reply("done")
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_method_that_is_full_is_resource_exhausted_before_the_body_is_read() {
    let gate = Gate::new();
    let full = gate.add(router(), Route::new("/t.T/Two").max_concurrent(2));
    let host = serve(gate.add(full, Route::new("/t.T/Any")));
    let mut peer = host.connect().await;
    let mut other = host.connect().await;
    // One whose body is not there yet is in progress, too.
    let first = peer.begin("/t.T/Two").await;
    let second = other.ask("/t.T/Two", b"").await;
    other.ping().await;
    peer.ping().await;
    assert_eq!(gate.inside.get(), 1);
    for peer in [&mut peer, &mut other] {
        let refused = peer.begin("/t.T/Two").await;
        peer.expect_trailers_only(refused, RESOURCE_EXHAUSTED).await;
        peer.expect_reset(refused, NO_ERROR).await;
        // Neither health nor other methods are any of its business.
        peer.expect_alive().await;
    }
    let any = peer.ask("/t.T/Any", b"").await;
    peer.say(first, b"").await;
    peer.end(first).await;
    peer.ping().await;
    assert_eq!(gate.inside.get(), 3);
    gate.open.add_permits(3);
    for (peer, stream) in [(&mut peer, first), (&mut other, second)] {
        assert_eq!(peer.expect_unary_ok(stream).await, envelope(0, b"done"));
    }
    peer.expect_unary_ok(any).await;
    // Both places are free again.
    gate.open.add_permits(2);
    for _ in 0..2 {
        let stream = peer.ask("/t.T/Two", b"").await;
        peer.expect_unary_ok(stream).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_full_refuses_the_stream() {
    let gate = Gate::new();
    let two = gate.add(router(), Route::new("/t.T/One").max_concurrent(1));
    let two = gate.add(two, Route::new("/t.T/Any"));
    let host = serve(two.max_concurrent(2));
    let mut peer = host.connect().await;
    let one = peer.ask("/t.T/One", b"").await;
    // What the method refuses takes nothing of the whole.
    for _ in 0..3 {
        let stream = peer.ask("/t.T/One", b"").await;
        peer.expect_trailers_only(stream, RESOURCE_EXHAUSTED).await;
    }
    let any = peer.ask("/t.T/Any", b"").await;
    for path in ["/t.T/Any", "/t.T/One"] {
        let stream = peer.begin(path).await;
        peer.expect_reset(stream, REFUSED_STREAM).await;
    }
    peer.expect_alive().await;
    let watch = peer.watch("").await;
    peer.expect_data(watch).await;
    gate.open.add_permits(2);
    peer.expect_unary_ok(one).await;
    peer.expect_unary_ok(any).await;
    gate.open.add_permits(1);
    let stream = peer.ask("/t.T/One", b"").await;
    peer.expect_unary_ok(stream).await;
    assert_eq!(gate.inside.get(), 0);
}

/// A limit of nothing turns a method off, and leaves the rest.
#[tokio::test(start_paused = true)]
async fn a_limit_of_none_refuses_all() {
    let gate = Gate::new();
    let off = gate.add(router(), Route::new("/t.T/Off").max_concurrent(0));
    let host = serve(off);
    let mut peer = host.connect().await;
    let stream = peer.ask("/t.T/Off", b"").await;
    peer.expect_trailers_only(stream, RESOURCE_EXHAUSTED).await;
    let host = serve(gate.add(router(), Route::new("/t.T/Off")).max_concurrent(0));
    let mut peer = host.connect().await;
    let stream = peer.ask("/t.T/Off", b"").await;
    peer.expect_reset(stream, REFUSED_STREAM).await;
    peer.expect_alive().await;
}
