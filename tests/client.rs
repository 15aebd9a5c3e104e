//! The crate's client, against an h2 server that answers as each test scripts it, and against the
//! crate's own server.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, error::Error, future::poll_fn, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use grpc_health::{
    client::{Client, ReportedStatus},
    proto::health::{HealthCheckResponse, HealthListResponse},
    wire::{code::Code, status::Status, timeout},
};
use h2::{
    Reason, RecvStream, SendStream,
    server::{Connection, SendResponse},
};
use http::{HeaderMap, Request, Response};
use prost::Message;
use tokio::{
    io::{AsyncWriteExt, DuplexStream, duplex},
    net::{TcpListener, TcpSocket},
    sync::{mpsc, oneshot},
};

// --- The scripted server ---

type Respond = SendResponse<Bytes>;

/// A client, and the server's end of its connection.
async fn pair() -> (Client, Connection<DuplexStream, Bytes>) {
    let (ours, theirs) = duplex(64 * 1024);
    let (client, server) = tokio::join!(Client::handshake(ours), h2::server::handshake(theirs));
    (client.unwrap(), server.unwrap())
}

/// A client whose every call is answered by `script`.
async fn scripted(mut script: impl FnMut(Request<RecvStream>, Respond) + Send + 'static) -> Client {
    let (client, mut server) = pair().await;
    tokio::spawn(async move {
        while let Some(Ok((request, respond))) = server.accept().await {
            script(request, respond);
        }
    });
    client
}

fn head() -> Response<()> {
    Response::builder()
        .header("content-type", "application/grpc")
        .body(())
        .unwrap()
}

fn trailers(code: i32) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.into());
    trailers
}

fn envelope(message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).unwrap();
    [&[0], &len.to_be_bytes()[..], message].concat()
}

fn serving() -> Vec<u8> {
    envelope(&[8, 1])
}

/// A whole reply: a proper head, one DATA frame, trailers.
fn reply(mut respond: Respond, data: impl Into<Bytes>, code: i32) {
    let mut stream = respond.send_response(head(), false).unwrap();
    stream.send_data(data.into(), false).unwrap();
    stream.send_trailers(trailers(code)).unwrap();
}

/// A reply that never ends, told of to the test.
fn open_reply(mut respond: Respond, data: impl Into<Bytes>) -> SendStream<Bytes> {
    let mut stream = respond.send_response(head(), false).unwrap();
    stream.send_data(data.into(), false).unwrap();
    stream
}

/// A server that sends `data` and leaves the reply open: what the client makes of it, and with
/// what it resets the stream.
async fn open_ended(data: impl Into<Bytes>) -> (Result<ReportedStatus, Status>, Reason) {
    let (reset_tx, reset) = oneshot::channel();
    let mut script = Some((data.into(), reset_tx));
    let client = scripted(move |_, respond| {
        let (data, reset) = script.take().unwrap();
        let mut stream = open_reply(respond, data);
        tokio::spawn(async move {
            reset
                .send(poll_fn(|cx| stream.poll_reset(cx)).await.unwrap())
                .unwrap();
        });
    })
    .await;
    let result = client.check("").await;
    (result, reset.await.unwrap())
}

async fn check_code(script: impl FnMut(Request<RecvStream>, Respond) + Send + 'static) -> Code {
    scripted(script).await.check("").await.unwrap_err().code()
}

// --- What is asked ---

