//! What a service answers.

use bytes::Bytes;

use crate::wire::code::Code;
use crate::wire::encoding::Encoding;
use crate::wire::metadata::Metadata;
use crate::wire::status::Status;

/// One reply, or the status that ends the call.
pub type Reply = Result<Part, Status>;

/// How a call is answered.
#[derive(Debug)]
pub enum Answer<S, F> {
    /// At once, with one reply. This is the path without a box, a future or a waker.
    Now(Reply),
    /// With any number of replies.
    Stream(S),
    /// With one reply, later.
    Future(F),
}

/// Part of an answer: an envelope, metadata, or both.
#[derive(Debug, Clone, Default)]
pub struct Part {
    envelope: Bytes,
    extra: Option<Box<Extra>>,
}

/// What few answers have.
#[derive(Debug, Clone, Default)]
struct Extra {
    initial: Metadata,
    trailing: Metadata,
    encoding: Option<Encoding>,
}

impl Part {
    /// Metadata for the head of the answer. Without an envelope the head is sent at once. It is lost if an earlier part of the answer has
    /// sent the head.
    #[must_use]
    pub fn with_initial(mut self, metadata: Metadata) -> Self {
        self.extra().initial = metadata;
        self
    }

    /// Metadata for the trailers, in place of any that an earlier part had; an error's own metadata comes in place of it.
    #[must_use]
    pub fn with_trailing(mut self, metadata: Metadata) -> Self {
        self.extra().trailing = metadata;
        self
    }

    /// The answer's `grpc-encoding`, with which the envelopes are compressed whose flag is set. It belongs to the head.
    #[must_use]
    pub fn with_encoding(mut self, encoding: Encoding) -> Self {
        self.extra().encoding = Some(encoding);
        self
    }

    fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// The whole envelope, 5-byte prefix and body; empty if there is none.
    #[must_use]
    pub const fn envelope(&self) -> &Bytes {
        &self.envelope
    }

    pub(crate) fn take_envelope(&mut self) -> Bytes {
        std::mem::take(&mut self.envelope)
    }

    /// What the part has to say in the head.
    pub(crate) fn initial(&self) -> Option<(&Metadata, Option<Encoding>)> {
        let extra = self.extra.as_deref()?;
        Some((&extra.initial, extra.encoding))
    }

    pub(crate) const fn is_plain(&self) -> bool {
        self.extra.is_none()
    }

    pub(crate) fn into_trailing(self) -> Option<Box<Metadata>> {
        let trailing = self.extra?.trailing;
        (!trailing.is_empty()).then(|| Box::new(trailing))
    }
}

impl From<Bytes> for Part {
    /// A whole envelope: 5-byte prefix and body.
    fn from(envelope: Bytes) -> Self {
        Self {
            envelope,
            extra: None,
        }
    }
}

/// The status of a call whose handler panicked.
pub(crate) fn panicked() -> Status {
    Status::new(Code::UNKNOWN, "the handler panicked")
}

/// The status of a call whose method its service does not know after all.
pub(crate) fn unknown_method() -> Status {
    Status::new(Code::UNIMPLEMENTED, "unknown method")
}
