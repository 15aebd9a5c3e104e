//! No cases of the official list: what tonic's client sees of every kind of method when messages are too large, calls fail and calls are
//! cancelled. tests/router has the frames.

use std::future::{pending, ready};

use grpc_health::router::{Metadata, Raw, Request, Response, Route, Router, Streaming};
use grpc_health::{Server, Status};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{StreamExt as _, iter, once};
use tonic::Code;

use crate::cases::in_time;
use crate::client::Client;
use crate::connect_to;
use crate::test_service::proto::Payload;

const UNARY: &str = "/test.Kinds/Unary";
const SERVER: &str = "/test.Kinds/Server";
const CLIENT: &str = "/test.Kinds/Client";
const BIDI: &str = "/test.Kinds/Bidi";
const ALL: [&str; 4] = [UNARY, SERVER, CLIENT, BIDI];

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;
type Replies = std::pin::Pin<Box<dyn futures_core::Stream<Item = Result<Raw, Status>> + Send>>;

fn replies(
    items: impl futures_core::Stream<Item = Result<Raw, Status>> + Send + 'static,
) -> Result<Response<Replies>, Status> {
    Ok(Response::new(Box::pin(items)))
}

async fn serve(router: Router) -> (Server<Router>, Client) {
    let server = Server::builder()
        .service(router)
        .bind("127.0.0.1:0")
        .await
        .expect("a port");
    tokio::spawn(server.serve());
    let client = connect_to(&server).await;
    (server, client)
}

fn message(size: usize) -> Payload {
    Payload {
        body: vec![b'x'; size].into(),
        ..Payload::default()
    }
}

/// Calls the method with these messages, and leaves its side open after them if `open` says so.
async fn call(
    client: &Client,
    path: &'static str,
    messages: Vec<Payload>,
    open: bool,
) -> (Vec<Payload>, Option<tonic::Status>) {
    let mut got = Vec::new();
    let end = if path == UNARY {
        let one = messages.into_iter().next().expect("a message");
        let answer = in_time(client.unary(path, tonic::Request::new(one))).await;
        answer.map(|reply| got.push(reply.into_inner())).err()
    } else {
        // The client's side stays open until this future is dropped: hyper resets a stream once both of its halves are gone.
        let (pipe, rest) = channel(1);
        let _pipe = open.then_some(pipe);
        let requests = iter(messages).chain(ReceiverStream::new(rest));
        let requests = tonic::Request::new(requests);
        match in_time(client.streaming(path, requests)).await {
            Err(status) => Some(status),
            Ok(answer) => {
                let mut stream = answer.into_inner();
                loop {
                    match in_time(stream.message()).await {
                        Ok(Some(reply)) => got.push(reply),
                        Ok(None) => break None,
                        Err(status) => break Some(status),
                    }
                }
            }
        }
    };
    (got, end)
}

/// Each message back, of at most 1,000 bytes.
fn small() -> Router {
    let route = |path| Route::new(path).max_request(1_000);
    Router::empty()
        .unary(route(UNARY), |request: One| {
            ready(Ok(Response::new(request.into_inner())))
        })
        .server_streaming(route(SERVER), |request: One| {
            ready(replies(once(Ok(request.into_inner()))))
        })
        .client_streaming(route(CLIENT), |request: Many| async {
            let all: Result<Vec<Raw>, Status> = request.into_inner().collect().await;
            let last = all?.pop().expect("a message");
            Ok(Response::new(last))
        })
        .bidi(route(BIDI), |request: Many| {
            ready(replies(request.into_inner()))
        })
}

/// A `Payload` of 997 bytes is a message of 1,000: its tag and its length take three.
#[tokio::test]
async fn a_message_over_the_limit_is_resource_exhausted_wherever_it_is() {
    let (server, client) = serve(small()).await;
    for path in ALL {
        let (got, end) = call(&client, path, vec![message(997)], false).await;
        assert_eq!((got.len(), end.is_none()), (1, true), "{path}: {end:?}");
        // A message that is still on its way when the answer comes, and one that is a byte over the limit.
        for size in [1_000_000, 998] {
            for good in 0..3 {
                let streams = [CLIENT, BIDI].contains(&path);
                if good > 0 && !streams {
                    continue;
                }
                let mut messages = vec![message(997); good];
                messages.push(message(size));
                let (got, end) = call(&client, path, messages, streams).await;
                let place = format!("{path}: {good} and {size}");
                let end = end.expect("an error");
                assert_eq!(end.code(), Code::ResourceExhausted, "{place}: {end:?}");
                assert!(end.message().contains("vs. 1000"), "{place}: {end:?}");
                let before = if path == BIDI { good } else { 0 };
                assert_eq!(got.len(), before, "{place}");
            }
        }
    }
    // None of these calls has cost the connection.
    assert_eq!(server.stats().connections, 1);
}

