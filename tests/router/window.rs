//! The windows of requests: what is held back, and from whom.

use std::sync::Arc;
use std::task::Poll;

use grpc_health::Status;
use grpc_health::router::{Raw, Request, Response, Streaming};
use tokio::sync::Semaphore;

use crate::fixture::{Answer, Count, polled, reply, router, serve, serve_with};
use crate::support::frame::{self, Frame};
use crate::support::grpc::{Request as Call, SERVING, envelope, field, prefix};
use crate::support::peer::Peer;

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

/// Sends DATA until `bytes` of the stream's window are used, within what the connection's allows.
async fn fill(peer: &mut Peer, stream: u32, bytes: usize) {
    let body = vec![0; bytes];
    for chunk in body.chunks(16_384) {
        peer.send_data(stream, false, chunk).await;
    }
}

/// What the server has given back of a stream's window so far.
async fn released(peer: &mut Peer, stream: u32) -> u32 {
    let frames = peer.recv_until_idle().await;
    let increment = |frame: Frame| match frame {
        Frame::WindowUpdate {
            stream: of,
            increment,
        } if of == stream => increment,
        _ => 0,
    };
    frames.into_iter().map(increment).sum()
}

/// As many uploads as there may be, all of them stalled, and each with its window full: health checks have room.
#[tokio::test(start_paused = true)]
async fn a_check_gets_through_beside_stalled_uploads() {
    let stuck = Count::default();
    let host = serve(router().client_streaming("/t.T/C", {
        let stuck = stuck.clone();
        move |r: Many| {
            let stuck = stuck.enter();
            async move {
                std::future::pending::<()>().await;
                drop((r, stuck));
                reply("")
            }
        }
    }));
    let mut peer = host.connect_with(1 << 20, &[]).await;
    for _ in 0..255 {
        let stream = peer.begin("/t.T/C").await;
        fill(&mut peer, stream, 65_536).await;
    }
    assert_eq!(peer.check("").await, SERVING);
    // An unknown field of nearly 4 KiB is part of a health request like any other.
    let large = envelope(0, &field(2, &[0; 4_000]));
    let check = peer
        .call(&Call::new(crate::support::grpc::CHECK), &large)
        .await;
    assert_eq!(peer.expect_unary_ok(check).await, SERVING);
    assert_eq!(stuck.get(), 255);
    assert_eq!(host.0.stats().calls_waiting, 255);
}

/// Messages as small as there are, each in a frame of its own, fill a stalled stream: it waits, and nobody else does.
#[tokio::test(start_paused = true)]
async fn small_messages_that_nobody_reads_do_not_end_the_connection() {
    let host = serve(router().client_streaming("/t.T/C", |r: Many| async move {
        std::future::pending::<()>().await;
        drop(r);
        reply("")
    }));
    let mut peer = host.connect_with(1 << 20, &[]).await;
    let stream = peer.begin("/t.T/C").await;
    let one = frame::data(stream, false, &envelope(0, b""));
    peer.send(&one.repeat(65_536 / 5)).await;
    peer.expect_alive().await;
    peer.reset(stream).await;
    peer.expect_alive().await;
}

/// A request that was read holds nothing back, however long its answer takes.
#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_handler_holds_nothing_of_the_window() {
    let host = serve_with(
        router()
            .unary("/t.T/U", |_: One| async {
                std::future::pending::<()>().await;
                reply("")
            })
            .server_streaming("/t.T/S", |_: One| async {
                let never = polled(|_| Poll::<Option<Result<Raw, Status>>>::Pending);
                Ok(Response::new(never))
            }),
        |limits| limits.initial_connection_window(65_535),
    );
    for path in ["/t.T/U", "/t.T/S"] {
        let mut peer = host.connect().await;
        for _ in 0..20 {
            peer.ask(path, &[0; 16_000]).await;
        }
        peer.expect_alive().await;
        assert_eq!(host.0.stats().calls_waiting, 20);
        drop(peer);
        // Calls may be answered for a second more.
        tokio::time::sleep(std::time::Duration::from_millis(1_001)).await;
        assert_eq!(host.0.stats().calls_waiting, 0);
    }
}

