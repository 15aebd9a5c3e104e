//! Messages of application calls as they come: whole, in pieces, many at once, too many, too large, cut short.

use std::sync::{Arc, Mutex};

use grpc_health::router::{Raw, Request, Response, Route, Router, Streaming};
use grpc_health::{Code, HealthService, Status};
use tokio_stream::StreamExt as _;

use crate::fixture::{Count, raw, router, serve};
use crate::support::frame;
use crate::support::grpc::{
    INTERNAL, RESOURCE_EXHAUSTED, Request as Call, UNIMPLEMENTED, envelope, prefix,
};
use crate::support::peer::PIPE;

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

/// `Join` answers the messages with their lengths; `Each` gives each of them back.
fn join() -> Router<HealthService> {
    router()
        .client_streaming(
            Route::new("/t.T/Join").max_request(1_000),
            |r: Many| async {
                let mut requests = r.into_inner();
                let mut all = Vec::new();
                while let Some(Raw(message)) = requests.message().await? {
                    all.push(format!("{}:", message.len()).into_bytes());
                    all.push(message.to_vec());
                }
                Ok(raw(all.concat()).into())
            },
        )
        .bidi(
            Route::new("/t.T/Each").max_request(1_000),
            |r: Many| async { Ok(Response::new(r.into_inner())) },
        )
}

#[tokio::test(start_paused = true)]
async fn messages_are_the_same_however_the_body_is_cut() {
    let host = serve(join());
    let mut peer = host.connect().await;
    let body: Vec<u8> = [&b"abc"[..], b"", b"defgh"]
        .iter()
        .flat_map(|message| envelope(0, message))
        .collect();
    // Two pieces, at every byte.
    for at in 0..=body.len() {
        let stream = peer.begin("/t.T/Join").await;
        peer.send_data(stream, false, &body[..at]).await;
        peer.expect_silence().await;
        peer.send_data(stream, true, &body[at..]).await;
        assert_eq!(peer.messages(stream).await, [b"3:abc0:5:defgh"], "{at}");
    }
    // A byte at a time, in DATA frames that are seen one by one, and in those that come together.
    for together in [false, true] {
        let stream = peer.begin("/t.T/Join").await;
        let frames = body.iter().map(|byte| frame::data(stream, false, &[*byte]));
        let frames: Vec<Vec<u8>> = if together {
            vec![frames.collect::<Vec<_>>().concat()]
        } else {
            frames.collect()
        };
        for frame in frames {
            peer.send(&frame).await;
            peer.expect_silence().await;
        }
        peer.end(stream).await;
        assert_eq!(peer.messages(stream).await, [b"3:abc0:5:defgh"]);
    }
    // Each is given to the handler when it is whole, not when the next byte comes.
    let stream = peer.begin("/t.T/Each").await;
    peer.expect_head(stream).await;
    let mut back = Vec::new();
    for byte in &body {
        peer.send_data(stream, false, &[*byte]).await;
        for frame in peer.recv_until_idle().await {
            if let frame::Frame::Data { payload, .. } = frame {
                back.extend(payload);
            }
        }
        let whole = [0, 8, 13, 23]
            .into_iter()
            .rev()
            .find(|end| back.len() >= *end);
        assert_eq!(Some(back.len()), whole);
    }
    assert_eq!(back, body);
}

#[tokio::test(start_paused = true)]
async fn many_messages_in_one_frame_come_one_by_one() {
    let host = serve(join());
    let windows = [(frame::SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20)];
    let mut peer = host.connect_with(PIPE, &windows).await;
    peer.send(&frame::window_update(0, 1 << 20)).await;
    let message = |i: u32| envelope(0, i.to_string().as_bytes());
    let body: Vec<u8> = (0..1_000).flat_map(message).collect();
    let stream = peer.call(&Call::new("/t.T/Each"), &body).await;
    let got = peer.messages(stream).await;
    assert_eq!(got.len(), 1_000);
    assert!(
        got.iter()
            .enumerate()
            .all(|(i, m)| *m == i.to_string().into_bytes())
    );
    // As many empty ones as a window holds.
    let empty = vec![0; 16_380];
    let stream = peer.begin("/t.T/Each").await;
    for last in [false, false, false, true] {
        peer.send_data(stream, last, &empty).await;
    }
    let got = peer.messages(stream).await;
    assert_eq!(got.len(), 4 * 16_380 / 5);
    assert!(got.iter().all(Vec::is_empty));
}

