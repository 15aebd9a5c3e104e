//! Calls of every kind of method whose `grpc-timeout` passes, at each stage of the call: the time and the exact frames.

use std::time::Duration;

use grpc_health::router::{Raw, Request, Response, Router, Streaming};
use grpc_health::{HealthService, Status};
use tokio::time::Instant;
use tokio_stream::StreamExt as _;

use crate::echo::{AFTER, ALL, FULL, ONE, collect};
use crate::fixture::{Answer, Count, raw, reply, router, serve};
use crate::support::frame::NO_ERROR;
use crate::support::grpc::{DEADLINE_EXCEEDED, Request as Call, envelope};
use crate::support::hpack::Fields;
use crate::support::peer::Peer;

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

/// A message is one digit: how long to wait, in tenths of a second.
async fn wait(Raw(message): &Raw) {
    let tenths = u64::from(message[0] - b'0');
    tokio::time::sleep(Duration::from_millis(100 * tenths)).await;
}

/// Before each reply a method waits as long as its message says.
fn slow(alive: &Count) -> Router<HealthService> {
    let [unary, server, client, half, full] = [(); 5].map(|()| alive.clone());
    router()
        .unary(ONE[0], move |request: One| {
            let alive = unary.enter();
            async move {
                wait(request.get_ref()).await;
                drop(alive);
                reply("done")
            }
        })
        .server_streaming(ONE[1], move |request: One| {
            let alive = server.enter();
            async move { Ok(Response::new(slowly(alive, split(request.get_ref())))) }
        })
        .client_streaming(AFTER[0], move |request: Many| {
            let alive = client.enter();
            async move {
                for message in collect(request.into_inner()).await? {
                    wait(&message).await;
                }
                drop(alive);
                reply("done")
            }
        })
        .bidi(AFTER[1], move |request: Many| {
            let alive = half.enter();
            async move {
                let all = collect(request.into_inner()).await?;
                Ok(Response::new(slowly(
                    alive,
                    all.into_iter().map(Ok).collect(),
                )))
            }
        })
        .bidi(FULL, move |request: Many| {
            let alive = full.enter();
            let replies = request.into_inner().then(move |item| {
                let _ = &alive;
                async move {
                    let message = item?;
                    wait(&message).await;
                    Ok::<_, Status>(message)
                }
            });
            async move { Answer::Ok(Response::new(Box::pin(replies))) }
        })
}

type Slowly = std::pin::Pin<Box<dyn futures_core::Stream<Item = Result<Raw, Status>> + Send>>;

fn slowly(alive: crate::fixture::Present, items: Vec<Result<Raw, Status>>) -> Slowly {
    Box::pin(tokio_stream::iter(items).then(move |item| {
        let _ = &alive;
        async move {
            let message = item?;
            wait(&message).await;
            Ok(message)
        }
    }))
}

/// A message for each byte.
fn split(Raw(message): &Raw) -> Vec<Result<Raw, Status>> {
    message.iter().map(|byte| Ok(raw(vec![*byte]))).collect()
}

struct Clock {
    start: Instant,
}

impl Clock {
    /// A call that has 250 ms.
    async fn start(peer: &mut Peer, path: &str) -> (Self, u32) {
        let start = Instant::now();
        let request = Call::new(path).with("grpc-timeout", "250m");
        (Self { start }, peer.start_call(&request).await)
    }