/// A handler that reads no further, and goes on, refuses the rest of its request: it is nobody's any more.
#[tokio::test(start_paused = true)]
async fn the_rest_of_a_request_that_is_dropped_holds_nothing_of_the_window() {
    let host = serve_with(
        router().bidi("/t.T/B", |r: Many| async move {
            let mut requests = r.into_inner();
            // Half of what has come is looked at.
            let first = requests.message().await?.unwrap();
            drop(requests);
            let mut first = Some(Ok(first));
            let answer: Answer<_> = Ok(Response::new(polled(move |_| match first.take() {
                Some(first) => Poll::Ready(Some(first)),
                None => Poll::Pending,
            })));
            answer
        }),
        |limits| limits.initial_connection_window(65_535),
    );
    let mut peer = host.connect().await;
    for _ in 0..20 {
        let stream = peer.begin("/t.T/B").await;
        let two = [envelope(0, b"a"), envelope(0, &[0; 8_000])].concat();
        peer.send_data(stream, false, &two).await;
        peer.expect_head(stream).await;
        assert_eq!(peer.expect_data(stream).await, envelope(0, b"a"));
        // Nor does what comes after that.
        fill(&mut peer, stream, 16_384).await;
    }
    peer.expect_alive().await;
}

/// Nor does a request whose end the handler has seen, though it keeps what it read from.
#[tokio::test(start_paused = true)]
async fn a_request_that_was_read_to_its_end_holds_nothing_of_the_window() {
    let host = serve_with(
        router().client_streaming("/t.T/C", |r: Many| async move {
            let mut requests = r.into_inner();
            while requests.message().await?.is_some() {}
            std::future::pending::<()>().await;
            drop(requests);
            reply("")
        }),
        |limits| limits.initial_connection_window(65_535),
    );
    let mut peer = host.connect().await;
    for _ in 0..20 {
        let stream = peer.begin("/t.T/C").await;
        let message = envelope(0, &[0; 4_000]);
        peer.send_data(stream, true, &message).await;
    }
    peer.expect_alive().await;
    assert_eq!(host.0.stats().calls_waiting, 20);
}

/// The window of a stream is given back as the handler asks for messages, and never before.
#[tokio::test(start_paused = true)]
async fn a_slow_handler_stops_the_sender() {
    const WINDOW: u32 = 1_000;
    let (go, read) = (Arc::new(Semaphore::new(0)), Count::default());
    for spawned in [false, true] {
        let route = grpc_health::router::Route::new("/t.T/C");
        let route = if spawned { route.spawned() } else { route };
        let before = read.get();
        let host = serve_with(
            router().client_streaming(route, {
                let (go, read) = (Arc::clone(&go), read.clone());
                move |r: Many| {
                    let (go, read) = (Arc::clone(&go), read.clone());
                    async move {
                        let mut requests = r.into_inner();
                        loop {
                            go.acquire().await.unwrap().forget();
                            if requests.message().await?.is_none() {
                                return reply("");
                            }
                            read.add();
                        }
                    }
                }
            }),
            |limits| limits.initial_stream_window(WINDOW),
        );
        let mut peer = host.connect().await;
        assert_eq!(peer.stream_window, WINDOW);
        let stream = peer.begin("/t.T/C").await;
        // Ten messages, a window in all.
        let body = envelope(0, &[0; 95]).repeat(10);
        for chunk in body.chunks(250) {
            peer.send_data(stream, false, chunk).await;
        }
        assert_eq!(released(&mut peer, stream).await, 0);
        let mut given = 0;
        for asked in 1..=10 {
            go.add_permits(1);
            given += released(&mut peer, stream).await;
            assert_eq!(read.get() - before, asked as usize);
            assert!(given <= asked * 100, "{given} for {asked}");
        }
        go.add_permits(1);
        given += released(&mut peer, stream).await;
        // h2 keeps less than half a window back, for an update that is worth a frame.
        assert!((WINDOW / 2..=WINDOW).contains(&given), "{given}");
        peer.end(stream).await;
        assert_eq!(peer.messages(stream).await, [b""]);
    }
}

