//! What a service is given of a request.

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
    /// The message, without its prefix and not compressed.
    pub body: Bytes,
    /// Whether it was compressed on the wire.
    pub compressed: bool,
}

/// The messages of a streaming request, in order: until the client ends its side (`None`) or the call is over (an error, and then
/// `None`).
///
/// Nothing is read before it is asked for: as long as the stream is not polled, the client runs out of its window and waits. Dropping it
/// refuses the rest of the request.
pub struct Requests(Pin<Box<dyn Stream<Item = Result<Message, Status>> + Send>>);

impl Requests {
    /// A request of these messages.
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

/// Leave to begin a call. The host keeps it until the call is over, however it ends, and drops it then. A clone is the same permit: what
/// it holds goes with the last.
///
/// A panic when that is dropped ends nothing.
#[derive(Clone)]
pub struct Permit(#[allow(dead_code, reason = "it is there to be dropped")] Arc<Token>);

struct Token(Option<Box<dyn Any + Send + Sync>>);

impl Permit {
    /// A permit that holds `token` for as long as the call lasts: one of a limited number, for example.
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

/// Why a call may not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// It is answered with this status.
    Status(Status),
    /// It is treated as if it had never come: the stream is reset with `REFUSED_STREAM`, which clients take as leave to try again at once,
    /// elsewhere or here, whatever the method does. A host that cannot reset a stream answers `UNAVAILABLE` (14).
    Unprocessed,
}

impl From<Status> for Rejection {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}