/// Each message in a frame of its own, as most clients send them, and all frames at once: no flood.
#[tokio::test(start_paused = true)]
async fn a_burst_of_small_messages_does_not_end_the_connection() {
    let host = serve(join());
    let mut peer = host.connect_with(1 << 20, &[]).await;
    let stream = peer.begin("/t.T/Join").await;
    let one = frame::data(stream, false, &envelope(0, b"x"));
    peer.send(&one.repeat(5_000)).await;
    peer.end(stream).await;
    assert_eq!(peer.messages(stream).await, [b"1:x".repeat(5_000)]);
    peer.expect_alive().await;
}

#[tokio::test(start_paused = true)]
async fn a_unary_handler_has_exactly_one_message() {
    let called = Count::default();
    let host = serve(router().unary("/t.T/U", {
        let called = called.clone();
        move |r: One| {
            called.add();
            async move { Ok(r.into_inner().into()) }
        }
    }));
    let mut peer = host.connect().await;
    let request = Call::new("/t.T/U");
    let none = peer.call_without_body(&request).await;
    peer.expect_trailers_only(none, UNIMPLEMENTED).await;
    let none = peer.call(&request, b"").await;
    peer.expect_trailers_only(none, UNIMPLEMENTED).await;
    let two = peer
        .call(&request, &[envelope(0, b"a"), envelope(0, b"b")].concat())
        .await;
    peer.expect_trailers_only(two, UNIMPLEMENTED).await;
    // Refused as soon as there is a second one, before the end.
    let open = peer.start_call(&request).await;
    peer.send_data(open, false, &[envelope(0, b"a"), envelope(0, b"")].concat())
        .await;
    peer.expect_trailers_only(open, UNIMPLEMENTED).await;
    peer.expect_reset(open, frame::NO_ERROR).await;
    let trailing = peer
        .call(&request, &[&envelope(0, b"a")[..], b"\0\0"].concat())
        .await;
    peer.expect_trailers_only(trailing, INTERNAL).await;
    assert_eq!(called.get(), 0);
    let one = peer.ask("/t.T/U", b"a").await;
    assert_eq!(peer.expect_unary_ok(one).await, envelope(0, b"a"));
    assert_eq!(called.get(), 1);
}

/// What a streaming handler gets of a bad body, and what comes of the call if it passes that on.
#[tokio::test(start_paused = true)]
async fn bad_messages_in_the_middle_of_a_stream_end_it() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let host = serve(router().bidi(Route::new("/t.T/B").max_request(10), {
        let seen = Arc::clone(&seen);
        move |r: Many| {
            let seen = Arc::clone(&seen);
            async move {
                let items = r.into_inner().map(move |item| {
                    seen.lock()
                        .unwrap()
                        .push(item.as_ref().err().map(Status::code));
                    item
                });
                Ok(Response::new(items))
            }
        }
    }));
    let mut peer = host.connect().await;
    let rows: [(&str, Vec<u8>, bool, u16); 6] = [
        ("oversize", prefix(0, 11), false, RESOURCE_EXHAUSTED),
        (
            "oversize, by far",
            prefix(0, u32::MAX),
            false,
            RESOURCE_EXHAUSTED,
        ),
        ("a flag of no meaning", prefix(2, 1), false, INTERNAL),
        (
            "compressed without an encoding",
            envelope(1, b"x"),
            false,
            INTERNAL,
        ),
        ("cut in the prefix", vec![0, 0, 0], true, INTERNAL),
        (
            "cut in the message",
            envelope(0, b"abc")[..7].to_vec(),
            true,
            INTERNAL,
        ),
    ];
    for (name, bad, last, code) in rows {
        seen.lock().unwrap().clear();
        let stream = peer.begin("/t.T/B").await;
        peer.expect_head(stream).await;
        peer.say(stream, b"fine").await;
        assert_eq!(
            peer.expect_data(stream).await,
            envelope(0, b"fine"),
            "{name}"
        );
        peer.send_data(stream, last, &bad).await;
        peer.expect_trailers(stream, code).await;
        if !last {
            peer.expect_reset(stream, frame::NO_ERROR).await;
        }
        let expected = [None, Some(Code::new(i32::from(code)))];
        assert_eq!(*seen.lock().unwrap(), expected, "{name}");
    }
    peer.expect_alive().await;
}

