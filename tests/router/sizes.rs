//! The largest message, of every kind of method: what has the limit's length passes, and one byte more ends the call.

use grpc_health::HealthService;
use grpc_health::router::{Raw, Request, Response, Route, Router, Streaming};

use crate::echo::{AFTER, ALL, FULL, ONE, echo, replies};
use crate::fixture::{Count, Host, raw, router, serve};
use crate::support::frame::NO_ERROR;
use crate::support::grpc::{RESOURCE_EXHAUSTED, Request as Call, envelope, prefix};
use crate::support::hpack::Fields;

const LIMIT: usize = 100;
const FITS: &[u8] = &[7; LIMIT];
const OVER: &[u8] = &[7; LIMIT + 1];

fn limited(called: &Count) -> Host<Router<HealthService>> {
    serve(echo(
        |path| Route::new(path).max_request(LIMIT).max_reply(3 * LIMIT),
        called,
    ))
}

#[track_caller]
fn assert_received(fields: &Fields, path: &str) {
    let text = "received message larger than max (101 vs. 100)";
    assert_eq!(fields.get("grpc-message"), Some(text), "{path}");
}

#[track_caller]
fn assert_sent(fields: &Fields, path: &str) {
    let text = "trying to send a message larger than max (101 vs. 100)";
    assert_eq!(fields.get("grpc-message"), Some(text), "{path}");
}

#[tokio::test(start_paused = true)]
async fn requests_of_the_limit_are_read_by_every_kind() {
    let host = limited(&Count::default());
    let mut peer = host.connect().await;
    for path in ALL {
        let messages = if ONE.contains(&path) { 1 } else { 3 };
        let body = envelope(0, FITS).repeat(messages);
        let stream = peer.call(&Call::new(path), &body).await;
        let expected = replies(path, &vec![FITS; messages]);
        assert_eq!(peer.messages(stream).await, expected, "{path}");
    }
}

/// The declared length is enough to refuse the message: the server does not wait for its bytes.
#[tokio::test(start_paused = true)]
async fn one_message_over_the_limit_ends_the_call_without_its_handler() {
    let called = Count::default();
    let host = limited(&called);
    let mut peer = host.connect().await;
    for path in ONE {
        let stream = peer.ask(path, OVER).await;
        let only = peer.expect_trailers_only(stream, RESOURCE_EXHAUSTED).await;
        assert_received(&only, path);
        let stream = peer.begin(path).await;
        peer.send_data(stream, false, &prefix(0, 101)).await;
        let only = peer.expect_trailers_only(stream, RESOURCE_EXHAUSTED).await;
        assert_received(&only, path);
        peer.expect_reset(stream, NO_ERROR).await;
    }
    assert_eq!(called.get(), 0);
    peer.expect_alive().await;
}

#[tokio::test(start_paused = true)]
async fn any_message_of_a_stream_over_the_limit_ends_the_call() {
    let host = limited(&Count::default());
    let mut peer = host.connect().await;
    for good in 0..3 {
        for path in AFTER {
            let body = [envelope(0, FITS).repeat(good), envelope(0, OVER)].concat();
            let stream = peer.call(&Call::new(path), &body).await;
            let only = peer.expect_trailers_only(stream, RESOURCE_EXHAUSTED).await;
            assert_received(&only, path);
            // The declared length is enough, and the client may still be sending.
            let stream = peer.begin(path).await;
            for _ in 0..good {
                peer.say(stream, FITS).await;
            }
            peer.expect_silence().await;
            peer.send_data(stream, false, &prefix(0, 101)).await;
            peer.expect_trailers_only(stream, RESOURCE_EXHAUSTED).await;
            peer.expect_reset(stream, NO_ERROR).await;
        }
        // The messages before the large one are answered.
        let stream = peer.begin(FULL).await;
        peer.expect_head(stream).await;
        for _ in 0..good {
            peer.say(stream, FITS).await;
            assert_eq!(peer.expect_data(stream).await, envelope(0, FITS));
        }
        peer.say(stream, OVER).await;
        let trailers = peer.expect_trailers(stream, RESOURCE_EXHAUSTED).await;
        assert_received(&trailers, FULL);
        peer.expect_reset(stream, NO_ERROR).await;
    }
    peer.expect_alive().await;
}

