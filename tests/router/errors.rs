//! Errors of every kind of method: every code, with details and metadata, before and after messages, with the exact frames.

use grpc_health::router::{Metadata, Raw, Request, Response, Router, Streaming};
use grpc_health::{Code, HealthService, Status};
use tokio_stream::StreamExt as _;

use crate::echo::{AFTER, ALL, FULL, ONE, collect};
use crate::fixture::{Answer, raw, router, serve};
use crate::support::frame::NO_ERROR;
use crate::support::grpc::{Request as Call, envelope};
use crate::support::hpack::Fields;

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;
type Never = tokio_stream::Empty<Result<Raw, Status>>;

fn pairs(fields: &Fields) -> Vec<(&str, &str)> {
    let text = |value| std::str::from_utf8(value).unwrap();
    let fields = fields.0.iter();
    fields
        .map(|(name, value)| (name.as_str(), text(&value[..])))
        .collect()
}

/// The code that the message asks for.
fn asked(Raw(message): &Raw) -> Status {
    let code: i32 = std::str::from_utf8(message).unwrap().parse().unwrap();
    Status::new(Code::new(code), format!("code {code}"))
}

/// Every method fails with the code that the first message asks for.
fn failing() -> Router<HealthService> {
    async fn first(request: Many) -> Status {
        let first = request.into_inner().message().await.unwrap();
        asked(&first.unwrap())
    }
    router()
        .unary(ONE[0], |request: One| async move {
            Answer::<Raw>::Err(asked(request.get_ref()))
        })
        .server_streaming(ONE[1], |request: One| async move {
            Answer::<Never>::Err(asked(request.get_ref()))
        })
        .client_streaming(AFTER[0], |request: Many| async move {
            Answer::<Raw>::Err(first(request).await)
        })
        .bidi(AFTER[1], |request: Many| async move {
            Answer::<Never>::Err(first(request).await)
        })
        .bidi(FULL, |request: Many| async move {
            let replies = request.into_inner();
            let fail = |item: Result<Raw, Status>| Err::<Raw, _>(asked(&item?));
            Ok(Response::new(replies.map(fail)))
        })
}

#[tokio::test(start_paused = true)]
async fn every_code_is_sent_by_every_kind_in_one_frame() {
    let host = serve(failing());
    let mut peer = host.connect().await;
    for path in ALL {
        for code in 1..=16 {
            let code = code.to_string();
            let stream = peer.ask(path, code.as_bytes()).await;
            let only = peer.expect_headers(stream, true).await;
            let expected = [
                (":status", "200"),
                ("content-type", "application/grpc"),
                ("grpc-status", &*code),
                ("grpc-message", &*format!("code {code}")),
            ];
            assert_eq!(pairs(&only), expected, "{path}");
        }
    }
    peer.expect_silence().await;
}

/// The handler fails at the first message. RST_STREAM (NO_ERROR) tells the client that nobody reads the others.
#[tokio::test(start_paused = true)]
async fn an_error_while_the_client_still_sends_ends_its_side_too() {
    let host = serve(failing());
    let mut peer = host.connect().await;
    for path in AFTER {
        let stream = peer.begin(path).await;
        peer.say(stream, b"9").await;
        peer.expect_trailers_only(stream, 9).await;
        peer.expect_reset(stream, NO_ERROR).await;
        // A message that was on its way when the call ended changes nothing.
        peer.say(stream, b"late").await;
        let many = [envelope(0, b"9"), envelope(0, b"unread")].concat();
        let stream = peer.call(&Call::new(path), &many).await;
        peer.expect_trailers_only(stream, 9).await;
    }
    let stream = peer.begin(FULL).await;
    peer.expect_head(stream).await;
    peer.say(stream, b"9").await;
    peer.expect_trailers(stream, 9).await;
    peer.expect_reset(stream, NO_ERROR).await;
    peer.expect_alive().await;
}

fn metadata(name: &str, values: &[&str]) -> Metadata {
    let mut metadata = Metadata::new();
    for value in values {
        metadata.append(name, value).unwrap();
    }
    metadata
}

fn failure() -> Status {
    Status::internal("no more")
        .with_details(b"\x08\x0d\x12\x01x".to_vec().into())
        .with_metadata(metadata("why", &["because", "of", "because"]))
}

