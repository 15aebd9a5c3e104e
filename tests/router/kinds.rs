//! The four kinds of method, typed and raw.

use grpc_health::router::{Decode, Encode, Raw, Request, Response, Router, Streaming};
use grpc_health::service::Service;
use grpc_health::{HealthService, Status};
use tokio_stream::StreamExt as _;

use crate::fixture::{Answer, polled, raw, router, serve};
use crate::support::grpc::{envelope, field};
use crate::support::host;
use crate::support::io::Trickle;
use crate::support::peer::{PIPE, Peer};

#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

/// A message of text, of either sort.
trait Words: Decode + Encode + Unpin {
    fn text(&self) -> String;
    fn of(text: &str) -> Self;
    /// As it is on the wire.
    fn bytes(text: &str) -> Vec<u8>;
}

impl Words for Text {
    fn text(&self) -> String {
        self.text.clone()
    }
    fn of(text: &str) -> Self {
        Self { text: text.into() }
    }
    fn bytes(text: &str) -> Vec<u8> {
        let fields = (!text.is_empty()).then(|| field(1, text.as_bytes()));
        fields.unwrap_or_default()
    }
}

impl Words for Raw {
    fn text(&self) -> String {
        String::from_utf8(self.0.to_vec()).unwrap()
    }
    fn of(text: &str) -> Self {
        raw(text.to_owned())
    }
    fn bytes(text: &str) -> Vec<u8> {
        text.into()
    }
}

/// The four kinds, in a service of this name.
fn kinds<W: Words, S: Service>(router: Router<S>, service: &str) -> Router<S> {
    router
        .unary(
            format!("/{service}/Upper"),
            |request: Request<W>| async move {
                let text = request.get_ref().text().to_uppercase();
                Ok(Response::new(W::of(&text)))
            },
        )
        .server_streaming(
            format!("/{service}/Split"),
            |request: Request<W>| async move {
                let text = request.into_inner().text();
                let words: Vec<Result<W, Status>> =
                    text.split(' ').map(|word| Ok(W::of(word))).collect();
                Ok(tokio_stream::iter(words).into())
            },
        )
        .client_streaming(
            format!("/{service}/Join"),
            |request: Request<Streaming<W>>| async move {
                let mut words = Vec::new();
                let mut requests = request.into_inner();
                while let Some(word) = requests.message().await? {
                    words.push(word.text());
                }
                Ok(W::of(&words.join(" ")).into())
            },
        )
        .bidi(
            format!("/{service}/Each"),
            |request: Request<Streaming<W>>| async move {
                let requests = request.into_inner();
                let upper = |word: W| W::of(&word.text().to_uppercase());
                Ok(Response::new(requests.map(move |word| word.map(upper))))
            },
        )
}

fn both() -> Router<HealthService> {
    kinds::<Raw, _>(kinds::<Text, _>(router(), "typed.Words"), "raw.Words")
}

async fn speak<W: Words>(peer: &mut Peer<impl Io>, service: &str) {
    let path = |method: &str| crate::support::grpc::Request::new(&format!("/{service}/{method}"));
    let one = |text: &str| envelope(0, &W::bytes(text));
    let wire = |texts: &[&str]| -> Vec<u8> { texts.iter().flat_map(|text| one(text)).collect() };

    let stream = peer.call(&path("Upper"), &one("loud")).await;
    assert_eq!(body(peer, stream).await, wire(&["LOUD"]));
    let stream = peer.call(&path("Split"), &one("a bc d")).await;
    assert_eq!(body(peer, stream).await, wire(&["a", "bc", "d"]));
    let stream = peer.call(&path("Join"), &wire(&["x", "", "yz"])).await;
    assert_eq!(body(peer, stream).await, wire(&["x  yz"]));
    let stream = peer.call(&path("Each"), &wire(&["x", "yz", "w"])).await;
    assert_eq!(body(peer, stream).await, wire(&["X", "YZ", "W"]));
    // A stream may be empty, either way.
    let stream = peer.call(&path("Join"), b"").await;
    assert_eq!(body(peer, stream).await, wire(&[""]));
    let stream = peer.call_without_body(&path("Each")).await;
    assert_eq!(body(peer, stream).await, b"");
}

trait Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Io for T {}

