//! The times of one method: its calls', its requests' and its replies'.

use std::future::pending;
use std::time::Duration;

use grpc_health::router::{Raw, Request, Response, Route, Streaming};
use tokio::time::Instant;

use crate::fixture::{Answer, raw, reply, router, serve, serve_with};
use crate::support::frame::{self, ENHANCE_YOUR_CALM, NO_ERROR};
use crate::support::grpc::{DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, Request as Call, envelope};
use crate::support::peer::PIPE;

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_methods_timeout_counts_unless_the_clients_is_shorter() {
    let route = |method: &str| Route::new(format!("/t.T/{method}")).timeout(5 * SECOND);
    let host = serve(
        router()
            .unary(route("U"), |_: One| pending::<Answer>())
            .bidi(route("B"), |r: Many| async {
                Ok(Response::new(r.into_inner()))
            })
            .unary(route("Seen"), |r: One| async move {
                let left = r.deadline().unwrap() - Instant::now().into_std();
                reply(format!("{:?} {left:?}", r.timeout().unwrap()))
            }),
    );
    let mut peer = host.connect().await;
    for path in ["/t.T/U", "/t.T/B"] {
        for (client, seconds) in [(None, 5), (Some("3S"), 3), (Some("1H"), 5)] {
            let request = Call::new(path);
            let request = match client {
                Some(timeout) => request.with("grpc-timeout", timeout),
                None => request,
            };
            let start = Instant::now();
            let stream = peer.start_call(&request).await;
            peer.send_data(stream, path == "/t.T/U", &envelope(0, b"x"))
                .await;
            assert_eq!(peer.whole(stream).await.code(), DEADLINE_EXCEEDED, "{path}");
            assert_eq!(start.elapsed().as_secs(), seconds, "{path} {client:?}");
            if path == "/t.T/B" {
                peer.expect_reset(stream, NO_ERROR).await;
            }
        }
    }
    // The handler is told what the call has.
    let stream = peer.ask("/t.T/Seen", b"").await;
    assert_eq!(peer.messages(stream).await, [b"5s 5s"]);
}

#[tokio::test(start_paused = true)]
async fn a_methods_request_has_a_time_of_its_own() {
    let echo = |r: One| async move { Ok(Response::new(r.into_inner())) };
    let host = serve(
        router()
            .unary(Route::new("/t.T/Short").body_timeout(2 * SECOND), echo)
            .unary(Route::new("/t.T/Long").body_timeout(60 * SECOND), echo)
            .unary("/t.T/Default", echo),
    );
    let mut peer = host.connect().await;
    for (method, seconds) in [("Short", 2), ("Long", 60), ("Default", 10)] {
        let start = Instant::now();
        let stream = peer.begin(&format!("/t.T/{method}")).await;
        peer.send_data(stream, false, &envelope(0, b"slow")[..6])
            .await;
        let only = peer.expect_trailers_only(stream, DEADLINE_EXCEEDED).await;
        let text = format!("the client did not send its request within {seconds}s");
        assert_eq!(only.get("grpc-message"), Some(&*text));
        assert_eq!(start.elapsed().as_secs(), seconds, "{method}");
        peer.expect_reset(stream, NO_ERROR).await;
    }
    // The client's own timeout is told as such.
    let request = Call::new("/t.T/Long").with("grpc-timeout", "1S");
    let stream = peer.start_call(&request).await;
    let only = peer.expect_trailers_only(stream, DEADLINE_EXCEEDED).await;
    assert_eq!(only.get("grpc-message"), Some("the deadline has passed"));
}

#[tokio::test(start_paused = true)]
async fn a_methods_reply_waits_for_room_for_a_time_of_its_own() {
    let echo = |r: One| async move { Ok(Response::new(r.into_inner())) };
    let host = serve_with(
        router()
            .unary(
                Route::new("/t.T/Short").send_stall_timeout(2 * SECOND),
                echo,
            )
            .unary(
                Route::new("/t.T/Long").send_stall_timeout(60 * SECOND),
                echo,
            )
            .server_streaming(
                Route::new("/t.T/Stream").send_stall_timeout(2 * SECOND),
                |_: One| async { Ok(Response::new(tokio_stream::iter([Ok(raw("whole"))]))) },
            )
            .unary("/t.T/Server", echo),
        |server| server.send_stall_timeout(7 * SECOND),
    );
    for (method, seconds) in [("Short", 2), ("Long", 60), ("Stream", 2), ("Server", 7)] {
        let closed = [(frame::SETTINGS_INITIAL_WINDOW_SIZE, 0)];
        let mut peer = host.connect_with(PIPE, &closed).await;
        let path = format!("/t.T/{method}");
        let start = Instant::now();
        let stream = peer.ask(&path, b"x").await;
        peer.expect_head(stream).await;
        let trailers = peer.expect_trailers(stream, RESOURCE_EXHAUSTED).await;
        let text = format!("the client made no room for the reply within {seconds}s");
        assert_eq!(trailers.get("grpc-message"), Some(&*text));
        assert_eq!(start.elapsed().as_secs(), seconds, "{method}");
        // Inside a message there is no room for trailers.
        let stream = peer.ask(&path, b"x").await;
        peer.expect_head(stream).await;
        peer.send(&frame::window_update(stream, 3)).await;
        peer.expect_data(stream).await;
        peer.expect_reset(stream, ENHANCE_YOUR_CALM).await;
    }
}

#[test]
#[should_panic(expected = "a timeout of zero")]
fn a_timeout_of_zero_is_refused() {
    let _ = Route::new("/t.T/U").timeout(Duration::ZERO);
}
