//! The request as a service is given it.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;

use super::contain::contain;
use crate::wire::status::Status;

/// One message of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The message, uncompressed and without its 5-byte prefix.
    pub body: Bytes,
    /// Whether the message was compressed on the wire.
    pub compressed: bool,
}

/// The messages of a streaming request, in the client's order. The stream ends with `None` when the client ends its side, or with an error
/// and then `None` when the call is over.
///
/// The host reads a message only when the stream is polled: while nobody polls, the client uses its window up and waits. Dropping the
/// stream refuses the rest of the request.
pub struct Requests(Pin<Box<dyn Stream<Item = Result<Message, Status>> + Send>>);

impl Requests {
    /// Makes the messages of a request from a stream.
    pub fn new(messages: impl Stream<Item = Result<Message, Status>> + Send + 'static) -> Self {
        Self(Box::pin(messages))
    }
}

impl Stream for Requests {
    type Item = Result<Message, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").finish_non_exhaustive()
    }
}

/// Keeps a value until a call is over, such as one place of a limited number. The host drops the permit when the call ends, however the
/// call ends. The value is dropped with the last clone of the permit.
///
/// A panic while the value is dropped is caught.
#[derive(Clone)]
pub struct Permit(#[allow(dead_code, reason = "it is there to be dropped")] Arc<Token>);

struct Token(Option<Box<dyn Any + Send + Sync>>);

impl Permit {
    /// Makes a permit that keeps `token` for as long as the call lasts.
    pub fn new(token: impl Any + Send + Sync) -> Self {
        Self(Arc::new(Token(Some(Box::new(token)))))
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let token = self.0.take();
        let _ = contain(|| drop(token));
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

/// How a host refuses a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The host answers the call with this status.
    Status(Status),
    /// The host treats the call as if it had never arrived: the host resets the stream with `REFUSED_STREAM`, and clients retry the call at
    /// once, on this server or another, whatever the method does. A host that cannot reset a stream answers `UNAVAILABLE` (14).
    Unprocessed,
}

impl From<Status> for Rejection {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}