/// The bytes of an answer that must be OK.
async fn body(peer: &mut Peer<impl Io>, stream: u32) -> Vec<u8> {
    use crate::support::frame::Frame;
    peer.expect_head(stream).await;
    let mut body = Vec::new();
    loop {
        match peer.recv_on(stream).await {
            Frame::Data { payload, .. } => body.extend(payload),
            Frame::Headers {
                end_stream: true,
                fields,
                ..
            } => {
                assert_eq!(fields.names(), ["grpc-status"]);
                assert_eq!(fields.get("grpc-status"), Some("0"));
                return body;
            }
            other => panic!("expected DATA or trailers, got {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_four_kinds_are_answered_typed_and_raw() {
    let host = serve(both());
    let mut peer = host.connect().await;
    speak::<Text>(&mut peer, "typed.Words").await;
    speak::<Raw>(&mut peer, "raw.Words").await;
    peer.expect_alive().await;
    assert_eq!(host.0.stats().calls_waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn the_four_kinds_are_answered_over_a_socket_that_trickles() {
    let host = serve(both());
    let (ours, theirs) = tokio::io::duplex(PIPE);
    host::spawn(host.0.serve_connection(Trickle::new(theirs)));
    let mut peer = Peer::handshake(ours, &[]).await;
    speak::<Text>(&mut peer, "typed.Words").await;
    speak::<Raw>(&mut peer, "raw.Words").await;
    peer.expect_alive().await;
}

#[tokio::test(start_paused = true)]
async fn spawned_handlers_answer_alike() {
    use grpc_health::router::Route;
    let route = |method: &str| Route::new(format!("/spawned.Words/{method}")).spawned();
    let host = serve(
        router()
            .unary(route("Upper"), |request: Request<Raw>| async move {
                tokio::task::yield_now().await;
                Ok(Raw::of(&request.get_ref().text().to_uppercase()).into())
            })
            .server_streaming(route("Split"), |request: Request<Raw>| async move {
                tokio::task::yield_now().await;
                let text = request.into_inner().text();
                let words: Vec<_> = text.split(' ').map(|word| Ok(Raw::of(word))).collect();
                Ok(Response::new(tokio_stream::iter(words)))
            })
            .client_streaming(
                route("Join"),
                |request: Request<Streaming<Raw>>| async move {
                    let words: Result<Vec<_>, Status> = request.into_inner().collect().await;
                    let words: Vec<_> = words?.iter().map(Words::text).collect();
                    Ok(Raw::of(&words.join(" ")).into())
                },
            )
            .bidi(
                route("Each"),
                |request: Request<Streaming<Raw>>| async move {
                    let upper = |word: Raw| Raw::of(&word.text().to_uppercase());
                    let requests = request.into_inner();
                    Ok(Response::new(requests.map(move |word| word.map(upper))))
                },
            ),
    );
    let mut peer = host.connect().await;
    speak::<Raw>(&mut peer, "spawned.Words").await;
    peer.expect_alive().await;
}

/// The head of a conversation goes out before either side has said anything: the client may wait for it.
#[tokio::test(start_paused = true)]
async fn the_head_of_a_bidi_call_is_sent_at_once() {
    let host = serve(
        router().bidi("/a.B/C", |request: Request<Streaming<Raw>>| async move {
            let mut requests = request.into_inner();
            let echo = polled(move |cx| {
                std::pin::Pin::new(
                    &mut requests as &mut (dyn tokio_stream::Stream<Item = _> + Unpin),
                )
                .poll_next(cx)
            });
            let answer: Answer<_> = Ok(Response::new(echo));
            answer
        }),
    );
    let mut peer = host.connect().await;
    let stream = peer.begin("/a.B/C").await;
    peer.expect_head(stream).await;
    peer.expect_silence().await;
    for word in ["ping", "", "pong"] {
        peer.say(stream, word.as_bytes()).await;
        assert_eq!(peer.expect_data(stream).await, envelope(0, word.as_bytes()));
        peer.expect_silence().await;
    }
    peer.end(stream).await;
    peer.expect_trailers(stream, 0).await;
    peer.expect_silence().await;
}

/// A handler that waits for nothing is answered in the turn it came in: it never counts as waiting.
#[tokio::test(start_paused = true)]
async fn a_handler_that_waits_for_nothing_is_answered_inline() {
    let host = serve(both());
    let mut peer = host.connect().await;
    let stream = peer.ask("/raw.Words/Upper", b"a").await;
    assert_eq!(peer.expect_unary_ok(stream).await, envelope(0, b"A"));
    assert_eq!(host.0.stats().calls_waiting, 0);
}
