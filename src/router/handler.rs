//! Handlers of the four kinds (unary, server-streaming, client-streaming, bidirectional) behind one type.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use futures_core::Stream;

use super::codec::{Decode, Encode, Format};
use super::replies::{Replies, dress, watch};
use super::request::Request;
use super::response::Response;
use super::streaming::Streaming;
use crate::service::{Message, Part, Reply, RequestContext, Requests};
use crate::wire::status::Status;

pub(super) type BoxFuture = Pin<Box<dyn Future<Output = Reply> + Send>>;
pub(super) type BoxStream = Pin<Box<dyn Stream<Item = Reply> + Send>>;

/// A call on its way to its handler.
pub(super) struct Arrival {
    pub(super) context: RequestContext,
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

/// A handler of any of the four kinds.
pub(super) struct Handler(Box<dyn Fn(Arrival) -> Output + Send + Sync>);

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").finish_non_exhaustive()
    }
}

/// What a handler takes: one message, or a stream of messages.
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

/// The status when a host gives one message to a streaming method, or a stream to a method of one message.
fn mismatch() -> Status {
    use crate::wire::code::Code;
    Status::new(
        Code::INTERNAL,
        "the host gave the method the wrong kind of request",
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
        F: Fn(A, RequestContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<U>, Status>> + Send + 'static,
    {
        Self(Box::new(move |arrival| {
            let Arrival {
                context,
                format,
                input,
            } = arrival;
            let response = A::ask(input).map(|asked| handler(asked, context));
            Output::One(Box::pin(async move {
                let (message, ends) = response?.await?.split();
                let part = Part::from(format.envelope(&message)?);
                Ok(dress(part, format.encoding, ends))
            }))
        }))
    }

    /// A handler that answers with a stream of messages.
    pub(super) fn many<A, U, F, Fut, St>(handler: F) -> Self
    where
        A: Ask,
        U: Encode,
        F: Fn(A, RequestContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<St>, Status>> + Send + 'static,
        St: Stream<Item = Result<U, Status>> + Send + 'static,
    {
        Self(Box::new(move |arrival| {
            let Arrival {
                context,
                format,
                input,
            } = arrival;
            let (input, waits) = match input {
                Input::One(_) => (input, None),
                Input::Many(requests) => {
                    let (requests, waits) = watch(requests);
                    (Input::Many(requests), Some(waits))
                }
            };
            let opening = A::ask(input).map(|asked| handler(asked, context));
            Output::Many(Box::pin(Replies::new(opening, format, waits)))
        }))
    }
}

/// A handler given one message.
pub(super) fn given_one<T, R>(
    handler: impl Fn(Request<T>) -> R + Send + Sync + 'static,
) -> impl Fn(One<T>, RequestContext) -> R + Send + Sync + 'static {
    move |One(message), context| handler(Request::arrived(message, context))
}

/// A handler given a stream of messages.
pub(super) fn given_many<T, R>(
    handler: impl Fn(Request<Streaming<T>>) -> R + Send + Sync + 'static,
) -> impl Fn(Streaming<T>, RequestContext) -> R + Send + Sync + 'static {
    move |messages, context| handler(Request::arrived(messages, context))
}
