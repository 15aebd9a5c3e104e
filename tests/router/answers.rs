//! Metadata and statuses, on their way out.

use std::task::Poll;

use bytes::Bytes;
use grpc_health::router::{Raw, Request, Response, Route, Streaming};
use grpc_health::wire::metadata::Metadata;
use grpc_health::{Code, Status};
use tokio::sync::oneshot;
use tokio_stream::StreamExt as _;

use crate::fixture::{Answer, Whole, polled, raw, router, serve};
use crate::support::hpack::Fields;

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

fn metadata(name: &str, values: &[&str]) -> Metadata {
    let mut metadata = Metadata::new();
    for value in values {
        metadata.append(name, value).unwrap();
    }
    metadata
        .append_binary(&format!("{name}-bin"), &[1, 2])
        .unwrap();
    metadata
}

fn values(fields: &Fields, name: &str) -> Vec<String> {
    let values = fields.0.iter().filter(|(n, _)| n == name);
    values
        .map(|(_, value)| String::from_utf8(value.to_vec()).unwrap())
        .collect()
}

fn failure() -> Status {
    Status::new(Code::ABORTED, "no ☺")
        .with_details(Bytes::from_static(b"\x01\x02"))
        .with_metadata(metadata("why", &["because", "of"]))
}

fn assert_failure(fields: &Fields) {
    assert_eq!(fields.get("grpc-status"), Some("10"));
    assert_eq!(fields.get("grpc-message"), Some("no %E2%98%BA"));
    assert_eq!(fields.get("grpc-status-details-bin"), Some("AQI"));
    assert_eq!(values(fields, "why"), ["because", "of"]);
    assert_eq!(fields.get("why-bin"), Some("AQI"));
}