    #[track_caller]
    fn assert_passed(&self, fields: &Fields, place: &str) {
        let text = Some("the deadline has passed");
        assert_eq!(fields.get("grpc-message"), text, "{place}");
        let elapsed = self.start.elapsed().as_millis();
        assert!((250..260).contains(&elapsed), "{place}: {elapsed} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn before_the_request_is_there() {
    let alive = Count::default();
    let host = serve(slow(&alive));
    let mut peer = host.connect().await;
    for path in [ONE, AFTER].concat() {
        for part in [0, 3, 5, 6] {
            let (clock, stream) = Clock::start(&mut peer, path).await;
            peer.send_data(stream, false, &envelope(0, b"00")[..part])
                .await;
            let only = peer.expect_trailers_only(stream, DEADLINE_EXCEEDED).await;
            clock.assert_passed(&only, path);
            peer.expect_reset(stream, NO_ERROR).await;
            assert_eq!(alive.get(), 0, "{path}");
        }
    }
    let (clock, stream) = Clock::start(&mut peer, FULL).await;
    peer.expect_head(stream).await;
    let trailers = peer.expect_trailers(stream, DEADLINE_EXCEEDED).await;
    clock.assert_passed(&trailers, FULL);
    peer.expect_reset(stream, NO_ERROR).await;
    assert_eq!(alive.get(), 0);
    peer.expect_alive().await;
}

#[tokio::test(start_paused = true)]
async fn between_the_messages_of_the_request() {
    let alive = Count::default();
    let host = serve(slow(&alive));
    let mut peer = host.connect().await;
    for path in [AFTER[0], AFTER[1], FULL] {
        let (clock, stream) = Clock::start(&mut peer, path).await;
        peer.say(stream, b"0").await;
        peer.say(stream, b"0").await;
        let last = if path == FULL {
            peer.expect_head(stream).await;
            let both = envelope(0, b"0").repeat(2);
            assert_eq!(peer.expect_data(stream).await, both);
            peer.expect_trailers(stream, DEADLINE_EXCEEDED).await
        } else {
            peer.expect_trailers_only(stream, DEADLINE_EXCEEDED).await
        };
        clock.assert_passed(&last, path);
        peer.expect_reset(stream, NO_ERROR).await;
        assert_eq!(alive.get(), 0, "{path}");
    }
    peer.expect_alive().await;
}

/// The request is whole, and the handler has not made a reply.
#[tokio::test(start_paused = true)]
async fn before_the_first_reply() {
    let alive = Count::default();
    let host = serve(slow(&alive));
    let mut peer = host.connect().await;
    for path in ALL {
        let (clock, stream) = Clock::start(&mut peer, path).await;
        peer.send_data(stream, true, &envelope(0, b"9")).await;
        peer.ping().await;
        assert_eq!(alive.get(), 1, "{path}");
        let only = peer.expect_trailers_only(stream, DEADLINE_EXCEEDED).await;
        clock.assert_passed(&only, path);
        assert_eq!(alive.get(), 0, "{path}");
    }
    peer.expect_silence().await;
    assert_eq!(host.0.stats().deadlines_exceeded, ALL.len() as u64);
}

/// The replies that were made in time arrive, and the status in the trailers.
#[tokio::test(start_paused = true)]
async fn between_the_replies() {
    let alive = Count::default();
    let host = serve(slow(&alive));
    let mut peer = host.connect().await;
    for path in [ONE[1], AFTER[1], FULL] {
        let (clock, stream) = Clock::start(&mut peer, path).await;
        let body = match path {
            "/t.T/Server" => envelope(0, b"119"),
            _ => [b"1", b"1", b"9"].map(|m| envelope(0, m)).concat(),
        };
        peer.send_data(stream, true, &body).await;
        peer.expect_head(stream).await;
        for tenths in [1, 2] {
            assert_eq!(peer.expect_data(stream).await, envelope(0, b"1"));
            let elapsed = clock.start.elapsed().as_millis() / 10;
            assert_eq!(elapsed, 10 * tenths, "{path}");
        }
        let trailers = peer.expect_trailers(stream, DEADLINE_EXCEEDED).await;
        clock.assert_passed(&trailers, path);
        assert_eq!(alive.get(), 0, "{path}");
    }
    peer.expect_silence().await;
}

/// The deadline of a call that has ended in time does nothing.
#[tokio::test(start_paused = true)]
async fn a_reply_in_time_is_ok_and_nothing_follows() {
    let alive = Count::default();
    let host = serve(slow(&alive));
    let mut peer = host.connect().await;
    for path in ALL {
        let (clock, stream) = Clock::start(&mut peer, path).await;
        peer.send_data(stream, true, &envelope(0, b"2")).await;
        assert_eq!(peer.messages(stream).await.len(), 1, "{path}");
        let elapsed = clock.start.elapsed().as_millis();
        assert!((200..210).contains(&elapsed), "{path}: {elapsed} ms");
        tokio::time::sleep(Duration::from_millis(100)).await;
        peer.expect_silence().await;
    }
    assert_eq!(alive.get(), 0);
    assert_eq!(host.0.stats().deadlines_exceeded, 0);
}
