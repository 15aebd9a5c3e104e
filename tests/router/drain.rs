//! What a drain does to application calls.

use std::sync::{Arc, Mutex};
use std::task::Poll;

use grpc_health::Status;
use grpc_health::router::{Raw, Request, Response, Route, Streaming};
use grpc_health::service::Drain;
use tokio::sync::oneshot;

use crate::fixture::{polled, raw, router, serve};
use crate::support::frame::{Frame, NO_ERROR};
use crate::support::grpc::{UNAVAILABLE, envelope};

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

type Wait<T> = Arc<Mutex<Option<oneshot::Receiver<T>>>>;

/// Answers once it is told to.
fn gate<T: Send + 'static>() -> (oneshot::Sender<T>, Wait<T>) {
    let (sender, receiver) = oneshot::channel();
    (sender, Arc::new(Mutex::new(Some(receiver))))
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_streams_without_an_end_and_lets_others_finish() {
    let (finish, wait) = gate::<()>();
    let host = serve(
        router()
            .bidi(Route::new("/t.T/End").drain(Drain::End), |r: Many| async {
                Ok(Response::new(r.into_inner()))
            })
            .bidi("/t.T/Finish", |r: Many| async {
                Ok(Response::new(r.into_inner()))
            })
            .unary("/t.T/Unary", move |_: One| {
                let wait = wait.lock().unwrap().take().unwrap();
                async move {
                    wait.await.unwrap();
                    Ok(raw("done").into())
                }
            }),
    );
    let mut peer = host.connect().await;
    let ends = peer.begin("/t.T/End").await;
    let silent = peer.begin("/t.T/End").await;
    let finishes = peer.begin("/t.T/Finish").await;
    for stream in [ends, finishes] {
        peer.expect_head(stream).await;
        peer.say(stream, b"x").await;
        assert_eq!(peer.expect_data(stream).await, envelope(0, b"x"));
    }
    // One whose head alone was sent is open like any other.
    peer.expect_head(silent).await;
    let unary = peer.ask("/t.T/Unary", b"").await;
    peer.ping().await;

    let drain = host.shut_down();
    peer.expect_goaway(NO_ERROR).await;
    peer.expect_trailers(ends, UNAVAILABLE).await;
    peer.expect_trailers(silent, UNAVAILABLE).await;
    peer.say(finishes, b"y").await;
    assert_eq!(peer.expect_data(finishes).await, envelope(0, b"y"));
    peer.end(finishes).await;
    peer.expect_trailers(finishes, 0).await;
    assert!(!drain.is_finished());
    finish.send(()).unwrap();
    assert_eq!(peer.expect_unary_ok(unary).await, envelope(0, b"done"));
    let start = tokio::time::Instant::now();
    drop(peer);
    drain.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 0);
}

/// Nothing is due of them: neither a head, nor a reply.
#[tokio::test(start_paused = true)]
async fn streams_that_have_not_begun_to_answer_are_ended_by_a_drain() {
    type Silent = Result<Response<crate::fixture::Never>, Status>;
    let opening = |_: One| std::future::pending::<Silent>();
    let silent = |_: One| async { Silent::Ok(Response::new(Box::pin(tokio_stream::pending()))) };
    let end = |path: &str| Route::new(path).drain(Drain::End);
    let host = serve(
        router()
            .server_streaming(end("/t.T/Opening"), opening)
            .server_streaming(end("/t.T/Silent"), silent)
            .server_streaming(end("/t.T/Spawned").spawned(), silent),
    );
    let mut peer = host.connect().await;
    let mut streams = Vec::new();
    for method in ["Opening", "Silent", "Spawned"] {
        streams.push(peer.ask(&format!("/t.T/{method}"), b"").await);
    }
    peer.ping().await;
    let drain = host.shut_down();
    peer.expect_goaway(NO_ERROR).await;
    let start = tokio::time::Instant::now();
    for stream in streams {
        peer.expect_trailers_only(stream, UNAVAILABLE).await;
    }
    drop(peer);
    drain.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 0);
}

/// A stream that never stops to speak is ended like one that is silent.
#[tokio::test(start_paused = true)]
async fn a_drain_ends_a_stream_at_full_speed_between_two_messages() {
    let host = serve(router().server_streaming(
        Route::new("/t.T/End").drain(Drain::End),
        |_: One| async {
            let fast = polled(|_| Poll::Ready(Some(Ok::<_, Status>(raw(vec![7; 1_000])))));
            Ok(Response::new(fast))
        },
    ));
    let windows = [(
        crate::support::frame::SETTINGS_INITIAL_WINDOW_SIZE,
        i32::MAX as u32,
    )];
    let mut peer = host.connect_with(4_096, &windows).await;
    let open = crate::support::frame::window_update(0, i32::MAX as u32 - 65_535);
    peer.send(&open).await;
    let stream = peer.ask("/t.T/End", b"").await;
    peer.expect_head(stream).await;
    let drain = host.shut_down();
    let mut body = 0;
    let trailers = loop {
        match peer.recv_on(stream).await {
            Frame::Data { payload, .. } => body += payload.len(),
            Frame::Headers { fields, .. } => break fields,
            other => panic!("expected DATA or trailers, got {other:?}"),
        }
    };
    assert_eq!(trailers.get("grpc-status"), Some("14"));
    assert_eq!(body % 1_005, 0);
    drop(peer);
    drain.await.unwrap();
}