#[tokio::test(start_paused = true)]
async fn metadata_is_in_the_head_and_in_the_trailers_of_every_kind() {
    fn dressed<T>(message: T) -> Answer<T> {
        Ok(Response::new(message)
            .with_metadata(metadata("in", &["a", "b", "a"]))
            .with_trailers(metadata("out", &["y", "x"])))
    }
    let many = || tokio_stream::iter([Ok(raw("1")), Ok(raw("2"))]);
    let host = serve(
        router()
            .unary("/t.T/U", |_: One| async { dressed(raw("12")) })
            .server_streaming("/t.T/S", move |_: One| async move { dressed(many()) })
            .client_streaming("/t.T/C", |_: Many| async { dressed(raw("12")) })
            .bidi("/t.T/B", move |_: Many| async move { dressed(many()) }),
    );
    let mut peer = host.connect().await;
    for method in ["U", "S", "C", "B"] {
        let stream = peer.ask(&format!("/t.T/{method}"), b"").await;
        let whole = peer.whole(stream).await;
        assert_eq!(whole.messages().concat(), b"12", "{method}");
        assert_eq!(values(&whole.head, "in"), ["a", "b", "a"], "{method}");
        assert_eq!(whole.head.get("in-bin"), Some("AQI"), "{method}");
        assert_eq!(whole.head.get("grpc-status"), None, "{method}");
        assert_eq!(values(&whole.head, "out"), [""; 0], "{method}");
        assert_eq!(values(&whole.trailers, "out"), ["y", "x"], "{method}");
        assert_eq!(whole.trailers.get("out-bin"), Some("AQI"), "{method}");
        assert_eq!(values(&whole.trailers, "in"), [""; 0], "{method}");
        assert_eq!(whole.code(), 0, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_before_any_message_is_trailers_only_with_details_and_metadata() {
    type Never = tokio_stream::Empty<Result<Raw, Status>>;
    let host = serve(
        router()
            .unary("/t.T/U", |_: One| async { Answer::<Raw>::Err(failure()) })
            .server_streaming("/t.T/S", |_: One| async { Answer::<Never>::Err(failure()) })
            .client_streaming("/t.T/C", |_: Many| async { Answer::<Raw>::Err(failure()) })
            .bidi("/t.T/B", |_: Many| async {
                Answer::<Never>::Err(failure())
            }),
    );
    let mut peer = host.connect().await;
    for method in ["U", "S", "C", "B"] {
        let stream = peer.ask(&format!("/t.T/{method}"), b"").await;
        let only = peer.expect_headers(stream, true).await;
        assert_eq!(only.get(":status"), Some("200"));
        assert_failure(&only);
    }
}

/// The first item of a stream is an error: at once, later, on a task of its own. Clients try a call again whose answer is Trailers-Only.
#[tokio::test(start_paused = true)]
async fn an_error_in_place_of_the_first_reply_is_trailers_only() {
    let plain = || Status::new(Code::UNAVAILABLE, "not now");
    let late = move |_: One| async move {
        let mut polls = 0;
        Ok(Response::new(polled(move |cx| {
            polls += 1;
            if polls < 3 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Some(Result::<Raw, _>::Err(failure())))
        })))
    };
    let host = serve(
        router()
            .server_streaming("/t.T/Now", |_: One| async {
                Ok(Response::new(tokio_stream::iter([Result::<Raw, _>::Err(
                    failure(),
                )])))
            })
            .server_streaming("/t.T/Late", late)
            .server_streaming(Route::new("/t.T/Spawned").spawned(), late)
            .bidi("/t.T/Bidi", |r: Many| async move {
                let items = r.into_inner().map(|_| Result::<Raw, _>::Err(failure()));
                Ok(Response::new(items))
            })
            .server_streaming("/t.T/Metadata", move |_: One| async move {
                let items = tokio_stream::iter([Result::<Raw, _>::Err(plain())]);
                Ok(Response::new(items)
                    .with_metadata(metadata("in", &["a"]))
                    .with_trailers(metadata("out", &["b"])))
            })
            .server_streaming("/t.T/First", move |_: One| async move {
                let items = tokio_stream::iter([Result::<Raw, _>::Err(failure())]);
                Ok(Response::new(items).with_head_first())
            }),
    );
    let mut peer = host.connect().await;
    for method in ["Now", "Late", "Spawned", "Bidi"] {
        let stream = peer.ask(&format!("/t.T/{method}"), b"").await;
        assert_failure(&peer.expect_headers(stream, true).await);
    }
    // What the handler had to say in its head and in its trailers is in the one there is.
    let stream = peer.ask("/t.T/Metadata", b"").await;
    let only = peer.expect_headers(stream, true).await;
    let said = ["grpc-status", "in", "out"].map(|name| only.get(name));
    assert_eq!(said, [Some("14"), Some("a"), Some("b")]);
    // Unless the head was to go first.
    let stream = peer.ask("/t.T/First", b"").await;
    peer.expect_head(stream).await;
    assert_failure(&peer.expect_headers(stream, true).await);
}

/// A handler that waits for the client's next message, here or on another task, sends its head: the client may be waiting for that.
#[tokio::test(start_paused = true)]
async fn a_head_goes_out_when_the_handler_waits_for_its_client() {
    let host = serve(
        router()
            .bidi("/t.T/Here", |r: Many| async {
                Ok(Response::new(r.into_inner()))
            })
            .bidi("/t.T/There", |r: Many| async {
                let (sender, replies) = tokio::sync::mpsc::channel(1);
                let mut requests = r.into_inner();
                tokio::spawn(async move {
                    while let Some(item) = requests.next().await {
                        let _ = sender.send(item).await;
                    }
                });
                Ok(Response::new(tokio_stream::wrappers::ReceiverStream::new(
                    replies,
                )))
            }),
    );
    let mut peer = host.connect().await;
    for path in ["/t.T/Here", "/t.T/There"] {
        let stream = peer.begin(path).await;
        peer.expect_head(stream).await;
        peer.say(stream, b"x").await;
        peer.end(stream).await;
        peer.expect_data(stream).await;
        peer.expect_trailers(stream, 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_after_messages_is_in_the_trailers_with_details_and_metadata() {
    let host = serve(router().server_streaming("/t.T/S", |_: One| async {
        let stream = tokio_stream::iter([Ok(raw("1")), Err(failure())]);
        // An error's metadata comes in place of what was to be there at a good end.
        Ok(Response::new(stream).with_trailers(metadata("out", &["x"])))
    }));
    let mut peer = host.connect().await;
    let stream = peer.ask("/t.T/S", b"").await;
    let whole = peer.whole(stream).await;
    assert_eq!(whole.messages(), [b"1"]);
    assert_failure(&whole.trailers);
    assert_eq!(whole.trailers.get("out"), None);
}

/// What is known only at the end: the last item is an error that is none.
#[tokio::test(start_paused = true)]
async fn trailers_known_only_at_the_end_are_said_with_the_status_ok() {
    let end = || Status::new(Code::OK, "").with_metadata(metadata("sum", &["2"]));
    let host = serve(
        router()
            .bidi("/t.T/B", move |_: Many| async move {
                let items = [Ok(raw("1")), Ok(raw("1")), Err(end())];
                Ok(Response::new(tokio_stream::iter(items)))
            })
            .server_streaming("/t.T/Plain", |_: One| async {
                let items = [Ok(raw("1")), Err(Status::new(Code::ABORTED, "x"))];
                // An error without metadata of its own leaves the trailers as they were to be.
                Ok(Response::new(tokio_stream::iter(items)).with_trailers(metadata("sum", &["3"])))
            }),
    );
    let mut peer = host.connect().await;
    for (path, code, sum) in [("/t.T/B", 0, "2"), ("/t.T/Plain", 10, "3")] {
        let stream = peer.ask(path, b"").await;
        let whole = peer.whole(stream).await;
        assert_eq!(whole.code(), code, "{path}");
        assert_eq!(whole.trailers.get("sum"), Some(sum), "{path}");
        assert_eq!(whole.trailers.get("sum-bin"), Some("AQI"), "{path}");
    }
}

/// The head, with its metadata, goes out when the handler says so, not with the first message.
#[tokio::test(start_paused = true)]
async fn a_head_that_is_to_go_first_is_sent_before_the_first_message() {
    let (first, wait) = oneshot::channel::<Raw>();
    let wait = std::sync::Mutex::new(Some(wait));
    let host = serve(router().server_streaming("/t.T/S", move |_: One| {
        let wait = wait.lock().unwrap().take().unwrap();
        async move {
            let (sender, replies) = tokio::sync::mpsc::channel(1);
            tokio::spawn(async move { sender.send(Ok(wait.await.unwrap())).await });
            let replies = tokio_stream::wrappers::ReceiverStream::new(replies);
            Ok(Response::new(replies)
                .with_metadata(metadata("in", &["early"]))
                .with_head_first())
        }
    }));
    let mut peer = host.connect().await;
    let stream = peer.ask("/t.T/S", b"").await;
    let head = peer.expect_headers(stream, false).await;
    assert_eq!(head.get("in"), Some("early"));
    peer.expect_silence().await;
    first.send(raw("late")).unwrap();
    let Whole { body, trailers, .. } = {
        let mut body = peer.expect_data(stream).await.to_vec();
        let trailers = peer.expect_trailers(stream, 0).await;
        let head = head.clone();
        body.drain(..5);
        Whole {
            head,
            body,
            trailers,
        }
    };
    assert_eq!(
        (&body[..], trailers.names()),
        (&b"late"[..], vec!["grpc-status"])
    );
}

/// A reply may have more metadata than a request brought: what came is passed on as it came, without what is reserved.
#[tokio::test(start_paused = true)]
async fn metadata_that_came_can_be_sent_back() {
    let host = serve(router().unary("/t.T/U", |r: One| async move {
        let came = r.metadata().clone();
        Ok(Response::new(r.into_inner())
            .with_metadata(came.clone())
            .with_trailers(came))
    }));
    let mut peer = host.connect().await;
    let request = crate::support::grpc::Request::new("/t.T/U")
        .with("k", "1")
        .with("grpc-timeout", "1S")
        .with("k", "2")
        .with("k-bin", "AQI=");
    let stream = peer
        .call(&request, &crate::support::grpc::envelope(0, b""))
        .await;
    let whole = peer.whole(stream).await;
    for fields in [&whole.head, &whole.trailers] {
        assert_eq!(values(fields, "k"), ["1", "2"]);
        assert_eq!(values(fields, "k-bin").len(), 1);
        assert_eq!(fields.get("grpc-timeout"), None);
        assert_eq!(fields.get("te"), None);
    }
    assert_eq!(whole.head.names()[..2], [":status", "content-type"]);
}