/// Methods that answer with the messages that their client sends, without a limit on those.
fn answering() -> Host<Router<HealthService>> {
    serve(echo(
        |path| Route::new(path).max_reply(LIMIT),
        &Count::default(),
    ))
}

#[tokio::test(start_paused = true)]
async fn replies_of_the_limit_are_sent_by_every_kind() {
    let host = answering();
    let mut peer = host.connect().await;
    for path in ALL {
        let stream = peer.ask(path, FITS).await;
        assert_eq!(
            peer.messages(stream).await,
            replies(path, &[FITS]),
            "{path}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_reply_over_the_limit_is_trailers_only() {
    let host = answering();
    let mut peer = host.connect().await;
    for path in [ALL[0], ALL[1], ALL[2], ALL[3]] {
        let stream = peer.ask(path, OVER).await;
        let only = peer.expect_trailers_only(stream, RESOURCE_EXHAUSTED).await;
        assert_sent(&only, path);
    }
    let stream = peer.begin(FULL).await;
    peer.expect_head(stream).await;
    peer.say(stream, OVER).await;
    let trailers = peer.expect_trailers(stream, RESOURCE_EXHAUSTED).await;
    assert_sent(&trailers, FULL);
    peer.expect_reset(stream, NO_ERROR).await;
    peer.expect_alive().await;
}

#[tokio::test(start_paused = true)]
async fn a_later_reply_over_the_limit_comes_after_the_replies_before_it() {
    let host = serve(
        echo(|path| Route::new(path).max_reply(LIMIT), &Count::default()).server_streaming(
            Route::new("/t.T/Growing").max_reply(LIMIT),
            |_: Request<Raw>| async {
                let items = [FITS, FITS, OVER, FITS].map(|message| Ok(raw(message)));
                Ok(Response::new(tokio_stream::iter(items)))
            },
        ),
    );
    let mut peer = host.connect().await;
    let stream = peer.ask("/t.T/Growing", b"").await;
    let growing = peer.whole(stream).await;
    let body = [FITS, FITS, OVER, FITS].map(|message| envelope(0, message));
    let stream = peer.call(&Call::new("/t.T/Half"), &body.concat()).await;
    let half = peer.whole(stream).await;
    let stream = peer.call(&Call::new(FULL), &body.concat()).await;
    let full = peer.whole(stream).await;
    for (whole, path) in [(growing, "Growing"), (half, "Half"), (full, "Full")] {
        assert_eq!(whole.messages(), [FITS, FITS], "{path}");
        assert_eq!(whole.code(), RESOURCE_EXHAUSTED, "{path}");
        assert_sent(&whole.trailers, path);
    }
    peer.expect_alive().await;
}

/// A handler that does not pass the error on answers what it likes.
#[tokio::test(start_paused = true)]
async fn a_handler_may_answer_a_stream_that_ended_over_the_limit() {
    let host = serve(router().client_streaming(
        Route::new("/t.T/Tolerant").max_request(LIMIT),
        |request: Request<Streaming<Raw>>| async {
            let mut requests = request.into_inner();
            let mut good = 0;
            while let Ok(Some(_)) = requests.message().await {
                good += 1;
            }
            Ok(Response::new(raw(format!("{good}"))))
        },
    ));
    let mut peer = host.connect().await;
    let body = [FITS, FITS, OVER, FITS].map(|message| envelope(0, message));
    let stream = peer.call(&Call::new("/t.T/Tolerant"), &body.concat()).await;
    assert_eq!(peer.expect_unary_ok(stream).await, envelope(0, b"2"));
}
