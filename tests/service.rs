//! Services of all kinds behind the server's only door: replies now, later, many, too large for the window, and panics.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_core::Stream;
use grpc_health::service::{
    Admission, Answer, Background, Drain, Head, Lifecycle, Message, Method, PeerInfo, Rejection,
    Reply, Service, Unimplemented,
};
use grpc_health::wire::envelope;
use grpc_health::{Code, Server, Status};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

const METHODS: [&str; 6] = ["Now", "Later", "Stream", "End", "PanicNow", "PanicLater"];

/// Answers as the test tells it to.
#[derive(Default)]
struct Toy {
    /// What `Now` answers.
    reply: Bytes,
    later: Mutex<Option<oneshot::Receiver<Reply>>>,
    stream: Mutex<Option<mpsc::Receiver<Reply>>>,
    /// Counts the handlers that were dropped.
    dropped: Arc<watch::Sender<usize>>,
    events: Arc<Mutex<Vec<Lifecycle>>>,
}

struct OnDrop(Arc<watch::Sender<usize>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.send_modify(|dropped| *dropped += 1);
    }
}

/// Replies from a channel.
struct Replies(mpsc::Receiver<Reply>, #[allow(dead_code)] OnDrop);

impl Stream for Replies {
    type Item = Reply;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        self.0.poll_recv(cx)
    }
}

impl Service for Toy {
    type Stream = Replies;
    type Future = Pin<Box<dyn Future<Output = Reply> + Send>>;

    fn method(&self, path: &str) -> Result<Method, Unimplemented> {
        let name = path
            .strip_prefix("/toy.Toy/")
            .ok_or(Unimplemented::Service)?;
        let id = METHODS
            .iter()
            .position(|method| *method == name)
            .ok_or(Unimplemented::Method)?;
        let drain = if name == "End" {
            Drain::End
        } else {
            Drain::Finish
        };
        Ok(Method::new(id as u32).max_request(1 << 20).drain(drain))
    }

    fn admit(&self, _: &mut Head<'_>) -> Result<Admission, Rejection> {
        Ok(Admission::Granted)
    }

    fn call(&self, head: Head<'_>, message: Message) -> Answer<Self::Stream, Self::Future> {
        match METHODS[head.method() as usize] {
            "Now" => Answer::Now(Ok(self.reply.clone().into())),
            "Later" => {
                let later = self.later.lock().unwrap().take().expect("one call");
                let on_drop = OnDrop(Arc::clone(&self.dropped));
                Answer::Future(Box::pin(async move {
                    let _on_drop = on_drop;
                    later.await.expect("the test answers")
                }))
            }
            "Stream" | "End" => {
                let stream = self.stream.lock().unwrap().take().expect("one call");
                Answer::Stream(Replies(stream, OnDrop(Arc::clone(&self.dropped))))
            }
            "PanicNow" => panic!("as told: {}", message.body.len()),
            _ => Answer::Future(Box::pin(async { panic!("as told, later") })),
        }
    }

    fn lifecycle(&self, event: Lifecycle) {
        self.events.lock().unwrap().push(event);
    }

    fn background(&self) -> Option<Background> {
        None
    }
}

fn message(body: &[u8]) -> Bytes {
    let mut encoded = BytesMut::new();
    envelope::encode(&mut encoded, false, body.len(), |dst| dst.put_slice(body));
    encoded.freeze()
}

async fn connect_with(server: &Server<Toy>, window: u32) -> SendRequest<Bytes> {
    let (client, io) = duplex(1 << 16);
    tokio::spawn(server.serve_connection(io));
    let (send, connection) = h2::client::Builder::new()
        .initial_window_size(window)
        // h2's default takes a quick succession of small replies for an attack.
        .data_frame_budget(1 << 20)
        .handshake::<DuplexStream, Bytes>(client)
        .await
        .unwrap();
    tokio::spawn(connection);
    send
}

