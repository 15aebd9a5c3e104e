//! Codecs of an application's own: one that knows no length beforehand and can fail, and the largest reply.

use std::fmt::Write as _;

use bytes::{BufMut as _, BytesMut};
use grpc_health::router::{Decode, Encode, EncodeError, Raw, Request, Response, Route, Streaming};
use grpc_health::service::Message;
use grpc_health::{Code, Status};
use tokio_stream::{StreamExt as _, iter};

use crate::fixture::{Answer, Whole, raw, router, serve};
use crate::support::grpc::{INTERNAL, RESOURCE_EXHAUSTED};

/// An array of numbers in JSON, which has no way to write some of them.
#[derive(Debug, Clone, PartialEq)]
struct Json(Vec<f64>);

impl Decode for Json {
    fn decode(message: Message) -> Result<Self, Status> {
        let malformed = || Status::new(Code::INVALID_ARGUMENT, "not an array of numbers");
        let text = std::str::from_utf8(&message.body).map_err(|_| malformed())?;
        let items = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .ok_or_else(malformed)?;
        let numbers = items.split_terminator(',').map(str::parse);
        let numbers: Result<_, _> = numbers.collect();
        numbers.map(Self).map_err(|_| malformed())
    }
}

impl Encode for Json {
    fn encode(&self, dst: &mut BytesMut) -> Result<(), EncodeError> {
        dst.put_u8(b'[');
        for (i, number) in self.0.iter().enumerate() {
            if !number.is_finite() {
                return Err(format!("{number} is no JSON").into());
            }
            write!(dst, "{}{number}", if i == 0 { "" } else { "," })?;
        }
        dst.put_u8(b']');
        Ok(())
    }
}

fn inverted(Json(numbers): Json) -> Json {
    Json(numbers.iter().map(|number| 1.0 / number).collect())
}

type One = Request<Json>;
type Many = Request<Streaming<Json>>;

/// The reciprocals of what is sent: 0 has none.
fn inverses() -> grpc_health::Router<grpc_health::HealthService> {
    let each = |request: Many| request.into_inner().map(|item| item.map(inverted));
    router()
        .unary("/j.J/U", |request: One| async move {
            Ok(Response::new(inverted(request.into_inner())))
        })
        .server_streaming("/j.J/S", |request: One| async move {
            Ok(Response::new(iter([Ok(inverted(request.into_inner()))])))
        })
        .client_streaming("/j.J/C", |request: Many| async move {
            let first = request.into_inner().message().await?;
            Ok(Response::new(inverted(first.unwrap())))
        })
        .bidi("/j.J/B", move |request: Many| async move {
            Ok(Response::new(each(request)))
        })
}

#[tokio::test(start_paused = true)]
async fn a_codec_without_lengths_serves_every_kind() {
    let host = serve(inverses());
    let mut peer = host.connect().await;
    for method in ["U", "S", "C", "B"] {
        let stream = peer.ask(&format!("/j.J/{method}"), b"[2,-4,0.5]").await;
        assert_eq!(peer.messages(stream).await, [b"[0.5,-0.25,2]"], "{method}");
        let stream = peer.ask(&format!("/j.J/{method}"), b"{}").await;
        assert_eq!(peer.whole(stream).await.code(), 3, "{method}");
    }
}

fn assert_failed(whole: &Whole) {
    assert_eq!(whole.code(), INTERNAL);
    let text = "the reply cannot be encoded: inf is no JSON";
    assert_eq!(whole.trailers.get("grpc-message"), Some(text));
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_cannot_be_encoded_is_internal_and_nothing_of_it_is_sent() {
    let host = serve(inverses());
    let mut peer = host.connect().await;
    for method in ["U", "S", "C", "B"] {
        // A number is written before the one that cannot be.
        let stream = peer.ask(&format!("/j.J/{method}"), b"[1,0]").await;
        let whole = peer.whole(stream).await;
        assert_failed(&whole);
        assert!(whole.body.is_empty(), "{method}: {whole:?}");
    }
    // What went before it has been sent whole.
    let stream = peer.begin("/j.J/B").await;
    peer.say(stream, b"[2]").await;
    peer.say(stream, b"[1,0]").await;
    let whole = peer.whole(stream).await;
    assert_failed(&whole);
    assert_eq!(whole.messages(), [b"[0.5]"]);
    peer.expect_alive().await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_over_its_limit_is_resource_exhausted_and_one_of_the_limit_is_sent() {
    let echo = |request: Request<Raw>| async move { Ok(Response::new(request.into_inner())) };
    let host = serve(
        router()
            .unary(Route::new("/t.T/Known").max_reply(10), echo)
            .unary(
                Route::new("/t.T/Unknown").max_reply(10),
                |request: One| async move { Answer::Ok(Response::new(request.into_inner())) },
            )
            .server_streaming(
                Route::new("/t.T/Many").max_reply(10),
                |request: Request<Raw>| async move {
                    let large = request.into_inner();
                    Ok(Response::new(iter([Ok(raw("small")), Ok(large)])))
                },
            )
            .unary("/t.T/Default", echo),
    );
    let mut peer = host.connect().await;
    for path in ["/t.T/Known", "/t.T/Unknown"] {
        let stream = peer.ask(path, b"[12345678]").await;
        assert_eq!(peer.messages(stream).await, [b"[12345678]"], "{path}");
        let stream = peer.ask(path, b"[123456789]").await;
        let only = peer.expect_trailers_only(stream, RESOURCE_EXHAUSTED).await;
        let text = "trying to send a message larger than max (11 vs. 10)";
        assert_eq!(only.get("grpc-message"), Some(text), "{path}");
    }
    let stream = peer.ask("/t.T/Many", &[0; 11]).await;
    let whole = peer.whole(stream).await;
    assert_eq!(whole.code(), RESOURCE_EXHAUSTED);
    assert_eq!(whole.messages(), [b"small"]);
    let stream = peer.ask("/t.T/Default", &[0; 10_000]).await;
    assert_eq!(peer.messages(stream).await, [[0; 10_000]]);
}
