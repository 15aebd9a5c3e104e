//! A service that does as a test tells it to, and a mount of it that is called without a host.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use futures_core::Stream;
use grpc_health::service::{
    Admission, Answer, Background, Head, Lifecycle, Message, Method, Rejection, Reply, Requests,
    Service, Unimplemented,
};
use grpc_health::tower::{Mount, ResponseBody};
use grpc_health::wire::envelope;
use grpc_health::{Code, Status};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use tokio::sync::mpsc;

pub(crate) type Streamed = Pin<Box<dyn Stream<Item = Reply> + Send>>;
pub(crate) type Delayed = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// The request of a call.
pub(crate) enum Asked {
    One(Message),
    Many(Requests),
}

/// `/toy.Toy/Call`, whatever that is.
pub(crate) struct Toy<F> {
    pub(crate) method: fn() -> Method,
    pub(crate) admit: fn(&mut Head<'_>) -> Result<Admission, Rejection>,
    pub(crate) answer: F,
}

/// A unary method.
pub(crate) fn toy<F>(answer: F) -> Toy<F>
where
    F: Fn(Head<'_>, Asked) -> Answer<Streamed, Delayed> + Send + Sync + 'static,
{
    Toy {
        method: || Method::new(0),
        admit: |_| Ok(Admission::Granted),
        answer,
    }
}

impl<F> Service for Toy<F>
where
    F: Fn(Head<'_>, Asked) -> Answer<Streamed, Delayed> + Send + Sync + 'static,
{
    type Stream = Streamed;
    type Future = Delayed;

    fn method(&self, path: &str) -> Result<Method, Unimplemented> {
        assert_eq!(path, "/toy.Toy/Call");
        Ok((self.method)())
    }

    fn admit(&self, head: &mut Head<'_>) -> Result<Admission, Rejection> {
        (self.admit)(head)
    }

    fn call(&self, head: Head<'_>, message: Message) -> Answer<Streamed, Delayed> {
        (self.answer)(head, Asked::One(message))
    }

    fn call_streaming(&self, head: Head<'_>, requests: Requests) -> Answer<Streamed, Delayed> {
        (self.answer)(head, Asked::Many(requests))
    }

    fn lifecycle(&self, _: Lifecycle) {}

    fn background(&self) -> Option<Background> {
        None
    }
}

/// An envelope.
pub(crate) fn message(body: &[u8]) -> Bytes {
    let mut encoded = BytesMut::new();
    envelope::encode(&mut encoded, false, body.len(), |dst| dst.put_slice(body));
    encoded.freeze()
}

/// The replies that a channel is given.
pub(crate) struct Channel(pub(crate) mpsc::Receiver<Reply>);

impl Stream for Channel {
    type Item = Reply;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        self.0.poll_recv(cx)
    }
}

/// What a request's body is made of. Its data is not in one piece, and it may not be moved.
pub(crate) struct Feed(Mutex<mpsc::Receiver<Piece>>, PhantomPinned);

pub(crate) type Piece = Result<Frame<VecDeque<u8>>, &'static str>;

pub(crate) fn data(bytes: &[u8]) -> Piece {
    let (front, back) = bytes.split_at(bytes.len() / 2);
    let mut data = VecDeque::from(back.to_vec());
    front.iter().rev().for_each(|byte| data.push_front(*byte));
    Ok(Frame::data(data))
}

pub(crate) fn feed() -> (mpsc::Sender<Piece>, Feed) {
    let (sender, receiver) = mpsc::channel(16);
    (sender, Feed(Mutex::new(receiver), PhantomPinned))
}

/// A body that is there.
pub(crate) fn whole(bytes: &[u8]) -> Feed {
    let (sender, feed) = feed();
    sender.try_send(data(bytes)).expect("room");
    feed
}

impl Body for Feed {
    type Data = VecDeque<u8>;
    type Error = &'static str;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        self.as_ref().get_ref().0.lock().unwrap().poll_recv(cx)
    }
}

/// Calls `path` with this body.
pub(crate) fn call_path<S: Service>(
    mount: &Mount<S>,
    path: &str,
    timeout: Option<&str>,
    body: Feed,
) -> impl Future<Output = Result<Response<ResponseBody<S>>, Infallible>> + use<S> {
    let mut request = Request::post(path).header("content-type", "application/grpc");
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    let request = request.body(body).expect("a request");
    tower_service::Service::call(&mut mount.clone(), request)
}

/// Calls the toy.
pub(crate) async fn call<S: Service>(
    mount: &Mount<S>,
    timeout: Option<&str>,
    body: Feed,
) -> Called<S> {
    let response = call_path(mount, "/toy.Toy/Call", timeout, body).await;
    Called(response.expect("infallible"))
}

/// An answer that has begun.
pub(crate) struct Called<S: Service>(pub(crate) Response<ResponseBody<S>>);

impl<S: Service> Called<S> {
    pub(crate) async fn frame(&mut self) -> Option<Frame<Bytes>> {
        let mut body = Pin::new(self.0.body_mut());
        let frame = poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
        frame.map(|frame| frame.expect("infallible"))
    }

    /// The next data.
    pub(crate) async fn data(&mut self) -> Bytes {
        let frame = self.frame().await.expect("a frame");
        frame.into_data().expect("data")
    }

    /// What there is when nothing more is waited for.
    pub(crate) fn poll(&mut self) -> Poll<Option<Frame<Bytes>>> {
        let body = Pin::new(self.0.body_mut());
        let polled = body.poll_frame(&mut Context::from_waker(std::task::Waker::noop()));
        polled.map(|frame| frame.map(|frame| frame.expect("infallible")))
    }

    pub(crate) async fn trailers(&mut self) -> HeaderMap {
        let frame = self.frame().await.expect("a frame");
        let trailers = frame.into_trailers().expect("trailers");
        assert!(self.0.body().is_end_stream() && self.frame().await.is_none());
        trailers
    }

    /// The status of an answer that is not in its head.
    pub(crate) async fn status(&mut self) -> Code {
        assert_eq!(Status::parse(self.0.headers()), None);
        let trailers = self.trailers().await;
        Status::parse(&trailers).expect("a status").code()
    }

    /// The status of an answer that is nothing but a head.
    pub(crate) fn refusal(&self) -> Code {
        assert!(self.0.body().is_end_stream());
        Status::parse(self.0.headers()).expect("a status").code()
    }
}