/// Part of a message holds nothing back, or the rest could not come; and it is not held in the window and in memory both.
#[tokio::test(start_paused = true)]
async fn a_message_larger_than_the_window_is_asked_for_bit_by_bit() {
    const WINDOW: u32 = 1_000;
    let host = serve_with(
        router().client_streaming("/t.T/C", |r: Many| async move {
            let message = r.into_inner().message().await?;
            reply(message.unwrap().0.len().to_string())
        }),
        |limits| limits.initial_stream_window(WINDOW),
    );
    let mut peer = host.connect().await;
    let stream = peer.begin("/t.T/C").await;
    peer.send_data(stream, false, &prefix(0, 100_000)).await;
    let (mut window, mut left) = (WINDOW - 5, 100_000);
    while left > 0 {
        let now = window.min(left);
        left -= now;
        peer.send_data(stream, left == 0, &vec![0; now as usize])
            .await;
        window = window - now
            + if left > 0 {
                released(&mut peer, stream).await
            } else {
                0
            };
        assert!(left == 0 || window > 0, "{left} left");
    }
    assert_eq!(peer.messages(stream).await, [b"100000"]);
}

/// The windows of streams in the SETTINGS that the server has sent so far.
async fn windows(peer: &mut Peer) -> Vec<u32> {
    let frames = peer.recv_until_idle().await;
    let window = |frame: Frame| match frame {
        Frame::Settings { ack: false, values } => {
            let window = values.iter().find(|(name, _)| *name == 4);
            window.map(|(_, window)| *window)
        }
        _ => None,
    };
    frames.into_iter().filter_map(window).collect()
}

/// A message of 100 kB makes room for four such messages, up to the limit. The room is taken back when the connection has been quiet.
#[tokio::test(start_paused = true)]
async fn windows_grow_for_a_message_that_does_not_fit_and_shrink_again() {
    for (most, grown) in [(None, 409_600), (Some(100_000), 98_304)] {
        let unary = router().unary("/t.T/U", |r: One| async move {
            reply(r.into_inner().0.len().to_string())
        });
        let host = serve_with(unary, |limits| match most {
            Some(most) => limits.max_stream_window(most),
            None => limits,
        });
        let mut peer = host.connect_with(1 << 20, &[]).await;
        let stream = peer.begin("/t.T/U").await;
        peer.send_data(stream, false, &prefix(0, 100_000)).await;
        fill(&mut peer, stream, 60_000).await;
        assert_eq!(windows(&mut peer).await, [grown]);
        peer.send(&frame::settings_ack()).await;
        fill(&mut peer, stream, 40_000).await;
        peer.end(stream).await;
        assert_eq!(peer.messages(stream).await, [b"100000"]);
        tokio::time::sleep(std::time::Duration::from_secs(9)).await;
        assert_eq!(windows(&mut peer).await, []);
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        assert_eq!(windows(&mut peer).await, [65_536]);
    }
}

/// A stream of small messages that uses its window up again and again gets a wider one, and a connection of health checks never does.
#[tokio::test(start_paused = true)]
async fn windows_grow_for_a_busy_stream_and_not_for_checks() {
    let host = serve(router().client_streaming("/t.T/C", |r: Many| async move {
        let mut messages = r.into_inner();
        while messages.message().await?.is_some() {}
        reply("")
    }));
    let mut peer = host.connect().await;
    for _ in 0..2_000 {
        assert_eq!(peer.check("").await, SERVING);
    }
    assert_eq!(windows(&mut peer).await, []);
    let stream = peer.begin("/t.T/C").await;
    for _ in 0..1_000 {
        peer.say(stream, &[0; 1_000]).await;
    }
    let grown = windows(&mut peer).await;
    assert!(
        grown.first().is_some_and(|window| *window > 65_536),
        "{grown:?}"
    );
    peer.expect_alive().await;
}
