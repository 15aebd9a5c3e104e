//! Handlers of four kinds, behind one type.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::codec::{Decode, Encode, Format};
use super::request::{Request, RequestParts, Response, Streaming};
use crate::service::{Message, Part, Reply, Requests};
use crate::wire::encoding::Encoding;
use crate::wire::metadata::Metadata;
use crate::wire::status::Status;

pub(super) type BoxFuture = Pin<Box<dyn Future<Output = Reply> + Send>>;
pub(super) type BoxStream = Pin<Box<dyn Stream<Item = Reply> + Send>>;

/// A call on its way to its handler.
pub(super) struct Arrival {
    pub(super) parts: RequestParts,
    pub(super) format: Format,
    pub(super) input: Input,
}

/// What the client sends.
pub(super) enum Input {
    One(Message),
    Many(Requests),
}

/// What the handler answers.
pub(super) enum Output {
    One(BoxFuture),
    Many(BoxStream),
}

/// A handler of any kind.
pub(super) struct Handler(Box<dyn Fn(Arrival) -> Output + Send + Sync>);

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").finish_non_exhaustive()
    }
}

/// What a handler asks for: a message, or a stream of them.
pub(super) trait Ask: Sized {
    fn ask(input: Input) -> Result<Self, Status>;
}

/// One message.
pub(super) struct One<T>(pub(super) T);

impl<T: Decode> Ask for One<T> {
    fn ask(input: Input) -> Result<Self, Status> {
        match input {
            Input::One(message) => T::decode(message).map(Self),
            Input::Many(_) => Err(mismatch()),
        }
    }
}

impl<T: Decode> Ask for Streaming<T> {
    fn ask(input: Input) -> Result<Self, Status> {
        match input {
            Input::Many(requests) => Ok(Self::new(requests)),
            Input::One(_) => Err(mismatch()),
        }
    }
}

/// A host that gives one message to a streaming method, or the other way round.
fn mismatch() -> Status {
    use crate::wire::code::Code;
    Status::new(
        Code::INTERNAL,
        "not the kind of request that the method has",
    )
}

impl Handler {
    pub(super) fn answer(&self, arrival: Arrival) -> Output {
        (self.0)(arrival)
    }

    /// A handler that answers with one message.
    pub(super) fn one<A, U, F, Fut>(handler: F) -> Self
    where
        A: Ask,
        U: Encode,
        F: Fn(A, RequestParts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<U>, Status>> + Send + 'static,
    {
        Self(Box::new(move |arrival| {
            let Arrival {
                parts,
                format,
                input,
            } = arrival;
            let response = A::ask(input).map(|asked| handler(asked, parts));
            Output::One(Box::pin(async move {
                let (message, initial, trailing) = response?.await?.into_parts();
                let part = Part::from(format.envelope(&message)?);
                Ok(dress(part, format.encoding, initial, trailing))
            }))
        }))
    }

    /// A handler that answers with a stream of messages.
    pub(super) fn many<A, U, F, Fut, St>(handler: F) -> Self
    where
        A: Ask,
        U: Encode,
        F: Fn(A, RequestParts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<St>, Status>> + Send + 'static,
        St: Stream<Item = Result<U, Status>> + Send + 'static,
    {
        Self(Box::new(move |arrival| {
            let format = arrival.format;
            Output::Many(match A::ask(arrival.input) {
                Ok(asked) => Box::pin(Opening {
                    state: State::Opening(Box::pin(handler(asked, arrival.parts))),
                    format,
                }),
                Err(status) => Box::pin(Opening::<Fut, St> {
                    state: State::Over(Some(status)),
                    format,
                }),
            })
        }))
    }
}

/// A part of an answer with its metadata, where there is any.
fn dress(part: Part, encoding: Encoding, initial: Metadata, trailing: Metadata) -> Part {
    if encoding == Encoding::Identity && initial.is_empty() && trailing.is_empty() {
        return part;
    }
    with_encoding(part, encoding)
        .with_initial(initial)
        .with_trailing(trailing)
}

/// Identity is what an answer has that says nothing.
fn with_encoding(part: Part, encoding: Encoding) -> Part {
    match encoding {
        Encoding::Identity => part,
        #[cfg(feature = "gzip")]
        Encoding::Gzip => part.with_encoding(encoding),
    }
}

/// The replies of a handler that answers with a stream: of one that is still to say so, at first.
struct Opening<Fut, St> {
    state: State<Fut, St>,
    format: Format,
}

enum State<Fut, St> {
    Opening(Pin<Box<Fut>>),
    Open(Pin<Box<St>>),
    /// But for this error. What has ended is not polled again, whoever asks.
    Over(Option<Status>),
}

impl<Fut, St, U> Opening<Fut, St>
where
    U: Encode,
    Fut: Future<Output = Result<Response<St>, Status>>,
    St: Stream<Item = Result<U, Status>>,
{
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        let format = self.format;
        match &mut self.state {
            State::Opening(opening) => {
                let (stream, initial, trailing) = ready!(opening.as_mut().poll(cx))?.into_parts();
                self.state = State::Open(Box::pin(stream));
                // The head goes out before there is a message, as the client may wait for it.
                let head = with_encoding(Part::default(), format.encoding)
                    .with_initial(initial)
                    .with_trailing(trailing);
                Poll::Ready(Some(Ok(head)))
            }
            State::Open(stream) => {
                let next = ready!(stream.as_mut().poll_next(cx)).transpose()?;
                Poll::Ready(next.map(|message| format.envelope(&message).map(Part::from)))
            }
            State::Over(status) => Poll::Ready(status.take().map(Err)),
        }
    }
}

impl<Fut, St, U> Stream for Opening<Fut, St>
where
    U: Encode,
    Fut: Future<Output = Result<Response<St>, Status>>,
    St: Stream<Item = Result<U, Status>>,
{
    type Item = Reply;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        let next = ready!(self.poll_part(cx));
        if !matches!(next, Some(Ok(_))) {
            self.state = State::Over(None);
        }
        Poll::Ready(next)
    }
}

/// A handler given one message.
pub(super) fn given_one<T, R>(
    handler: impl Fn(Request<T>) -> R + Send + Sync + 'static,
) -> impl Fn(One<T>, RequestParts) -> R + Send + Sync + 'static {
    move |One(message), parts| handler(Request::arrived(message, parts))
}

/// A handler given a stream of messages.
pub(super) fn given_many<T, R>(
    handler: impl Fn(Request<Streaming<T>>) -> R + Send + Sync + 'static,
) -> impl Fn(Streaming<T>, RequestParts) -> R + Send + Sync + 'static {
    move |messages, parts| handler(Request::arrived(messages, parts))
}
