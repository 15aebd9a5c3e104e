//! The answer of a service to a call.

use bytes::Bytes;

use crate::wire::code::Code;
use crate::wire::encoding::Encoding;
use crate::wire::metadata::Metadata;
use crate::wire::status::Status;

/// One reply, or the status that ends the call.
pub type Reply = Result<Part, Status>;

/// How a service answers a call.
#[derive(Debug)]
pub enum Answer<S, F> {
    /// One reply, now: without an allocation, a future or a waker.
    Now(Reply),
    /// Any number of replies, from a stream.
    Stream(S),
    /// One reply, from a future.
    Future(F),
}

/// A part of an answer: an envelope, metadata, or both.
#[derive(Debug, Clone, Default)]
pub struct Part {
    envelope: Bytes,
    extra: Option<Box<Extra>>,
}

/// The fields that few answers need.
#[derive(Debug, Clone, Default)]
struct Extra {
    initial: Metadata,
    trailing: Metadata,
    encoding: Option<Encoding>,
}

impl Part {
    /// Adds metadata for the answer's head. A part without an envelope sends the head at once. If an earlier part has sent the head
    /// already, the metadata is lost.
    #[must_use]
    pub fn with_initial(mut self, metadata: Metadata) -> Self {
        self.extra().initial = metadata;
        self
    }

    /// Sets the metadata for the answer's trailers. The metadata replaces that of earlier parts, and the metadata of an error status
    /// replaces this metadata.
    #[must_use]
    pub fn with_trailing(mut self, metadata: Metadata) -> Self {
        self.extra().trailing = metadata;
        self
    }

    /// Sets the answer's `grpc-encoding`: how envelopes with a set compressed flag are compressed. The encoding is sent in the head.
    #[must_use]
    pub fn with_encoding(mut self, encoding: Encoding) -> Self {
        self.extra().encoding = Some(encoding);
        self
    }

    fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// The whole envelope, with its 5-byte prefix and the message; empty for a part without an envelope.
    #[must_use]
    pub const fn envelope(&self) -> &Bytes {
        &self.envelope
    }

    pub(crate) fn take_envelope(&mut self) -> Bytes {
        std::mem::take(&mut self.envelope)
    }

    /// The part's metadata and encoding for the head.
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
    /// Makes a part from a whole envelope: 5-byte prefix and message.
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

/// The status of a call whose method the service turns out not to know.
pub(crate) fn unknown_method() -> Status {
    Status::new(Code::UNIMPLEMENTED, "unknown method")
}