fn failure() -> Status {
    let mut metadata = Metadata::new();
    for value in ["because", "of", "because"] {
        metadata.append("why", value).expect("metadata");
    }
    for value in [&b"\x00\xff"[..], b""] {
        metadata.append_binary("why-bin", value).expect("metadata");
    }
    Status::failed_precondition("no ☺")
        .with_details(b"\x08\x09".to_vec().into())
        .with_metadata(metadata)
}

#[tokio::test]
async fn an_error_has_its_message_details_and_metadata_in_every_kind() {
    let after = |good: usize| iter(vec![Ok(Raw::default()); good]).chain(once(Err(failure())));
    for good in [0, 2] {
        let router = Router::empty()
            .unary(UNARY, |_: One| ready(Err::<Response<Raw>, _>(failure())))
            .server_streaming(SERVER, move |_: One| ready(replies(after(good))))
            .client_streaming(CLIENT, |_: Many| ready(Err::<Response<Raw>, _>(failure())))
            .bidi(BIDI, move |_: Many| ready(replies(after(good))));
        let (_server, client) = serve(router).await;
        for path in ALL {
            for open in [false, true] {
                let (got, end) =
                    call(&client, path, vec![message(1)], open && path != SERVER).await;
                let streams = [SERVER, BIDI].contains(&path);
                assert_eq!(got.len(), if streams { good } else { 0 }, "{path}");
                let status = end.expect("an error");
                assert_eq!(status.code(), Code::FailedPrecondition, "{path}");
                assert_eq!(status.message(), "no ☺", "{path}");
                assert_eq!(status.details(), b"\x08\x09", "{path}");
                let why = status.metadata().get_all("why").iter();
                let why: Vec<_> = why.map(|value| value.to_str().expect("text")).collect();
                assert_eq!(why, ["because", "of", "because"], "{path}");
                let why = status.metadata().get_all_bin("why-bin").iter();
                let why: Vec<_> = why.map(|value| value.to_bytes().expect("bytes")).collect();
                assert_eq!(why, [&b"\x00\xff"[..], b""], "{path}");
            }
        }
    }
}

/// Tells when it is made, and when it is dropped.
struct Told(UnboundedSender<&'static str>);

impl Told {
    fn new(sender: &UnboundedSender<&'static str>) -> Self {
        let _ = sender.send("made");
        Self(sender.clone())
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

/// Handlers that never answer, each the only one of its method at a time.
fn silent(sender: &UnboundedSender<&'static str>) -> Router {
    let route = |path| Route::new(path).max_concurrent(1);
    let told = || {
        let sender = sender.clone();
        move || Told::new(&sender)
    };
    let [unary, server, client, bidi] = [told(), told(), told(), told()];
    Router::empty()
        .unary(route(UNARY), move |_: One| {
            let told = unary();
            async move {
                let _told = told;
                pending::<Result<Response<Raw>, Status>>().await
            }
        })
        .server_streaming(route(SERVER), move |_: One| {
            let told = server();
            ready(replies(tokio_stream::pending().map(move |item| {
                let _ = &told;
                item
            })))
        })
        .client_streaming(route(CLIENT), move |request: Many| {
            let told = client();
            async move {
                let _told = (told, request);
                pending::<Result<Response<Raw>, Status>>().await
            }
        })
        .bidi(route(BIDI), move |request: Many| {
            let told = bidi();
            let silence = request.into_inner().filter(|_| false);
            let silence = silence.chain(tokio_stream::pending());
            ready(replies(silence.map(move |item| {
                let _ = &told;
                item
            })))
        })
}

async fn told(seen: &mut UnboundedReceiver<&'static str>) -> &'static str {
    in_time(seen.recv()).await.expect("a handler")
}

#[tokio::test]
async fn a_call_that_tonic_cancels_drops_its_handler_and_gives_its_place_back() {
    let (sender, mut seen) = unbounded_channel();
    let (server, client) = serve(silent(&sender)).await;
    let mut cancelled = 0;
    for path in ALL {
        for open in [false, true] {
            if open && [UNARY, SERVER].contains(&path) {
                continue;
            }
            // Twice: the second call finds the place of the first one.
            for _ in 0..2 {
                let client = client.clone();
                let running =
                    tokio::spawn(async move { call(&client, path, vec![message(1)], open).await });
                assert_eq!(told(&mut seen).await, "made", "{path}");
                running.abort();
                assert_eq!(told(&mut seen).await, "dropped", "{path}");
                assert!(
                    in_time(running)
                        .await
                        .expect_err("no answer")
                        .is_cancelled()
                );
                cancelled += 1;
            }
        }
    }
    assert_eq!(server.stats().calls_cancelled, cancelled);
}
