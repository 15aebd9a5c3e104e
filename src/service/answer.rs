//! What a service answers.

use bytes::Bytes;

use crate::wire::code::Code;
use crate::wire::status::Status;

/// One reply: a whole envelope (5-byte prefix and body), or the status that ends the call.
pub type Reply = Result<Bytes, Status>;

/// How a call is answered.
#[derive(Debug)]
pub enum Answer<S, F> {
    /// At once, with one reply. This is the path without a box, a future or a waker.
    Now(Reply),
    /// With any number of replies.
    Stream(S),
    /// With one reply, later.
    Later(F),
}

/// The status of a call whose handler panicked.
pub(crate) fn panicked() -> Status {
    Status::new(Code::UNKNOWN, "the handler panicked")
}
