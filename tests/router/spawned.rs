//! Handlers on tasks of their own, on other threads than their connections: no wake is lost between them.

use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use grpc_health::router::{Raw, Request, Response, Route, Streaming};
use grpc_health::{Code, Status};
use h2::client::SendRequest;
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;

use crate::fixture::{Count, polled, reply, router, serve, serve_with, settle};
use crate::support::grpc::{RESOURCE_EXHAUSTED, envelope};
use crate::support::host;

type Many = Request<Streaming<Raw>>;

const MESSAGES: usize = 100;
const LEN: usize = 1_000;

/// Sends all messages as the window allows, while it reads them back.
async fn converse(client: SendRequest<Bytes>, path: &str) {
    let request = http::Request::post(format!("http://test{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let mut client = client.ready().await.unwrap();
    let (response, mut send) = client.send_request(request, false).unwrap();
    let sending = async move {
        let mut body = Bytes::from(envelope(0, &[7; LEN]).repeat(MESSAGES));
        while !body.is_empty() {
            send.reserve_capacity(body.len());
            let room = std::future::poll_fn(|cx| send.poll_capacity(cx)).await;
            let chunk = body.split_to(room.unwrap().unwrap().min(body.len()));
            send.send_data(chunk, body.is_empty()).unwrap();
        }
    };
    let receiving = async move {
        let mut body = response.await.unwrap().into_body();
        let mut len = 0;
        while let Some(chunk) = body.data().await {
            let chunk = chunk.unwrap();
            len += chunk.len();
            body.flow_control().release_capacity(chunk.len()).unwrap();
        }
        assert_eq!(len, MESSAGES * (5 + LEN));
        let trailers = body.trailers().await.unwrap().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
    };
    tokio::join!(sending, receiving);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conversations_with_other_threads_come_to_their_end() {
    let echo = |r: Many| async { Ok(Response::new(r.into_inner().map(|item| item))) };
    let host = serve_with(
        router()
            .bidi(Route::new("/t.T/Spawned").spawned(), echo)
            .bidi("/t.T/Inline", echo),
        |limits| limits.initial_stream_window(4_000),
    );
    let mut conversations = JoinSet::new();
    for _ in 0..4 {
        let (ours, theirs) = tokio::io::duplex(8_192);
        host::spawn(host.0.serve_connection(theirs));
        let (client, connection) = h2::client::Builder::new()
            .initial_window_size(4_000)
            .data_frame_budget(1 << 20)
            .handshake(ours)
            .await
            .unwrap();
        tokio::spawn(connection);
        for _ in 0..8 {
            for path in ["/t.T/Spawned", "/t.T/Inline"] {
                conversations.spawn(converse(client.clone(), path));
            }
        }
    }
    let all = tokio::time::timeout(Duration::from_secs(60), conversations.join_all());
    assert_eq!(all.await.expect("no conversation hangs").len(), 64);
    let stats = host.0.stats();
    assert_eq!((stats.calls, stats.calls_cancelled), (64, 0));
}

/// Nobody takes what comes after an error, and many streams panic when they are asked for it.
#[tokio::test(start_paused = true)]
async fn a_stream_is_not_asked_again_after_its_error() {
    let polls = Count::default();
    let failing = |polls: Count| {
        move |_: Request<Raw>| {
            let polls = polls.clone();
            async move {
                Ok(Response::new(polled(move |_| {
                    polls.add();
                    let status = Status::new(Code::ABORTED, "enough");
                    Poll::Ready(Some(Err::<Raw, _>(status)))
                })))
            }
        }
    };
    let host = serve(
        router()
            .server_streaming("/t.T/Inline", failing(polls.clone()))
            .server_streaming(Route::new("/t.T/Spawned").spawned(), failing(polls.clone())),
    );
    let mut peer = host.connect().await;
    for (asked, path) in [(1, "/t.T/Inline"), (2, "/t.T/Spawned")] {
        let stream = peer.ask(path, b"").await;
        assert_eq!(peer.whole(stream).await.code(), 10, "{path}");
        settle().await;
        assert_eq!(polls.get(), asked, "{path}");
    }
}

/// A thread cannot be taken away from what runs on it: clients that cancel do not get more of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_handler_that_outlasts_its_call_keeps_its_place() {
    let (go, wait) = mpsc::channel();
    let (began, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let wait = Arc::new(Mutex::new(wait));
    let route = Route::new("/t.T/U").spawned().max_concurrent(1);
    let host = serve(router().unary(route, move |_: Request<Raw>| {
        let (wait, began) = (Arc::clone(&wait), began.clone());
        async move {
            began.send(()).unwrap();
            wait.lock().unwrap().recv().unwrap();
            reply("done")
        }
    }));
    let mut peer = host.connect().await;
    for _ in 0..2 {
        let stream = peer.ask("/t.T/U", b"").await;
        begun.recv().await.unwrap();
        go.send(()).unwrap();
        assert_eq!(peer.expect_unary_ok(stream).await, envelope(0, b"done"));
    }
    let stream = peer.ask("/t.T/U", b"").await;
    begun.recv().await.unwrap();
    peer.reset(stream).await;
    peer.expect_alive().await;
    assert_eq!(host.0.stats().calls_waiting, 0);
    let refused = peer.begin("/t.T/U").await;
    peer.expect_trailers_only(refused, RESOURCE_EXHAUSTED).await;
    go.send(()).unwrap();
}
