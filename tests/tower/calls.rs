//! Calls of all kinds through a mount: replies now, later and many, requests that stream, deadlines, panics, refusals.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use grpc_health::Code;
use grpc_health::Status;
use grpc_health::router::Raw;
use grpc_health::service::{Admission, Answer, Method, Part, PeerInfo, Permit, Rejection, Reply};
use grpc_health::tower::Mount;
use grpc_health::wire::metadata::Metadata;
use http::HeaderMap;
use http_body::Frame;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::toy::{Asked, Channel, Toy, call, call_path, data, feed, message, toy, whole};

/// A stream of what is sent to it, and who holds it.
fn replies() -> (mpsc::Sender<Reply>, Channel) {
    let (sender, receiver) = mpsc::channel(16);
    (sender, Channel(receiver))
}

/// Gives out what a test has put there, once.
fn once<T>(value: T) -> impl Fn() -> T {
    let value = std::sync::Mutex::new(Some(value));
    move || value.lock().unwrap().take().expect("one call")
}

#[tokio::test(start_paused = true)]
async fn a_reply_now_later_and_many() {
    let now = Mount::new(toy(|_, asked| match asked {
        Asked::One(message) => Answer::Now(Ok(crate::toy::message(&message.body).into())),
        Asked::Many(_) => unreachable!("a unary method"),
    }));
    let mut called = call(&now, Some("1S"), whole(&message(b"hello"))).await;
    assert_eq!(called.0.headers()["content-type"], "application/grpc");
    assert_eq!(called.data().await, message(b"hello"));
    assert_eq!(called.status().await, Code::OK);

    let (answer, later) = oneshot::channel::<Reply>();
    let take = once(later);
    let later = Mount::new(toy(move |_, _| {
        let later = take();
        Answer::Future(Box::pin(async { later.await.unwrap() }))
    }));
    let calling = tokio::spawn(async move { call(&later, None, whole(&message(b""))).await });
    tokio::task::yield_now().await;
    answer.send(Ok(message(b"late").into())).unwrap();
    let mut called = calling.await.unwrap();
    assert_eq!(called.data().await, message(b"late"));
    assert_eq!(called.status().await, Code::OK);

    let (sender, stream) = replies();
    let take = once(stream);
    let many = Mount::new(toy(move |_, _| Answer::Stream(Box::pin(take()))));
    sender.send(Ok(message(b"1").into())).await.unwrap();
    let mut called = call(&many, None, whole(&message(b""))).await;
    assert_eq!(called.data().await, message(b"1"));
    assert!(called.poll().is_pending());
    sender.send(Ok(message(b"2").into())).await.unwrap();
    assert_eq!(called.data().await, message(b"2"));
    sender
        .send(Err(Status::new(Code::ABORTED, "")))
        .await
        .unwrap();
    assert_eq!(called.status().await, Code::ABORTED);
    assert!(sender.is_closed());
}

#[tokio::test(start_paused = true)]
async fn no_reply_at_all() {
    let (sender, stream) = replies();
    drop(sender);
    let take = once(stream);
    let none = Mount::new(toy(move |_, _| Answer::Stream(Box::pin(take()))));
    let mut called = call(&none, None, whole(&message(b""))).await;
    assert_eq!(called.status().await, Code::OK);

    let error = || Status::new(Code::NOT_FOUND, "gone");
    let refused = Mount::new(toy(move |_, _| Answer::Now(Err(error()))));
    let called = call(&refused, None, whole(&message(b""))).await;
    assert_eq!(called.refusal(), Code::NOT_FOUND);
}

fn metadata(name: &str) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.append(name, "v").unwrap();
    metadata
}