const FAILURE: [(&str, &str); 6] = [
    ("grpc-status", "13"),
    ("grpc-message", "no more"),
    ("grpc-status-details-bin", "CA0SAXg"),
    ("why", "because"),
    ("why", "of"),
    ("why", "because"),
];

#[track_caller]
fn assert_failure(fields: &Fields, before: &[(&str, &str)], path: &str) {
    let mut fields = pairs(fields);
    let mut expected = [before, &FAILURE].concat();
    fields.sort_unstable();
    expected.sort_unstable();
    assert_eq!(fields, expected, "{path}");
}

/// Each message back, and after the last one [`failure`].
fn failing_at_the_end() -> Router<HealthService> {
    fn dress<T>(replies: T) -> Response<T> {
        Response::new(replies).with_metadata(metadata("in", &["a", "b", "a"]))
    }
    router()
        .server_streaming(ONE[1], |request: One| async move {
            let first = request.into_inner();
            let items = [Ok(first), Ok(raw("second")), Err(failure())];
            Ok(dress(tokio_stream::iter(items)))
        })
        .bidi(AFTER[1], |request: Many| async move {
            let all = collect(request.into_inner()).await?;
            let items = all.into_iter().map(Ok).chain([Err(failure())]);
            Ok(dress(tokio_stream::iter(items.collect::<Vec<_>>())))
        })
        .bidi(FULL, |request: Many| async move {
            let end = tokio_stream::iter([Err(failure())]);
            let items = request.into_inner().chain(end);
            Ok(dress(items))
        })
}

const HEAD: [(&str, &str); 5] = [
    (":status", "200"),
    ("content-type", "application/grpc"),
    ("in", "a"),
    ("in", "b"),
    ("in", "a"),
];

/// The head has its own metadata, the messages are whole, and the trailers have the status with its details and metadata.
#[tokio::test(start_paused = true)]
async fn an_error_after_messages_is_in_the_trailers() {
    let host = serve(failing_at_the_end());
    let mut peer = host.connect().await;
    for path in [ONE[1], AFTER[1], FULL] {
        let sent: &[&[u8]] = if path == ONE[1] {
            &[b"first"]
        } else {
            &[b"first", b"second"]
        };
        let body: Vec<u8> = sent.iter().flat_map(|m| envelope(0, m)).collect();
        let stream = peer.call(&Call::new(path), &body).await;
        let whole = peer.whole(stream).await;
        assert_eq!(pairs(&whole.head), HEAD, "{path}");
        assert_eq!(whole.messages(), [&b"first"[..], b"second"], "{path}");
        assert_failure(&whole.trailers, &[], path);
    }
}

/// An answer without messages is one frame, which has the metadata of the head and of the error.
#[tokio::test(start_paused = true)]
async fn an_error_in_place_of_messages_is_one_frame_with_all_metadata() {
    let host = serve(failing_at_the_end());
    let mut peer = host.connect().await;
    for path in [AFTER[1], FULL] {
        let stream = peer.call_without_body(&Call::new(path)).await;
        let only = peer.expect_headers(stream, true).await;
        assert_failure(&only, &HEAD, path);
    }
    // A handler that waits for its client has sent its head: then the error is in the trailers.
    let stream = peer.begin(FULL).await;
    let head = peer.expect_headers(stream, false).await;
    assert_eq!(pairs(&head), HEAD);
    peer.end(stream).await;
    assert_failure(&peer.expect_headers(stream, true).await, &[], FULL);
}

/// In a conversation the client has the replies to its first messages before the handler fails at the third one.
#[tokio::test(start_paused = true)]
async fn an_error_in_a_conversation_comes_after_the_replies_before_it() {
    let host = serve(router().bidi(FULL, |request: Many| async move {
        let mut left = 2;
        let items = request.into_inner().map(move |item| {
            left -= 1;
            if left < 0 { Err(failure()) } else { item }
        });
        Ok(Response::new(items))
    }));
    let mut peer = host.connect().await;
    let stream = peer.begin(FULL).await;
    peer.expect_head(stream).await;
    for word in [&b"one"[..], b"two"] {
        peer.say(stream, word).await;
        assert_eq!(peer.expect_data(stream).await, envelope(0, word));
        peer.expect_silence().await;
    }
    peer.say(stream, b"three").await;
    assert_failure(&peer.expect_headers(stream, true).await, &[], FULL);
    peer.expect_reset(stream, NO_ERROR).await;
    peer.expect_alive().await;
}
