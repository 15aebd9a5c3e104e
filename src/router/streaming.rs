//! The messages of a streaming request, as handlers read them.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::codec::Decode;
use crate::service::Requests;
use crate::wire::status::Status;

/// The messages of a streaming request, in their order.
///
/// It ends when the client ends its side of the call, and after an error: a message over the limit, one that cannot be decoded, or
/// [`CANCELLED`](crate::Code::CANCELLED) when the client is gone. A handler that passes the error on (`?`) ends the call as it should.
pub struct Streaming<T> {
    requests: Requests,
    failed: bool,
    messages: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").finish_non_exhaustive()
    }
}

impl<T: Decode> Streaming<T> {
    pub(super) const fn new(requests: Requests) -> Self {
        Self {
            requests,
            failed: false,
            messages: PhantomData,
        }
    }

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
        Pin::new(&mut self.requests).poll_next(cx).map(|next| {
            let message = next?.and_then(T::decode);
            self.failed = message.is_err();
            Some(message)
        })
    }
}
