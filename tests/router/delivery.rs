//! Replies are sent when they are made, not when the stream ends.

use std::time::Duration;

use grpc_health::Status;
use grpc_health::router::{Raw, Request, Response, Route, Streaming};
use tokio::time::Instant;
use tokio_stream::StreamExt as _;

use crate::echo::{AFTER, FULL, ONE, collect};
use crate::fixture::{raw, router, serve};
use crate::support::grpc::{Request as Call, envelope};

const STEP: Duration = Duration::from_millis(100);

async fn late(item: Result<Raw, Status>) -> Result<Raw, Status> {
    tokio::time::sleep(STEP).await;
    item
}

/// Three messages and the end of the stream, a step apart.
#[tokio::test(start_paused = true)]
async fn each_reply_arrives_before_the_next_one_is_made() {
    for spawned in [false, true] {
        let route = |path| {
            let route = Route::new(path);
            if spawned { route.spawned() } else { route }
        };
        let host = serve(
            router()
                .server_streaming(route(ONE[1]), |_: Request<Raw>| async {
                    let items = ["0", "1", "2"].map(|item| Ok(raw(item)));
                    Ok(Response::new(Box::pin(
                        tokio_stream::iter(items).then(late),
                    )))
                })
                .bidi(route(AFTER[1]), |request: Request<Streaming<Raw>>| async {
                    let items = collect(request.into_inner()).await?;
                    let items = tokio_stream::iter(items.into_iter().map(Ok));
                    Ok(Response::new(Box::pin(items.then(late))))
                })
                .bidi(route(FULL), |request: Request<Streaming<Raw>>| async {
                    let items = request.into_inner().then(late);
                    Ok(Response::new(Box::pin(items)))
                }),
        );
        let mut peer = host.connect().await;
        for path in [ONE[1], AFTER[1], FULL] {
            let start = Instant::now();
            let body = match path {
                "/t.T/Server" => envelope(0, b""),
                _ => [b"0", b"1", b"2"].map(|m| envelope(0, m)).concat(),
            };
            let stream = peer.call(&Call::new(path), &body).await;
            peer.expect_head(stream).await;
            for (step, reply) in (1..).zip([b"0", b"1", b"2"]) {
                assert_eq!(peer.expect_data(stream).await, envelope(0, reply));
                let elapsed = start.elapsed();
                let expected = step * STEP..step * STEP + STEP / 10;
                assert!(expected.contains(&elapsed), "{path}: {elapsed:?}");
            }
            peer.expect_trailers(stream, 0).await;
            assert!(start.elapsed() < 3 * STEP + STEP / 10, "{path}");
        }
    }
}