async fn connect(server: &Server<Toy>) -> SendRequest<Bytes> {
    connect_with(server, 65_535).await
}

fn serve(toy: Toy) -> Server<Toy> {
    Server::builder().service(toy).build()
}

async fn send(
    client: &SendRequest<Bytes>,
    method: &str,
    timeout: Option<&str>,
) -> (ResponseFuture, SendStream<Bytes>) {
    let mut request = Request::post(format!("http://toy/toy.Toy/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    let mut client = client.clone().ready().await.unwrap();
    client
        .send_request(request.body(()).unwrap(), false)
        .unwrap()
}

async fn call(
    client: &SendRequest<Bytes>,
    method: &str,
    timeout: Option<&str>,
) -> (HeaderMap, Call) {
    let (response, mut body) = send(client, method, timeout).await;
    body.send_data(message(b""), true).unwrap();
    let (parts, body) = response.await.unwrap().into_parts();
    (parts.headers, Call(body))
}

struct Call(RecvStream);

impl Call {
    /// The next `len` bytes of the reply.
    async fn data(&mut self, len: usize) -> Bytes {
        let mut data = BytesMut::new();
        while data.len() < len {
            let chunk = self.0.data().await.expect("more data").unwrap();
            self.0.flow_control().release_capacity(chunk.len()).unwrap();
            data.extend(chunk);
        }
        data.freeze()
    }

    async fn status(&mut self) -> Status {
        assert!(self.0.data().await.is_none());
        Status::parse(&self.0.trailers().await.unwrap().expect("trailers")).expect("a status")
    }
}

fn status_of(head: &HeaderMap) -> Code {
    Status::parse(head).expect("a status").code()
}

#[tokio::test]
async fn a_reply_larger_than_every_window_arrives_whole() {
    let body: Vec<u8> = (0..1_000_000_u32).map(|i| i as u8).collect();
    let server = serve(Toy {
        reply: message(&body),
        ..Toy::default()
    });
    let client = connect_with(&server, 1_000).await;
    let (_, mut reply) = call(&client, "Now", None).await;
    assert_eq!(
        reply.data(body.len() + envelope::PREFIX_LEN).await,
        message(&body)
    );
    assert_eq!(reply.status().await.code(), Code::OK);
}

#[tokio::test]
async fn a_reply_that_comes_later_is_sent_when_it_comes() {
    let (answer, later) = oneshot::channel();
    let server = serve(Toy {
        later: Mutex::new(Some(later)),
        ..Toy::default()
    });
    let client = connect(&server).await;
    let (response, mut body) = send(&client, "Later", None).await;
    body.send_data(message(b""), true).unwrap();
    answer.send(Ok(message(b"late").into())).unwrap();
    let mut reply = Call(response.await.unwrap().into_body());
    assert_eq!(reply.data(9).await, message(b"late"));
    assert_eq!(reply.status().await.code(), Code::OK);
}

#[tokio::test]
async fn an_error_before_the_first_reply_is_trailers_only_and_after_it_trailers() {
    for replies in [0, 1] {
        let (sender, stream) = mpsc::channel(4);
        let server = serve(Toy {
            stream: Mutex::new(Some(stream)),
            ..Toy::default()
        });
        let client = connect(&server).await;
        for _ in 0..replies {
            sender.try_send(Ok(message(b"x").into())).unwrap();
        }
        sender
            .try_send(Err(Status::new(Code::ABORTED, "enough")))
            .unwrap();
        let (head, mut reply) = call(&client, "Stream", None).await;
        if replies == 0 {
            assert_eq!(status_of(&head), Code::ABORTED);
            assert!(reply.0.is_end_stream());
        } else {
            assert!(!head.contains_key("grpc-status"));
            assert_eq!(reply.data(6).await, message(b"x"));
            assert_eq!(reply.status().await.code(), Code::ABORTED);
        }
    }
}

#[tokio::test]
async fn a_stream_that_ends_without_a_reply_is_ok() {
    let (sender, stream) = mpsc::channel(1);
    drop(sender);
    let server = serve(Toy {
        stream: Mutex::new(Some(stream)),
        ..Toy::default()
    });
    let client = connect(&server).await;
    let (_, mut reply) = call(&client, "Stream", None).await;
    assert_eq!(reply.status().await.code(), Code::OK);
}

#[tokio::test]
async fn empty_replies_are_left_out_and_hold_nobody_up() {
    let (sender, stream) = mpsc::channel(100);
    for _ in 0..99 {
        sender.try_send(Ok(Bytes::new().into())).unwrap();
    }
    sender.try_send(Ok(message(b"x").into())).unwrap();
    drop(sender);
    let server = serve(Toy {
        stream: Mutex::new(Some(stream)),
        ..Toy::default()
    });
    let client = connect(&server).await;
    let (_, mut reply) = call(&client, "Stream", None).await;
    assert_eq!(reply.data(6).await, message(b"x"));
    assert_eq!(reply.status().await.code(), Code::OK);
}

#[tokio::test]
async fn row_59_a_panic_costs_one_call() {
    let server = serve(Toy {
        reply: message(b"fine"),
        ..Toy::default()
    });
    let client = connect(&server).await;
    for method in ["PanicNow", "PanicLater"] {
        let (head, _) = call(&client, method, None).await;
        assert_eq!(status_of(&head), Code::UNKNOWN, "{method}");
    }
    let (_, mut reply) = call(&client, "Now", None).await;
    assert_eq!(reply.data(9).await, message(b"fine"));
    assert_eq!(reply.status().await.code(), Code::OK);
    assert_eq!(server.stats().panics, 2);
}

#[tokio::test]
async fn panics_beside_calls_cost_no_more() {
    struct Rash;
    impl Service for Rash {
        type Stream = Replies;
        type Future = std::future::Ready<Reply>;
        fn method(&self, path: &str) -> Result<Method, Unimplemented> {
            assert_eq!(path, "/toy.Toy/Now");
            Ok(Method::new(0))
        }
        fn admit(&self, _: &mut Head<'_>) -> Result<Admission, Rejection> {
            Ok(Admission::Granted)
        }

        fn call(&self, _: Head<'_>, _: Message) -> Answer<Replies, Self::Future> {
            Answer::Now(Ok(message(b"").into()))
        }
        fn lifecycle(&self, _: Lifecycle) {
            panic!("as told");
        }

        fn background(&self) -> Option<Background> {
            None
        }
    }
    let server = Server::builder().service(Rash).build();
    let (client, io) = duplex(1 << 16);
    tokio::spawn(server.serve_connection(io));
    let (client, connection) = h2::client::handshake(client).await.unwrap();
    tokio::spawn(connection);
    let (head, _) = call(&client, "Odd", None).await;
    assert_eq!(status_of(&head), Code::UNKNOWN);
    call(&client, "Now", None).await.1.data(5).await;
    server.shutdown().await;
    assert_eq!(server.stats().panics, 3);
}

#[tokio::test]
async fn a_cancelled_call_drops_its_handler_and_frees_its_place() {
    for method in ["Later", "Stream"] {
        let (_answer, later) = oneshot::channel();
        let (_sender, stream) = mpsc::channel(1);
        let toy = Toy {
            later: Mutex::new(Some(later)),
            stream: Mutex::new(Some(stream)),
            reply: message(b""),
            ..Toy::default()
        };
        let mut dropped = toy.dropped.subscribe();
        let server = serve(toy);
        let client = connect(&server).await;
        let (response, mut body) = send(&client, method, None).await;
        body.send_data(message(b""), true).unwrap();
        // A second call on the connection is answered only after the first has been taken in.
        call(&client, "Now", None).await.1.data(5).await;
        assert_eq!(server.stats().calls_waiting, 1, "{method}");
        body.send_reset(Reason::CANCEL);
        drop(response);
        dropped.wait_for(|dropped| *dropped == 1).await.unwrap();
        call(&client, "Now", None).await.1.data(5).await;
        let stats = server.stats();
        assert_eq!(
            (stats.calls_waiting, stats.calls_cancelled),
            (0, 1),
            "{method}"
        );
    }
}

/// Counts the handlers that are alive, and the most that ever were.
#[derive(Clone, Default)]
struct Crowd(Arc<Mutex<(usize, usize)>>);

impl Crowd {
    fn enter(&self) -> Present {
        let mut crowd = self.0.lock().unwrap();
        crowd.0 += 1;
        crowd.1 = crowd.1.max(crowd.0);
        Present(self.clone())
    }
}

struct Present(Crowd);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().0 -= 1;
    }
}