#[tokio::test]
async fn the_request() {
    let (requests, mut seen) = mpsc::unbounded_channel();
    let client = scripted(move |request, respond| {
        let requests = requests.clone();
        tokio::spawn(async move {
            let (head, mut body) = request.into_parts();
            let mut data = BytesMut::new();
            while let Some(chunk) = body.data().await {
                data.put(chunk.unwrap());
            }
            assert_eq!(body.trailers().await.unwrap(), None);
            requests.send((head, data.freeze())).unwrap();
            reply(respond, serving(), 0);
        });
    })
    .await;

    assert_eq!(
        client.check("shop.Cart").await.unwrap(),
        ReportedStatus::SERVING
    );
    let (head, body) = seen.recv().await.unwrap();
    assert_eq!(head.method, "POST");
    assert_eq!(head.uri, "http://localhost/grpc.health.v1.Health/Check");
    assert_eq!(head.headers["te"], "trailers");
    assert_eq!(head.headers["content-type"], "application/grpc");
    assert_eq!(
        head.headers["user-agent"],
        concat!("grpc-health/", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(head.headers.len(), 3);
    assert_eq!(body, [&[0, 0, 0, 0, 11, 10, 9], &b"shop.Cart"[..]].concat());

    let elsewhere = client
        .clone()
        .with_authority("health.example:1".parse().unwrap());
    elsewhere.watch("").await.unwrap();
    let (head, body) = seen.recv().await.unwrap();
    assert_eq!(
        head.uri,
        "http://health.example:1/grpc.health.v1.Health/Watch"
    );
    assert_eq!(body, [0; 5].to_vec());

    client.list().await.unwrap_err();
    let (head, body) = seen.recv().await.unwrap();
    assert_eq!(head.uri, "http://localhost/grpc.health.v1.Health/List");
    assert_eq!(body, [0; 5].to_vec());
}

// --- Good answers ---

#[tokio::test]
async fn statuses_known_and_unknown() {
    for value in [0, 1, 2, 3, 99, -1] {
        let message = HealthCheckResponse { status: value }.encode_to_vec();
        let client = scripted(move |_, respond| reply(respond, envelope(&message), 0)).await;
        assert_eq!(client.check("").await.unwrap(), ReportedStatus::new(value));
    }
    // The default, spelt out, with a field nobody knows.
    let client = scripted(|_, respond| reply(respond, envelope(&[8, 0, 16, 7]), 0)).await;
    assert_eq!(client.check("").await.unwrap(), ReportedStatus::UNKNOWN);
}

#[tokio::test]
async fn a_reply_of_single_bytes() {
    let client = scripted(|_, mut respond| {
        let mut stream = respond.send_response(head(), false).unwrap();
        for byte in serving() {
            stream
                .send_data(Bytes::copy_from_slice(&[byte]), false)
                .unwrap();
        }
        stream.send_trailers(trailers(0)).unwrap();
    })
    .await;
    assert_eq!(client.check("").await.unwrap(), ReportedStatus::SERVING);
}

/// More than the windows of the stream and of the connection: both are given back.
#[tokio::test]
async fn a_list_larger_than_the_window() {
    let status = HealthCheckResponse { status: 2 };
    let statuses: BTreeMap<_, _> = (0..16_384)
        .map(|i| (format!("{i:0>100}"), status))
        .collect();
    let message = HealthListResponse {
        statuses: statuses.clone(),
    }
    .encode_to_vec();
    assert!(message.len() > 20 * 65_535);
    let client = scripted(move |_, respond| reply(respond, envelope(&message), 0)).await;
    let expected = statuses
        .into_keys()
        .map(|name| (name, ReportedStatus::NOT_SERVING))
        .collect();
    for _ in 0..2 {
        assert_eq!(client.list().await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_content_type_with_a_subtype() {
    let client = scripted(|_, mut respond| {
        let head = Response::builder()
            .header("content-type", "application/grpc+proto")
            .body(());
        let mut stream = respond.send_response(head.unwrap(), false).unwrap();
        stream.send_data(serving().into(), false).unwrap();
        stream.send_trailers(trailers(0)).unwrap();
    })
    .await;
    assert_eq!(client.check("").await.unwrap(), ReportedStatus::SERVING);
}

// --- Errors of the server's ---

#[tokio::test]
async fn trailers_only() {
    let client = scripted(|_, mut respond| {
        let mut head = head();
        head.headers_mut().insert("grpc-status", 5.into());
        head.headers_mut()
            .insert("grpc-message", "no caf%C3%A9".parse().unwrap());
        respond.send_response(head, true).unwrap();
    })
    .await;
    for status in [
        client.check("café").await.unwrap_err(),
        client.watch("café").await.unwrap_err(),
    ] {
        assert_eq!(
            (status.code(), status.message()),
            (Code::NOT_FOUND, "no café")
        );
    }
}

#[tokio::test]
async fn trailers_after_messages() {
    assert_eq!(
        check_code(|_, respond| reply(respond, serving(), 8)).await,
        Code::RESOURCE_EXHAUSTED
    );
    // A code of tomorrow.
    assert_eq!(
        check_code(|_, respond| reply(respond, "", 77)).await,
        Code::new(77)
    );
}

#[tokio::test]
async fn http_statuses() {
    let table = [
        (400, Code::INTERNAL),
        (401, Code::UNAUTHENTICATED),
        (403, Code::PERMISSION_DENIED),
        (404, Code::UNIMPLEMENTED),
        (429, Code::UNAVAILABLE),
        (502, Code::UNAVAILABLE),
        (503, Code::UNAVAILABLE),
        (504, Code::UNAVAILABLE),
        (204, Code::UNKNOWN),
        (302, Code::UNKNOWN),
        (500, Code::UNKNOWN),
    ];
    for (http, code) in table {
        for end in [true, false] {
            let answer = move |_, mut respond: Respond| {
                let head = Response::builder()
                    .status(http)
                    .header("content-type", "text/html");
                let mut stream = respond.send_response(head.body(()).unwrap(), end).unwrap();
                if !end {
                    stream.send_data("<html>".into(), true).unwrap();
                }
            };
            assert_eq!(check_code(answer).await, code, "HTTP {http}, end: {end}");
        }
    }
}

#[tokio::test]
async fn a_grpc_status_outranks_the_http_status() {
    let answer = |_, mut respond: Respond| {
        let head = Response::builder()
            .status(415)
            .header("grpc-status", "3")
            .body(())
            .unwrap();
        respond.send_response(head, true).unwrap();
    };
    assert_eq!(check_code(answer).await, Code::INVALID_ARGUMENT);
}

#[tokio::test]
async fn resets() {
    let table = [
        (Reason::NO_ERROR, Code::INTERNAL),
        (Reason::PROTOCOL_ERROR, Code::INTERNAL),
        (Reason::INTERNAL_ERROR, Code::INTERNAL),
        (Reason::FLOW_CONTROL_ERROR, Code::INTERNAL),
        (Reason::SETTINGS_TIMEOUT, Code::INTERNAL),
        (Reason::FRAME_SIZE_ERROR, Code::INTERNAL),
        (Reason::REFUSED_STREAM, Code::UNAVAILABLE),
        (Reason::CANCEL, Code::CANCELLED),
        (Reason::COMPRESSION_ERROR, Code::INTERNAL),
        (Reason::CONNECT_ERROR, Code::INTERNAL),
        (Reason::ENHANCE_YOUR_CALM, Code::RESOURCE_EXHAUSTED),
        (Reason::INADEQUATE_SECURITY, Code::PERMISSION_DENIED),
    ];
    for (reason, code) in table {
        let before_the_head = move |_, mut respond: Respond| respond.send_reset(reason);
        assert_eq!(check_code(before_the_head).await, code, "{reason}");
        let after_the_head = move |_, mut respond: Respond| {
            respond
                .send_response(head(), false)
                .unwrap()
                .send_reset(reason);
        };
        assert_eq!(check_code(after_the_head).await, code, "{reason}");
    }
}

// --- Answers that are not gRPC's ---

#[tokio::test]
async fn another_number_of_messages_than_one() {
    assert_eq!(
        check_code(|_, respond| reply(respond, "", 0)).await,
        Code::INTERNAL
    );
    let two = |_, respond| reply(respond, [serving(), serving()].concat(), 0);
    assert_eq!(check_code(two).await, Code::INTERNAL);
    let trailers_only = |_, mut respond: Respond| {
        let mut head = head();
        head.headers_mut().insert("grpc-status", 0.into());
        respond.send_response(head, true).unwrap();
    };
    assert_eq!(check_code(trailers_only).await, Code::INTERNAL);
    // The second is not waited out.
    let (result, reset) = open_ended([serving(), serving()].concat()).await;
    assert_eq!(
        (result.unwrap_err().code(), reset),
        (Code::INTERNAL, Reason::CANCEL)
    );
}

#[tokio::test]
async fn a_message_that_is_flagged() {
    for flag in [1, 2, 255] {
        let mut message = serving();
        message[0] = flag;
        let (result, reset) = open_ended(message).await;
        assert_eq!(
            (result.unwrap_err().code(), reset),
            (Code::INTERNAL, Reason::CANCEL)
        );
    }
}

#[tokio::test]
async fn a_message_that_is_too_long() {
    for declared in [4 * 1024 * 1024 + 1, u32::MAX] {
        let prefix = [&[0], &declared.to_be_bytes()[..]].concat();
        let (result, reset) = open_ended(prefix).await;
        assert_eq!(result.unwrap_err().code(), Code::RESOURCE_EXHAUSTED);
        assert_eq!(reset, Reason::CANCEL);
    }
}

#[tokio::test]
async fn a_message_cut_short() {
    for len in 1..serving().len() {
        let cut = serving()[..len].to_vec();
        let answer = move |_, respond| reply(respond, cut.clone(), 0);
        assert_eq!(check_code(answer).await, Code::INTERNAL, "{len}");
        // Where the server says why, that counts.
        let cut = serving()[..len].to_vec();
        let answer = move |_, respond| reply(respond, cut.clone(), 10);
        assert_eq!(check_code(answer).await, Code::ABORTED, "{len}");
    }
}

#[tokio::test]
async fn a_reply_without_status() {
    let no_trailers = |_, mut respond: Respond| {
        let mut stream = respond.send_response(head(), false).unwrap();
        stream.send_data(serving().into(), true).unwrap();
    };
    assert_eq!(check_code(no_trailers).await, Code::INTERNAL);
    let head_alone = |_, mut respond: Respond| {
        respond.send_response(head(), true).unwrap();
    };
    assert_eq!(check_code(head_alone).await, Code::INTERNAL);
    let other_trailers = |_, mut respond: Respond| {
        let mut stream = respond.send_response(head(), false).unwrap();
        stream.send_data(serving().into(), false).unwrap();
        stream.send_trailers(HeaderMap::new()).unwrap();
    };
    assert_eq!(check_code(other_trailers).await, Code::UNKNOWN);
}

#[tokio::test]
async fn a_reply_of_another_protocol() {
    for content_type in [None, Some("text/html"), Some("application/grpc-web")] {
        let answer = move |_, mut respond: Respond| {
            let mut head = Response::new(());
            if let Some(value) = content_type {
                head.headers_mut()
                    .insert("content-type", value.parse().unwrap());
            }
            let mut stream = respond.send_response(head, false).unwrap();
            stream.send_data(serving().into(), false).unwrap();
            stream.send_trailers(trailers(0)).unwrap();
        };
        assert_eq!(check_code(answer).await, Code::UNKNOWN, "{content_type:?}");
    }
}

#[tokio::test]
async fn a_message_that_is_not_protobuf() {
    for message in [&[8][..], &[8, 0x80], &[10, 1], &[11], &[0xff; 12]] {
        let data = envelope(message);
        let answer = move |_, respond| reply(respond, data.clone(), 0);
        assert_eq!(check_code(answer).await, Code::INTERNAL, "{message:?}");
    }
    let not_utf8 = envelope(&[10, 3, 10, 1, 0xff]);
    let client = scripted(move |_, respond| reply(respond, not_utf8.clone(), 0)).await;
    assert_eq!(client.list().await.unwrap_err().code(), Code::INTERNAL);
}

// --- Watch ---

#[tokio::test]
async fn a_watch_to_its_end() {
    let messages = [
        serving(),
        envelope(&[8, 2]),
        envelope(&[]),
        envelope(&[8, 3]),
    ]
    .concat();
    let client = scripted(move |_, respond| reply(respond, messages.clone(), 14)).await;
    let mut watch = client.watch("a").await.unwrap();
    for value in [1, 2, 0, 3] {
        assert_eq!(
            watch.next().await.unwrap().unwrap(),
            ReportedStatus::new(value)
        );
    }
    assert_eq!(
        watch.next().await.unwrap().unwrap_err().code(),
        Code::UNAVAILABLE
    );
    assert!(watch.next().await.is_none());

    let client = scripted(|_, respond| reply(respond, serving(), 0)).await;
    let mut watch = client.watch("a").await.unwrap();
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::SERVING
    );
    assert!(watch.next().await.is_none());
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn a_bad_message_ends_a_watch() {
    let (resets, mut seen) = mpsc::unbounded_channel();
    let client = scripted(move |_, respond| {
        let mut stream = open_reply(respond, [serving(), envelope(&[8])].concat());
        let resets = resets.clone();
        tokio::spawn(async move {
            resets
                .send(poll_fn(|cx| stream.poll_reset(cx)).await.unwrap())
                .unwrap();
        });
    })
    .await;
    let mut watch = client.watch("a").await.unwrap();
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::SERVING
    );
    assert_eq!(
        watch.next().await.unwrap().unwrap_err().code(),
        Code::INTERNAL
    );
    assert_eq!(seen.recv().await, Some(Reason::CANCEL));
    assert!(watch.next().await.is_none());
}

/// A `next` that is dropped half way through a message loses none of it.
#[tokio::test]
async fn next_is_cancel_safe() {
    let (streams, mut seen) = mpsc::unbounded_channel();
    let client =
        scripted(move |_, respond| streams.send(open_reply(respond, vec![0, 0, 0])).unwrap()).await;
    let mut watch = client.watch("a").await.unwrap();
    let mut stream = seen.recv().await.unwrap();
    for byte in [0, 2, 8] {
        tokio::select! {
            biased;
            _ = watch.next() => panic!("no message is complete yet"),
            // Time for what was sent to arrive: everything here is one thread's ready work.
            () = async { for _ in 0..20 { tokio::task::yield_now().await } } => {}
        }
        stream.send_data(vec![byte].into(), false).unwrap();
    }
    stream.send_data(vec![1].into(), false).unwrap();
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::SERVING
    );
}

#[tokio::test]
async fn dropping_a_call_cancels_it() {
    let (client, mut server) = pair().await;
    let (replies, mut seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok((_, respond))) = server.accept().await {
            replies.send(respond).unwrap();
        }
    });

    // Before the head of the reply.
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.check("").await }
    });
    let mut respond = seen.recv().await.unwrap();
    call.abort();
    assert_eq!(
        poll_fn(|cx| respond.poll_reset(cx)).await.unwrap(),
        Reason::CANCEL
    );

    // And after it.
    let (watch, mut stream) = tokio::join!(client.watch(""), async {
        open_reply(seen.recv().await.unwrap(), serving())
    });
    drop(watch.unwrap());
    assert_eq!(
        poll_fn(|cx| stream.poll_reset(cx)).await.unwrap(),
        Reason::CANCEL
    );
}

