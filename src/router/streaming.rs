//! The messages of a streaming request, as handlers read them.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::codec::Decode;
use super::response::BoxStream;
use crate::service::Requests;
use crate::wire::status::Status;

/// The messages of a client-streaming or bidirectional request, in the client's order.
///
/// The stream ends when the client ends its side of the call, and after an error. Errors are a message over the limit, a message that
/// cannot be decoded, and [`CANCELLED`](crate::Code::CANCELLED) when the client is gone. A handler that returns the error (`?`) ends the
/// call with the right status.
///
/// A test makes a `Streaming` from [a stream](Self::from_stream) or an iterator, of messages or of results:
///
/// ```
/// use grpc_health::router::{Raw, Request, Response, Streaming};
/// use grpc_health::Status;
///
/// async fn count(request: Request<Streaming<Raw>>) -> Result<Response<Raw>, Status> {
///     let (mut messages, mut bytes) = (request.into_inner(), 0);
///     while let Some(Raw(message)) = messages.message().await? {
///         bytes += message.len();
///     }
///     Ok(Raw(bytes.to_string().into()).into())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Status> {
/// let messages = ["a", "bc"].map(|text| Raw(text.into()));
/// let response = count(Request::new(Streaming::from_iter(messages))).await?;
/// assert_eq!(response.get_ref().0, "3");
///
/// let gone = Status::cancelled("the client has gone");
/// let messages = [Ok(Raw("a".into())), Err(gone.clone())];
/// assert_eq!(count(Request::new(Streaming::from_iter(messages))).await, Err(gone));
/// # Ok(())
/// # }
/// ```
pub struct Streaming<T> {
    source: Source<T>,
    failed: bool,
}

/// Where the messages come from.
enum Source<T> {
    Client(Requests),
    Given(BoxStream<T>),
}

impl<T> fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").finish_non_exhaustive()
    }
}

impl<T> Streaming<T> {
    pub(super) const fn new(requests: Requests) -> Self {
        Self {
            source: Source::Client(requests),
            failed: false,
        }
    }

    /// Makes the messages of a request from `stream`, up to its end or its first error. Meant for tests of handlers. If `stream` is the
    /// receiver of a channel, the test can send a message after it has seen a reply.
    #[must_use]
    pub fn from_stream(stream: impl Stream<Item = Result<T, Status>> + Send + 'static) -> Self {
        Self {
            source: Source::Given(Box::pin(stream)),
            failed: false,
        }
    }
}

impl<T: Decode> Streaming<T> {
    /// Waits for the next message. Returns `None` after the client has ended its side of the call.
    ///
    /// # Errors
    ///
    /// The status with which the handler should end the call. No message follows an error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no message.
    pub async fn message(&mut self) -> Result<Option<T>, Status> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx))
            .await
            .transpose()
    }
}

impl<T: Decode> Stream for Streaming<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let next = match &mut self.source {
            Source::Client(requests) => Pin::new(requests)
                .poll_next(cx)
                .map(|next| next.map(|message| message.and_then(T::decode))),
            Source::Given(stream) => stream.as_mut().poll_next(cx),
        };
        next.map(|next| {
            self.failed = matches!(next, Some(Err(_)));
            next
        })
    }
}

/// The messages of a request, from an iterator of messages. Meant for tests of handlers.
impl<T: Send + 'static> FromIterator<T> for Streaming<T> {
    fn from_iter<I: IntoIterator<Item = T>>(messages: I) -> Self {
        messages.into_iter().map(Ok).collect()
    }
}

/// The messages of a request, from an iterator of results, up to the first error. Meant for tests of handlers.
impl<T: Send + 'static> FromIterator<Result<T, Status>> for Streaming<T> {
    fn from_iter<I: IntoIterator<Item = Result<T, Status>>>(messages: I) -> Self {
        Self::from_stream(Listed(messages.into_iter().collect()))
    }
}

/// A stream of items that are all known already.
struct Listed<T>(VecDeque<T>);

impl<T> Unpin for Listed<T> {}

impl<T> Stream for Listed<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready(self.0.pop_front())
    }
}
