//! Clients that close their side of the connection behind their requests: handlers have a second to answer.

use std::time::Duration;

use grpc_health::Status;
use grpc_health::router::{Raw, Request, Streaming};
use tokio::time::{Instant, sleep};

use crate::fixture::{Count, raw, reply, router, serve};
use crate::support::frame::Frame;
use crate::support::peer::PIPE;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_handler_may_take_a_second() {
    for (millis, answered) in [(0, true), (990, true), (1_010, false)] {
        let alive = Count::default();
        let handlers = alive.clone();
        let host = serve(router().unary("/a/Slow", move |_: Request<Raw>| {
            let present = handlers.enter();
            async move {
                sleep(Duration::from_millis(millis)).await;
                drop(present);
                reply("done")
            }
        }));
        let (mut peer, task) = host.pipe(PIPE, &[]).await;
        let start = Instant::now();
        let stream = peer.ask("/a/Slow", b"").await;
        peer.finish().await;
        if answered {
            assert_eq!(peer.messages(stream).await, [b"done"]);
        }
        let rest = peer.recv_to_end().await;
        assert!(rest.iter().all(|frame| frame.stream() == 0), "{rest:?}");
        task.await.unwrap();
        assert_eq!(start.elapsed(), SECOND.min(Duration::from_millis(millis)));
        assert_eq!(alive.get(), 0);
        let stats = host.0.stats();
        assert_eq!(stats.calls_cancelled, u64::from(!answered));
        assert_eq!((stats.calls_waiting, stats.connections_open), (0, 0));
    }
}

/// All calls that can be are answered before the end is told to any.
#[tokio::test(start_paused = true)]
async fn calls_of_one_connection_are_answered_as_they_are_done() {
    let host = serve(router().unary("/a/Slow", async |request: Request<Raw>| {
        let tenths = u64::from(request.into_inner().0[0]);
        sleep(Duration::from_millis(100 * tenths)).await;
        reply("done")
    }));
    let (mut peer, task) = host.pipe(PIPE, &[]).await;
    let mut streams = Vec::new();
    for tenths in [5, 1, 3] {
        streams.push(peer.ask("/a/Slow", &[tenths]).await);
    }
    peer.finish().await;
    for stream in streams {
        assert_eq!(peer.messages(stream).await, [b"done"]);
    }
    task.await.unwrap();
}

/// The handler is told of the end, after a second at most.
#[tokio::test(start_paused = true)]
async fn a_handler_that_waits_for_more_hears_of_the_end() {
    let ends = Count::default();
    let seen = ends.clone();
    let host = serve(router().client_streaming(
        "/a/Gather",
        move |request: Request<Streaming<Raw>>| {
            let seen = seen.clone();
            async move {
                let mut messages = request.into_inner();
                while let Ok(Some(_)) = messages.message().await {}
                seen.add();
                Ok(grpc_health::router::Response::new(raw("done")))
            }
        },
    ));
    let (mut peer, task) = host.pipe(PIPE, &[]).await;
    let start = Instant::now();
    let stream = peer.begin("/a/Gather").await;
    peer.say(stream, b"one").await;
    peer.finish().await;
    peer.recv_to_end().await;
    task.await.unwrap();
    assert!(start.elapsed() <= SECOND);
    assert_eq!(host.0.stats().calls_waiting, 0);
}

/// The request has arrived as a whole, and was dropped with the connection while an interceptor decided about it.
#[tokio::test(start_paused = true)]
async fn an_async_interceptor_may_take_a_part_of_the_second() {
    for (millis, is_granted, code) in [
        (100, true, Some("0")),
        (100, false, Some("16")),
        (1_010, true, None),
    ] {
        let host = serve(
            router()
                .unary("/a/Quick", async |_: Request<Raw>| reply("done"))
                .intercept_async(move |call| async move {
                    sleep(Duration::from_millis(millis)).await;
                    if is_granted {
                        Ok(call)
                    } else {
                        Err(Status::unauthenticated("who?"))
                    }
                }),
        );
        let (mut peer, task) = host.pipe(PIPE, &[]).await;
        let start = Instant::now();
        let stream = peer.ask("/a/Quick", b"").await;
        peer.finish().await;
        let frames = peer.recv_to_end().await;
        task.await.unwrap();
        let ended = frames.iter().find_map(|frame| match frame {
            Frame::Headers {
                stream: id,
                end_stream: true,
                fields,
            } if *id == stream => fields.get("grpc-status"),
            _ => None,
        });
        assert_eq!(ended, code, "{frames:?}");
        assert_eq!(start.elapsed(), SECOND.min(Duration::from_millis(millis)));
    }
}