#[tokio::test(start_paused = true)]
async fn metadata_comes_first_and_last() {
    let (sender, stream) = replies();
    let take = once(stream);
    let mount = Mount::new(toy(move |_, _| Answer::Stream(Box::pin(take()))));
    // Nothing to say, which is no head either.
    sender.send(Ok(Part::default())).await.unwrap();
    let first = Part::default().with_initial(metadata("first"));
    sender.send(Ok(first)).await.unwrap();
    let mut called = call(&mount, None, whole(&message(b""))).await;
    assert_eq!(called.0.headers()["first"], "v");
    assert!(called.poll().is_pending());
    sender.send(Ok(message(b"m").into())).await.unwrap();
    assert_eq!(called.data().await, message(b"m"));
    let last = Part::default().with_trailing(metadata("last"));
    sender.send(Ok(last)).await.unwrap();
    drop(sender);
    let trailers: HeaderMap = called.trailers().await;
    assert_eq!(
        (&trailers["last"], &trailers["grpc-status"]),
        (&"v".parse().unwrap(), &"0".parse().unwrap())
    );
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_call_wherever_it_waits() {
    // Before the first reply, it is in the head; after it, in the trailers.
    for begun in [false, true] {
        let (sender, stream) = replies();
        let take = once(stream);
        let mount = Mount::new(toy(move |_, _| Answer::Stream(Box::pin(take()))));
        let start = Instant::now();
        if begun {
            sender.send(Ok(message(b"m").into())).await.unwrap();
        }
        let mut called = call(&mount, Some("2S"), whole(&message(b""))).await;
        if begun {
            assert_eq!(called.data().await, message(b"m"));
            assert_eq!(called.status().await, Code::DEADLINE_EXCEEDED);
        } else {
            assert_eq!(called.refusal(), Code::DEADLINE_EXCEEDED);
        }
        assert_eq!(start.elapsed().as_secs(), 2);
        assert!(sender.is_closed(), "the handler is dropped with the call");
    }
}

/// Always has something to say.
struct Firehose;

impl Stream for Firehose {
    type Item = Reply;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Reply>> {
        Poll::Ready(Some(Ok(message(b"m").into())))
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_stream_that_never_waits() {
    let mount = Mount::new(toy(|_, _| Answer::Stream(Box::pin(Firehose))));
    let mut called = call(&mount, Some("2S"), whole(&message(b""))).await;
    for _ in 0..100 {
        assert_eq!(called.data().await, message(b"m"));
    }
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(called.status().await, Code::DEADLINE_EXCEEDED);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_come() {
    let unasked = || toy(|_, _| unreachable!("no request"));
    let default = Mount::new(unasked());
    let short = Mount::new(unasked()).body_timeout(Duration::from_secs(1));
    for (mount, timeout, seconds) in [
        (&default, None, 10),
        (&default, Some("3S"), 3),
        (&default, Some("1H"), 10),
        (&short, Some("3S"), 1),
    ] {
        let start = Instant::now();
        let (sender, body) = feed();
        sender.send(data(&message(b"hello")[..6])).await.unwrap();
        let called = call(mount, timeout, body).await;
        assert_eq!(called.refusal(), Code::DEADLINE_EXCEEDED);
        assert_eq!(start.elapsed().as_secs(), seconds);
        assert!(sender.is_closed());
    }
}

/// The method's own times, where it has some.
#[tokio::test(start_paused = true)]
async fn a_method_has_times_of_its_own() {
    let second = Duration::from_secs(1);
    let mut short = toy(|_, _| unreachable!("no request"));
    short.method = || Method::new(0).body_timeout(Duration::from_secs(2));
    let start = Instant::now();
    let (_sender, body) = feed();
    let called = call(&Mount::new(short), None, body).await;
    let status = Status::parse(called.0.headers()).expect("a status");
    assert_eq!(
        status.message(),
        "the client did not send its request within 2s"
    );
    assert_eq!(start.elapsed(), 2 * second);

    let mut limited = toy(|_, _| Answer::Future(Box::pin(std::future::pending())));
    limited.method = || Method::new(0).timeout(Duration::from_secs(5));
    let mount = Mount::new(limited);
    for (client, seconds) in [(None, 5), (Some("3S"), 3), (Some("1H"), 5)] {
        let start = Instant::now();
        let called = call(&mount, client, whole(&message(b""))).await;
        assert_eq!(called.refusal(), Code::DEADLINE_EXCEEDED);
        assert_eq!(start.elapsed().as_secs(), seconds, "{client:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_finished() {
    let mount = Mount::new(toy(|_, _| unreachable!("no request")));
    let (sender, body) = feed();
    sender.send(data(&message(b"hello"))).await.unwrap();
    sender.send(Err("a limit of a layer")).await.unwrap();
    assert_eq!(call(&mount, None, body).await.refusal(), Code::CANCELLED);
    // Refused at the prefix; the rest is not read.
    let (sender, body) = feed();
    sender.send(data(&[0, 255, 255, 255, 255])).await.unwrap();
    assert_eq!(
        call(&mount, None, body).await.refusal(),
        Code::RESOURCE_EXHAUSTED
    );
    assert!(sender.is_closed());
}

/// Each message of the request is answered by itself.
struct Echo(grpc_health::service::Requests);

impl Stream for Echo {
    type Item = Reply;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        let next = Pin::new(&mut self.0).poll_next(cx);
        next.map_ok(|asked| message(&asked.body).into())
    }
}

fn echo() -> Mount<impl grpc_health::service::Service> {
    let answer = |_: grpc_health::service::Head<'_>, asked| match asked {
        Asked::Many(requests) => Answer::Stream(Box::pin(Echo(requests)) as Pin<Box<_>>),
        Asked::One(_) => unreachable!("a streaming method"),
    };
    Mount::new(Toy {
        method: || Method::new(0).streaming(),
        ..toy(answer)
    })
}

#[tokio::test(start_paused = true)]
async fn a_request_of_many_messages_is_answered_as_it_comes() {
    let (sender, body) = feed();
    let two = [message(b"one"), message(b"two")].concat();
    sender.send(data(&two[..12])).await.unwrap();
    // A streaming request may take its time.
    let mut called = call(&echo(), None, body).await;
    assert_eq!(called.data().await, message(b"one"));
    assert!(called.poll().is_pending());
    tokio::time::advance(Duration::from_secs(100)).await;
    assert!(called.poll().is_pending());
    sender.send(data(&two[12..])).await.unwrap();
    sender
        .send(Ok(Frame::trailers(HeaderMap::new())))
        .await
        .unwrap();
    assert_eq!(called.data().await, message(b"two"));
    drop(sender);
    assert_eq!(called.status().await, Code::OK);
}

#[tokio::test(start_paused = true)]
async fn a_request_of_many_messages_that_breaks_off() {
    for (last, code) in [
        (Err("gone"), Code::CANCELLED),
        (data(&[0, 0, 0]), Code::INTERNAL),
        (data(&[9, 0, 0, 0, 0]), Code::INTERNAL),
    ] {
        let (sender, body) = feed();
        sender.send(data(&message(b"one"))).await.unwrap();
        sender.send(last).await.unwrap();
        drop(sender);
        let mut called = call(&echo(), None, body).await;
        assert_eq!(called.data().await, message(b"one"));
        assert_eq!(called.status().await, code);
    }
}

/// Nothing is taken from the host before the handler asks for it.
#[tokio::test(start_paused = true)]
async fn a_slow_handler_holds_the_client_back() {
    let (sender, body) = feed();
    let mut called = {
        sender.send(data(&message(b"0"))).await.unwrap();
        call(&echo(), None, body).await
    };
    for i in 1..=16 {
        sender.try_send(data(&message(&[i]))).expect("room");
    }
    assert_eq!(called.data().await, message(b"0"));
    assert_eq!(sender.capacity(), 0);
    assert_eq!(called.data().await, message(&[1]));
    assert_eq!(sender.capacity(), 1);
    drop(called);
    assert!(sender.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_one_call() {
    let request = || whole(&message(b""));
    let in_method = Mount::new(Toy {
        method: || panic!("as told"),
        ..toy(|_, _| unreachable!())
    });
    assert_eq!(
        call(&in_method, None, request()).await.refusal(),
        Code::UNKNOWN
    );
    let in_call = Mount::new(toy(|_, _| panic!("as told")));
    assert_eq!(
        call(&in_call, None, request()).await.refusal(),
        Code::UNKNOWN
    );
    let later = Mount::new(toy(|_, _| {
        Answer::Future(Box::pin(async { panic!("as told") }))
    }));
    assert_eq!(call(&later, None, request()).await.refusal(), Code::UNKNOWN);
    struct One(VecDeque<Reply>);
    impl Stream for One {
        type Item = Reply;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Reply>> {
            Poll::Ready(Some(self.0.pop_front().expect("as told")))
        }
    }
    let stream = Mount::new(toy(|_, _| {
        Answer::Stream(Box::pin(One([Ok(message(b"1").into())].into())))
    }));
    let mut called = call(&stream, None, request()).await;
    assert_eq!(called.data().await, message(b"1"));
    assert_eq!(called.status().await, Code::UNKNOWN);
}

/// Answers, and panics when it is dropped.
struct Wrong;

impl Future for Wrong {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Reply> {
        Poll::Ready(Ok(message(b"1").into()))
    }
}

impl Stream for Wrong {
    type Item = Reply;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        self.poll(cx).map(Some)
    }
}

impl Drop for Wrong {
    fn drop(&mut self) {
        panic!("as told");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_when_a_handler_is_dropped_costs_nothing() {
    let later = Mount::new(toy(|_, _| Answer::Future(Box::pin(Wrong))));
    let mut called = call(&later, None, whole(&message(b""))).await;
    assert_eq!(called.data().await, message(b"1"));
    assert_eq!(called.status().await, Code::OK);
    let stream = Mount::new(toy(|_, _| Answer::Stream(Box::pin(Wrong))));
    let mut called = call(&stream, Some("1S"), whole(&message(b""))).await;
    assert_eq!(called.data().await, message(b"1"));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(called.status().await, Code::DEADLINE_EXCEEDED);
    drop(call(&stream, None, whole(&message(b""))).await);
}

/// Panics when it is dropped, with another one of its kind.
struct Grenade(u32);

impl Drop for Grenade {
    fn drop(&mut self) {
        if let Some(left) = self.0.checked_sub(1) {
            std::panic::panic_any(Self(left));
        }
    }
}

fn throw<T>() -> T {
    std::panic::panic_any(Grenade(3))
}

#[tokio::test(start_paused = true)]
async fn the_payload_of_a_panic_costs_one_call() {
    let request = || whole(&message(b""));
    let in_method = Mount::new(Toy {
        method: throw,
        ..toy(|_, _| unreachable!())
    });
    let called = call(&in_method, None, request()).await;
    assert_eq!(called.refusal(), Code::UNKNOWN);
    let in_call = Mount::new(toy(|_, _| throw()));
    let called = call(&in_call, None, request()).await;
    assert_eq!(called.refusal(), Code::UNKNOWN);
    let later = Mount::new(toy(|_, _| Answer::Future(Box::pin(async { throw() }))));
    let called = call(&later, None, request()).await;
    assert_eq!(called.refusal(), Code::UNKNOWN);
    let given_up = Mount::new(toy(|_, _| {
        let grenade = Grenade(3);
        Answer::Future(Box::pin(async move {
            std::future::pending::<()>().await;
            drop(grenade);
            unreachable!()
        }))
    }));
    let called = call(&given_up, Some("1S"), request()).await;
    assert_eq!(called.refusal(), Code::DEADLINE_EXCEEDED);
}

#[tokio::test(start_paused = true)]
async fn calls_that_may_not_begin() {
    let of = |admit| {
        Mount::new(Toy {
            method: || Method::new(0).needs_metadata(),
            admit,
            ..toy(|_, _| unreachable!("not admitted"))
        })
    };
    let request = || whole(&message(b""));
    let full = of(|_| Err(Rejection::Unprocessed));
    assert_eq!(
        call(&full, None, request()).await.refusal(),
        Code::UNAVAILABLE
    );
    let denied = of(|head| {
        assert_eq!(head.path(), "/toy.Toy/Call");
        Err(Status::new(Code::PERMISSION_DENIED, "").into())
    });
    let called = call(&denied, None, request()).await;
    assert_eq!(called.refusal(), Code::PERMISSION_DENIED);
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_kept_until_the_call_is_over() {
    static OPEN: std::sync::Mutex<Option<Arc<()>>> = std::sync::Mutex::new(None);
    let token = Arc::new(());
    *OPEN.lock().unwrap() = Some(Arc::clone(&token));
    let (sender, stream) = replies();
    let take = once(stream);
    let mount = Mount::new(Toy {
        method: || Method::new(0).needs_metadata(),
        admit: |head| {
            if let Some(open) = OPEN.lock().unwrap().take() {
                head.keep(Permit::new(open));
            }
            Ok(Admission::Granted)
        },
        ..toy(move |_, _| Answer::Stream(Box::pin(take())))
    });
    sender.send(Ok(message(b"").into())).await.unwrap();
    let mut called = call(&mount, None, whole(&message(b""))).await;
    assert_eq!(called.data().await, message(b""));
    assert_eq!(Arc::strong_count(&token), 2);
    drop(sender);
    assert_eq!(called.status().await, Code::OK);
    // The host still has the body; the call is over.
    assert_eq!(Arc::strong_count(&token), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_cancelled() {
    // While its request is read, before it is answered, and after that.
    let (request, body) = feed();
    let mount = Mount::new(toy(|_, _| unreachable!("no request")));
    drop(tokio::time::timeout(Duration::ZERO, call(&mount, None, body)).await);
    assert!(request.is_closed());
    for begun in [false, true] {
        let (sender, stream) = replies();
        let take = once(stream);
        let mount = Mount::new(toy(move |_, _| Answer::Stream(Box::pin(take()))));
        if begun {
            sender.send(Ok(message(b"").into())).await.unwrap();
        }
        let called = call(&mount, None, whole(&message(b"")));
        let called = tokio::time::timeout(Duration::ZERO, called).await;
        assert_eq!((called.is_ok(), sender.is_closed()), (begun, !begun));
        drop(called);
        assert!(sender.is_closed());
    }
}

#[tokio::test(start_paused = true)]
async fn the_peer_is_found_in_the_extensions() {
    let answer = |head: grpc_health::service::Head<'_>, _| {
        let peer = format!("{:?}", head.peer().remote_addr);
        Answer::Now(Ok(message(peer.as_bytes()).into()))
    };
    let mut mount = Mount::new(toy(answer));
    for peer in [None, Some(std::net::SocketAddr::from(([192, 0, 2, 1], 7)))] {
        let mut request = http::Request::post("/toy.Toy/Call")
            .header("content-type", "application/grpc")
            .body(whole(&message(b"")))
            .unwrap();
        if let Some(peer) = peer {
            request.extensions_mut().insert(PeerInfo::from(peer));
        }
        let response = tower_service::Service::call(&mut mount, request).await;
        let mut called = crate::toy::Called(response.unwrap());
        assert_eq!(called.data().await, message(format!("{peer:?}").as_bytes()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_authority_is_that_of_the_uri_or_else_the_host() {
    let router = grpc_health::Router::empty().unary(
        "/t.T/U",
        |request: grpc_health::router::Request<Raw>| async move {
            let authority = format!("{:?}", request.authority());
            Ok(Raw(authority.into()).into())
        },
    );
    let mut mount = Mount::new(router);
    for (uri, host, expected) in [
        (
            "http://shop.example:81/t.T/U",
            None,
            r#"Some("shop.example:81")"#,
        ),
        (
            "http://a.example/t.T/U",
            Some("b.example"),
            r#"Some("a.example")"#,
        ),
        ("/t.T/U", Some("b.example"), r#"Some("b.example")"#),
        ("/t.T/U", None, "None"),
    ] {
        let mut request = http::Request::post(uri)
            .header("content-type", "application/grpc")
            .body(whole(&message(b"")))
            .unwrap();
        if let Some(host) = host {
            request.headers_mut().insert("host", host.parse().unwrap());
        }
        let response = tower_service::Service::call(&mut mount, request).await;
        let mut called = crate::toy::Called(response.unwrap());
        assert_eq!(called.data().await, message(expected.as_bytes()), "{uri}");
    }
}

/// An `Answer::Future` that is not ready when its deadline passes.
#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_reply_that_is_late() {
    let mount = Mount::new(toy(|_, _| Answer::Future(Box::pin(std::future::pending()))));
    let called = call(&mount, Some("7S"), whole(&message(b"")));
    let start = Instant::now();
    assert_eq!(called.await.refusal(), Code::DEADLINE_EXCEEDED);
    assert_eq!(start.elapsed().as_secs(), 7);
    // Nobody asks a service about a deadline that has passed already.
    let called = call_path(&mount, "/toy.Toy/Call", Some("0S"), whole(b"")).await;
    assert_eq!(
        crate::toy::Called(called.unwrap()).refusal(),
        Code::DEADLINE_EXCEEDED
    );
}
