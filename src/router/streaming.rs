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

/// The messages of a streaming request, in their order.
///
/// It ends when the client ends its side of the call, and after an error: a message over the limit, one that cannot be decoded, or
/// [`CANCELLED`](crate::Code::CANCELLED) when the client is gone. A handler that passes the error on (`?`) ends the call as it should.
///
/// A test makes one [of a stream](Self::from_stream) or of an iterator, of messages or of results:
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

    /// A request of the messages that `stream` gives, until it ends or gives an error: what a test hands to a handler. The receiver of a
    /// channel, for example, lets the test send a message after it has seen a reply.
    #[must_use]
    pub fn from_stream(stream: impl Stream<Item = Result<T, Status>> + Send + 'static) -> Self {
        Self {
            source: Source::Given(Box::pin(stream)),
            failed: false,
        }
    }
}

impl<T: Decode> Streaming<T> {
    /// The next message; `None` at the end.
    ///
    /// # Errors
    ///
    /// The status with which the call is to end. There is nothing after it.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has taken no message.
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

/// A request of these messages.
impl<T: Send + 'static> FromIterator<T> for Streaming<T> {
    fn from_iter<I: IntoIterator<Item = T>>(messages: I) -> Self {
        messages.into_iter().map(Ok).collect()
    }
}

/// A request of these messages, up to the first error.
impl<T: Send + 'static> FromIterator<Result<T, Status>> for Streaming<T> {
    fn from_iter<I: IntoIterator<Item = Result<T, Status>>>(messages: I) -> Self {
        Self::from_stream(Listed(messages.into_iter().collect()))
    }
}

/// Items that are there already.
struct Listed<T>(VecDeque<T>);

impl<T> Unpin for Listed<T> {}

impl<T> Stream for Listed<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready(self.0.pop_front())
    }
}