impl Service for Crowd {
    type Stream = Replies;
    type Future = Pin<Box<dyn Future<Output = Reply> + Send>>;

    fn method(&self, _: &str) -> Result<Method, Unimplemented> {
        Ok(Method::new(0))
    }

    fn admit(&self, _: &mut Head<'_>) -> Result<Admission, Rejection> {
        Ok(Admission::Granted)
    }

    fn call(&self, _: Head<'_>, _: Message) -> Answer<Replies, Self::Future> {
        let present = self.enter();
        Answer::Future(Box::pin(async move {
            let _present = present;
            std::future::pending().await
        }))
    }

    fn lifecycle(&self, _: Lifecycle) {}

    fn background(&self) -> Option<Background> {
        None
    }
}

#[tokio::test]
async fn handlers_of_reset_calls_are_gone_before_others_begin() {
    let crowd = Crowd::default();
    let server = Server::builder()
        .service(crowd.clone())
        .max_concurrent_streams(4)
        .build();
    let (client, io) = duplex(1 << 16);
    tokio::spawn(server.serve_connection(io));
    let (client, connection) = h2::client::handshake(client).await.unwrap();
    tokio::spawn(connection);
    let mut open = Vec::new();
    for round in 1..=50 {
        // Resets and new requests, written together.
        for (mut body, _response) in open.drain(..) {
            SendStream::send_reset(&mut body, Reason::CANCEL);
        }
        for _ in 0..4 {
            let (response, mut body) = send(&client, "Wait", None).await;
            body.send_data(message(b""), true).unwrap();
            open.push((body, response));
        }
        poll_fn(|cx| {
            if server.stats().calls == round * 4 {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
    assert_eq!(*crowd.0.lock().unwrap(), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn row_25_a_deadline_ends_a_call_wherever_it_waits() {
    let start = Instant::now();
    let (_answer, later) = oneshot::channel();
    let (sender, stream) = mpsc::channel(1);
    sender.try_send(Ok(message(b"x").into())).unwrap();
    let toy = Toy {
        later: Mutex::new(Some(later)),
        stream: Mutex::new(Some(stream)),
        ..Toy::default()
    };
    let mut dropped = toy.dropped.subscribe();
    let server = serve(toy);
    let client = connect(&server).await;

    // For its service, before any reply.
    let (head, _) = call(&client, "Later", Some("2S")).await;
    assert_eq!(
        (status_of(&head), start.elapsed()),
        (Code::DEADLINE_EXCEEDED, Duration::from_secs(2))
    );
    // For its service, after one.
    let (_, mut reply) = call(&client, "Stream", Some("3S")).await;
    assert_eq!(reply.data(6).await, message(b"x"));
    assert_eq!(reply.status().await.code(), Code::DEADLINE_EXCEEDED);
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    dropped.wait_for(|dropped| *dropped == 2).await.unwrap();
    // For the rest of its request.
    let (response, mut body) = send(&client, "Now", Some("4S")).await;
    body.send_data(message(b"").slice(..3), false).unwrap();
    let head = response.await.unwrap();
    assert_eq!(status_of(head.headers()), Code::DEADLINE_EXCEEDED);
    assert_eq!(start.elapsed(), Duration::from_secs(9));
    assert_eq!(server.stats().deadlines_exceeded, 3);
}

#[tokio::test(start_paused = true)]
async fn row_25_a_deadline_in_the_middle_of_a_message_resets_the_stream() {
    let server = serve(Toy {
        reply: message(&[7; 100]),
        ..Toy::default()
    });
    let client = connect_with(&server, 10).await;
    let (_, mut reply) = call(&client, "Now", Some("1S")).await;
    // Ten bytes are read, but no more are asked for.
    assert_eq!(reply.0.data().await.unwrap().unwrap().len(), 10);
    let error = reply.0.data().await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::CANCEL));
}

#[tokio::test(start_paused = true)]
async fn row_25_a_deadline_before_a_stalled_message_is_told_in_trailers() {
    let server = serve(Toy {
        reply: message(&[7; 100]),
        ..Toy::default()
    });
    let client = connect_with(&server, 0).await;
    let (_, mut reply) = call(&client, "Now", Some("1S")).await;
    assert_eq!(reply.status().await.code(), Code::DEADLINE_EXCEEDED);
}

#[tokio::test]
async fn a_shutdown_waits_for_calls_and_ends_streams_that_have_no_end() {
    let (answer, later) = oneshot::channel();
    let (sender, stream) = mpsc::channel(1);
    sender.try_send(Ok(message(b"x").into())).unwrap();
    let toy = Toy {
        later: Mutex::new(Some(later)),
        stream: Mutex::new(Some(stream)),
        ..Toy::default()
    };
    let events = Arc::clone(&toy.events);
    let server = serve(toy);
    let client = connect(&server).await;
    let (response, mut body) = send(&client, "Later", None).await;
    body.send_data(message(b""), true).unwrap();
    let (_, mut watch) = call(&client, "End", None).await;
    assert_eq!(watch.data(6).await, message(b"x"));

    let shutdown = tokio::spawn({
        let server = server.clone();
        async move { server.shutdown().await }
    });
    assert_eq!(watch.status().await.code(), Code::UNAVAILABLE);
    assert!(!shutdown.is_finished());
    answer.send(Ok(message(b"done").into())).unwrap();
    let mut reply = Call(response.await.unwrap().into_body());
    assert_eq!(reply.data(9).await, message(b"done"));
    assert_eq!(reply.status().await.code(), Code::OK);
    shutdown.await.unwrap();
    assert_eq!(
        *events.lock().unwrap(),
        [Lifecycle::Announce, Lifecycle::Closing]
    );
    assert_eq!(server.stats().connections_open, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_complete_is_cut_at_the_deadline_of_the_shutdown() {
    let (_answer, later) = oneshot::channel();
    let toy = Toy {
        later: Mutex::new(Some(later)),
        ..Toy::default()
    };
    let mut dropped = toy.dropped.subscribe();
    let server = Server::builder()
        .service(toy)
        .shutdown_deadline(Duration::from_secs(3))
        .build();
    let client = connect(&server).await;
    let (response, mut body) = send(&client, "Later", None).await;
    body.send_data(message(b""), true).unwrap();
    let start = Instant::now();
    server.shutdown().await;
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    assert_eq!(*dropped.wait_for(|dropped| *dropped == 1).await.unwrap(), 1);
    assert!(response.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_cut_mid_handshake() {
    let server = serve(Toy::default());
    let (_client, io) = duplex(64);
    let connection = tokio::spawn(server.serve_connection(io));
    let start = Instant::now();
    server.shutdown().await;
    connection.await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(10));
}

#[tokio::test]
async fn the_service_is_told_who_calls() {
    struct Who;
    impl Service for Who {
        type Stream = Replies;
        type Future = std::future::Ready<Reply>;
        fn method(&self, _: &str) -> Result<Method, Unimplemented> {
            Ok(Method::new(0))
        }
        fn admit(&self, _: &mut Head<'_>) -> Result<Admission, Rejection> {
            Ok(Admission::Granted)
        }

        fn call(&self, head: Head<'_>, _: Message) -> Answer<Replies, Self::Future> {
            let text = format!("{:?} {:?}", head.peer().remote_addr, head.timeout());
            Answer::Now(Ok(message(text.as_bytes()).into()))
        }

        fn lifecycle(&self, _: Lifecycle) {}

        fn background(&self) -> Option<Background> {
            None
        }
    }
    let server = Server::builder().service(Who).build();
    let (client, io) = duplex(1 << 16);
    let peer = PeerInfo::from(std::net::SocketAddr::from(([192, 0, 2, 1], 5)));
    tokio::spawn(server.serve_connection_with(io, peer));
    let (client, connection) = h2::client::handshake(client).await.unwrap();
    tokio::spawn(connection);
    let (_, mut reply) = call(&client, "Now", Some("1S")).await;
    let expected = message(b"Some(192.0.2.1:5) Some(1s)");
    assert_eq!(reply.data(expected.len()).await, expected);
}

#[tokio::test]
async fn serving_without_a_listener_is_an_error() {
    let error = serve(Toy::default()).serve().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

async fn answers(addr: std::net::SocketAddr) {
    let asking = async {
        let io = tokio::net::TcpStream::connect(addr).await.unwrap();
        let (client, connection) = h2::client::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let (head, _) = call(&client, "Now", None).await;
        assert_eq!(head["content-type"], "application/grpc");
    };
    // Nobody ever answers where nobody accepts.
    tokio::time::timeout(Duration::from_secs(30), asking)
        .await
        .expect("an answer");
}

#[tokio::test]
async fn a_listener_that_is_added_while_the_server_is_served_is_served_too() {
    let server = serve(Toy::default());
    server.bind("127.0.0.1:0").await.unwrap();
    let serving = tokio::spawn(server.serve());
    answers(server.local_addr().unwrap()).await;
    server.bind("127.0.0.1:0").await.unwrap();
    answers(server.local_addrs()[1]).await;
    // Another future of `serve` finds nothing to do yet. The listeners of one that is dropped are closed, and no others.
    let other = tokio::spawn(server.serve());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let third = tokio::spawn(server.serve_on(listener));
    answers(server.local_addrs()[2]).await;
    serving.abort();
    serving.await.unwrap_err();
    server.bind("127.0.0.1:0").await.unwrap();
    answers(server.local_addrs()[3]).await;
    server.shutdown().await;
    other.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_has_shut_down_takes_no_more_listeners() {
    let server = serve(Toy::default());
    server.bind("127.0.0.1:0").await.unwrap();
    let serving = tokio::spawn(server.serve());
    server.shutdown().await;
    serving.await.unwrap().unwrap();
    let addrs = server.local_addrs();
    let error = server.bind("127.0.0.1:0").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(server.local_addrs(), addrs);
    // Nor does one that has not been served.
    let server = serve(Toy::default());
    server.shutdown().await;
    let error = server.bind("127.0.0.1:0").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn many_streams_of_replies_are_each_delivered_whole_and_in_order() {
    let (sender, stream) = mpsc::channel(2_000);
    for i in 0..1_000_u32 {
        sender
            .try_send(Ok(message(&i.to_be_bytes()).into()))
            .unwrap();
    }
    drop(sender);
    let server = serve(Toy {
        stream: Mutex::new(Some(stream)),
        ..Toy::default()
    });
    let client = connect(&server).await;
    let (_, mut reply) = call(&client, "Stream", None).await;
    let data = reply.data(9_000).await;
    for (i, reply) in data.chunks(9).enumerate() {
        assert_eq!(reply, &message(&(i as u32).to_be_bytes())[..]);
    }
    assert_eq!(reply.status().await.code(), Code::OK);
    // Nothing is left behind.
    poll_fn(|cx| {
        if server.stats().calls_waiting == 0 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