/// For one message and for one of many.
#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_decoded_is_internal() {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Text {
        #[prost(string, tag = "1")]
        text: String,
    }
    let host = serve(
        router()
            .unary("/t.T/U", |r: Request<Text>| async {
                Ok(r.into_inner().into())
            })
            .bidi("/t.T/B", |r: Request<Streaming<Text>>| async {
                Ok(Response::new(r.into_inner()))
            }),
    );
    let mut peer = host.connect().await;
    let stream = peer.ask("/t.T/U", b"\x0a\xff").await;
    peer.expect_trailers_only(stream, INTERNAL).await;
    let stream = peer.begin("/t.T/B").await;
    peer.expect_head(stream).await;
    peer.say(stream, b"").await;
    assert_eq!(peer.expect_data(stream).await, envelope(0, b""));
    peer.say(stream, b"\x0a\x01\xff").await;
    peer.expect_trailers(stream, INTERNAL).await;
    peer.expect_alive().await;
}

/// A handler need not pass an error on: what it answers then counts.
#[tokio::test(start_paused = true)]
async fn nothing_comes_after_an_error() {
    let host = serve(router().client_streaming("/t.T/C", |r: Many| async {
        let mut requests = r.into_inner();
        let first = requests.message().await;
        let second = requests.message().await;
        let code = first.unwrap_err().code().value();
        Ok(raw(format!("{code} {second:?}")).into())
    }));
    let mut peer = host.connect().await;
    let stream = peer.call(&Call::new("/t.T/C"), &prefix(0, 1)).await;
    assert_eq!(peer.messages(stream).await, [b"13 Ok(None)"]);
}

/// A message of many windows, in a stream and alone.
#[tokio::test(start_paused = true)]
async fn a_message_larger_than_the_window_arrives_whole() {
    let host = serve(
        router()
            .unary("/t.T/U", |r: One| async move {
                Ok(raw(sum(&r.into_inner())).into())
            })
            .client_streaming("/t.T/C", |r: Many| async {
                let message = r.into_inner().message().await?.unwrap();
                Ok(raw(sum(&message)).into())
            }),
    );
    let message: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
    for path in ["/t.T/U", "/t.T/C"] {
        let mut peer = host.connect().await;
        let stream = peer.begin(path).await;
        let body = envelope(0, &message);
        let mut window = i64::from(peer.stream_window);
        let mut chunks = body.chunks(16_384).peekable();
        while let Some(chunk) = chunks.next() {
            while window < chunk.len() as i64 {
                let update = |f: &frame::Frame| matches!(f, frame::Frame::WindowUpdate { stream: s, .. } if *s == stream);
                let frame::Frame::WindowUpdate { increment, .. } = peer.skip_to(update).await
                else {
                    unreachable!("just matched")
                };
                window += i64::from(increment);
            }
            window -= chunk.len() as i64;
            peer.send_data(stream, chunks.peek().is_none(), chunk).await;
        }
        assert_eq!(
            peer.messages(stream).await,
            [sum(&raw(message.clone()))],
            "{path}"
        );
    }
}

fn sum(Raw(message): &Raw) -> Vec<u8> {
    let sum: u64 = message
        .iter()
        .zip(1_u64..)
        .map(|(byte, i)| u64::from(*byte) * i)
        .sum();
    format!("{} {sum}", message.len()).into_bytes()
}