// --- Time ---

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long() {
    let (limits, mut seen) = mpsc::unbounded_channel();
    let client = scripted(move |request, mut respond| {
        let limit = timeout::parse(request.headers()["grpc-timeout"].as_bytes()).unwrap();
        let limits = limits.clone();
        tokio::spawn(async move {
            let reset = poll_fn(|cx| respond.poll_reset(cx)).await.unwrap();
            limits.send((limit, reset)).unwrap();
        });
    })
    .await;
    let limit = Duration::from_secs(3);
    let client = client.with_timeout(limit);
    for call in 0..3 {
        let start = tokio::time::Instant::now();
        let status = match call {
            0 => client.check("").await.unwrap_err(),
            1 => client.list().await.unwrap_err(),
            _ => client.watch("").await.unwrap_err(),
        };
        assert_eq!(status.code(), Code::DEADLINE_EXCEEDED);
        assert_eq!(start.elapsed().as_secs(), limit.as_secs());
        assert_eq!(seen.recv().await, Some((limit, Reason::CANCEL)));
    }
}

/// The limit is one for the whole watch, not one for each message.
#[tokio::test(start_paused = true)]
async fn a_watch_that_takes_too_long() {
    let client = scripted(|_, respond| {
        tokio::spawn(async move {
            let mut stream = open_reply(respond, serving());
            loop {
                tokio::time::sleep(Duration::from_secs(2)).await;
                if stream.send_data(serving().into(), false).is_err() {
                    break;
                }
            }
        });
    })
    .await
    .with_timeout(Duration::from_secs(5));
    let start = tokio::time::Instant::now();
    let mut watch = client.watch("").await.unwrap();
    for _ in 0..3 {
        assert_eq!(
            watch.next().await.unwrap().unwrap(),
            ReportedStatus::SERVING
        );
    }
    assert_eq!(
        watch.next().await.unwrap().unwrap_err().code(),
        Code::DEADLINE_EXCEEDED
    );
    assert_eq!(start.elapsed().as_secs(), 5);
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn a_limit_beyond_the_clock_is_none() {
    let client = scripted(|_, respond| reply(respond, serving(), 0)).await;
    let client = client.with_timeout(Duration::MAX);
    assert_eq!(client.check("").await.unwrap(), ReportedStatus::SERVING);
}

// --- The connection ---

#[tokio::test]
async fn a_connection_that_breaks() {
    let (client, mut server) = pair().await;
    let (check, ()) = tokio::join!(client.check(""), async {
        let call = server.accept().await.unwrap().unwrap();
        drop((call, server));
    });
    assert_eq!(check.unwrap_err().code(), Code::UNAVAILABLE);
    for _ in 0..2 {
        assert_eq!(
            client.check("").await.unwrap_err().code(),
            Code::UNAVAILABLE
        );
        assert_eq!(
            client.watch("").await.unwrap_err().code(),
            Code::UNAVAILABLE
        );
    }
}

#[tokio::test]
async fn a_connection_the_server_shuts() {
    for reason in [
        Reason::NO_ERROR,
        Reason::ENHANCE_YOUR_CALM,
        Reason::PROTOCOL_ERROR,
    ] {
        let (client, mut server) = pair().await;
        let (check, ()) = tokio::join!(client.check(""), async {
            let _call = server.accept().await.unwrap().unwrap();
            server.abrupt_shutdown(reason);
            assert!(
                server
                    .accept()
                    .await
                    .is_none_or(|accepted| accepted.is_err())
            );
        });
        assert_eq!(check.unwrap_err().code(), Code::UNAVAILABLE, "{reason}");
    }
}

#[tokio::test]
async fn the_connection_lasts_as_long_as_it_is_held() {
    let (client, mut server) = pair().await;
    let (replies, mut seen) = mpsc::unbounded_channel();
    let connection = tokio::spawn(async move {
        while let Some(Ok((_, respond))) = server.accept().await {
            replies.send(respond).unwrap();
        }
    });

    let clone = client.clone();
    drop(client);
    let (watch, mut stream) = tokio::join!(clone.watch(""), async {
        open_reply(seen.recv().await.unwrap(), serving())
    });
    let mut watch = watch.unwrap();
    drop(clone);
    // The watch alone holds it now.
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::SERVING
    );
    stream.send_data(envelope(&[8, 2]).into(), false).unwrap();
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::NOT_SERVING
    );
    drop((watch, stream));
    connection.await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_speak_http2() {
    let (ours, mut theirs) = duplex(1024);
    let client = Client::handshake(ours).await.unwrap();
    theirs
        .write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let code = client.check("").await.unwrap_err().code();
    assert!(
        [Code::INTERNAL, Code::UNAVAILABLE].contains(&code),
        "{code:?}"
    );
}

#[tokio::test]
async fn a_stream_that_takes_no_preface() {
    let (ours, theirs) = duplex(1024);
    drop(theirs);
    let error = Client::handshake(ours).await.unwrap_err();
    assert!(
        error.to_string().starts_with("HTTP/2 handshake: "),
        "{error}"
    );
    assert!(error.source().is_some());
}

#[tokio::test]
async fn a_port_that_nobody_listens_on() {
    // Bound, so that nobody else takes the port meanwhile, and not listening.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = socket.local_addr().unwrap();
    let error = Client::connect(addr).await.unwrap_err();
    let source = error
        .source()
        .unwrap()
        .downcast_ref::<std::io::Error>()
        .unwrap();
    assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn connect_names_the_address_it_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = async {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(tcp).await.unwrap();
        let (request, respond) = connection.accept().await.unwrap().unwrap();
        assert_eq!(
            request.uri().authority().unwrap().as_str(),
            addr.to_string()
        );
        reply(respond, serving(), 0);
        // Until the client has hung up.
        while connection.accept().await.is_some() {}
    };
    let client = async {
        let client = Client::connect(addr).await.unwrap();
        assert_eq!(client.check("").await.unwrap(), ReportedStatus::SERVING);
    };
    tokio::join!(server, client);
}
