//! The status with which a call ends: `grpc-status`, `grpc-message`, `grpc-status-details-bin`.
//!
//! The status is in the trailers, or in the only header block of a Trailers-Only response. See [Responses][spec] in PROTOCOL-HTTP2.
//!
//! [spec]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses

mod constructors;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::code::Code;
use super::metadata::{self, InvalidMetadata, Metadata};
use super::percent;

/// The header that carries the code.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// The header that carries the message.
pub const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// The header that carries the details.
pub const GRPC_STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// The largest `grpc-message` that [`Status::encode`] writes, in bytes on the wire: peers allow as little as 8 KiB for all trailers
/// together.
pub const MAX_MESSAGE_LEN: usize = 1024;

/// The most bytes that [`Status::encode`] writes in all: names, values and 32 for each field, as HTTP/2 counts.
///
/// A client that allows 8 KiB for a header block (by default C-core and Netty) loses code and message with a larger block. 256 bytes of the
/// 8 KiB are for the other fields: `:status`, `content-type`, and the `date` of another HTTP server.
pub const MAX_TRAILERS_SIZE: usize = (8 << 10) - 256;

/// The digits of the longest code.
const MAX_CODE_LEN: usize = 10;

/// How a call ended: a [`Code`], a message for people, details for programs, and metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    code: Code,
    message: Cow<'static, str>,
    details: Bytes,
    metadata: Option<Box<Metadata>>,
}

impl Status {
    /// Makes a status without details and metadata. The message may be any text; an empty message is not sent.
    #[must_use]
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Bytes::new(),
            metadata: None,
        }
    }

    /// Replaces the status's details, usually an encoded `google.rpc.Status`. Empty details are not sent.
    ///
    /// Message, metadata and details (in base64, 4 bytes for 3) share [`MAX_TRAILERS_SIZE`]. Details that do not fit are left out when the
    /// status is sent, so that code and message arrive. Up to 5,070 bytes of details always fit without metadata, and 414 bytes next to a
    /// pushback and the most metadata. [`details_fit`](Self::details_fit) tells whether the details fit.
    #[must_use]
    pub fn with_details(self, details: Bytes) -> Self {
        Self { details, ..self }
    }

    /// Replaces the status's metadata, which is sent in the trailers. A pushback from [`with_retry_pushback`](Self::with_retry_pushback)
    /// stays unless `metadata` has a pushback of its own.
    #[must_use]
    pub fn with_metadata(self, mut metadata: Metadata) -> Self {
        let pushback = self.metadata.as_deref().and_then(Metadata::retry_pushback);
        if let Some(pushback) = pushback.filter(|_| metadata.retry_pushback().is_none()) {
            metadata.set_retry_pushback(pushback.clone());
        }
        let metadata = (!metadata.is_empty()).then(|| Box::new(metadata));
        Self { metadata, ..self }
    }

    /// Asks the client to retry the call after `delay` and not before: the trailers carry `grpc-retry-pushback-ms`, in milliseconds,
    /// rounded up, at most 2,147,483,647 (almost 25 days).
    ///
    /// The client obeys if its retry policy lists the status's code and attempts are left: see [gRFC A6][spec].
    ///
    /// [spec]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback
    #[must_use]
    pub fn with_retry_pushback(self, delay: Duration) -> Self {
        let millis = delay.as_nanos().div_ceil(1_000_000);
        self.pushed_back(i32::try_from(millis).unwrap_or(i32::MAX))
    }

    /// Asks the client not to retry the call, whatever its retry policy says: the trailers carry `grpc-retry-pushback-ms: -1`. See [gRFC
    /// A6][spec].
    ///
    /// [spec]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback
    #[must_use]
    pub fn without_retry(self) -> Self {
        self.pushed_back(-1)
    }

    fn pushed_back(mut self, millis: i32) -> Self {
        let metadata = self.metadata.get_or_insert_default();
        metadata.set_retry_pushback(HeaderValue::from(millis));
        self
    }

    /// The status's metadata; `None` without metadata. A status from [`parse`](Self::parse) has no metadata.
    #[must_use]
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_deref()
    }

    /// The status's code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The status's message for people; empty without a message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The status's details for programs; empty without details.
    #[must_use]
    pub fn details(&self) -> &Bytes {
        &self.details
    }

    /// Whether the details fit into the trailers: see [`with_details`](Self::with_details). `true` without details.
    #[must_use]
    pub fn details_fit(&self) -> bool {
        let room = room_beside(&self.encode_message());
        let metadata = self.metadata().map_or(0, |all| all.encoded_size(room));
        self.details.is_empty() || self.encode_details(room - metadata).is_some()
    }

    /// Writes the status and its metadata into trailers. Replaces any status that the trailers have.
    ///
    /// An empty message and empty details are not written. A message of more than [`MAX_MESSAGE_LEN`] bytes on the wire is cut between two
    /// characters. Details that would make more than [`MAX_TRAILERS_SIZE`] bytes in all are left out.
    pub fn encode(&self, trailers: &mut HeaderMap) {
        self.encode_with(None, trailers);
    }

    /// Does what [`encode`](Self::encode) does, with this metadata if the status has none of its own.
    pub(crate) fn encode_with(&self, metadata: Option<&Metadata>, trailers: &mut HeaderMap) {
        trailers.insert(GRPC_STATUS, self.code.encode());

        let message = self.encode_message();
        let mut room = room_beside(&message);
        // An encoded text is always a valid value; `ok` keeps this total.
        let message = (!message.is_empty())
            .then(|| HeaderValue::from_str(&message).ok())
            .flatten();
        put(trailers, GRPC_MESSAGE, message);

        if let Some(metadata) = self.metadata().or(metadata) {
            room -= metadata.encode(room, trailers);
        }
        put(trailers, GRPC_STATUS_DETAILS, self.encode_details(room));
    }

    fn encode_message(&self) -> Cow<'_, str> {
        percent::encode(percent::truncate(&self.message, MAX_MESSAGE_LEN))
    }

    /// The details, if there are any and they take no more than `room`.
    fn encode_details(&self, room: usize) -> Option<HeaderValue> {
        if self.details.is_empty() {
            return None;
        }
        let in_base64 = self.details.len().saturating_mul(4).div_ceil(3);
        let size = field_size(&GRPC_STATUS_DETAILS, in_base64);
        (size <= room).then(|| metadata::encode_binary(&self.details))
    }

    /// Reads a status out of trailers. `None` without `grpc-status`.
    ///
    /// A `grpc-status` that is not a number becomes [`Code::UNKNOWN`] with a message that says so. A malformed message is decoded as far as
    /// possible (see [`percent::decode`]). Details that are not base64 are left out.
    #[must_use]
    pub fn parse(trailers: &HeaderMap) -> Option<Self> {
        let value = trailers.get(GRPC_STATUS)?.as_bytes();
        let Some(code) = Code::parse(value) else {
            let text = format!("malformed grpc-status: {}", value.escape_ascii());
            return Some(Self::new(Code::UNKNOWN, text));
        };
        let message = trailers
            .get(GRPC_MESSAGE)
            .map_or_else(String::new, |value| percent::decode(value.as_bytes()));
        let details = trailers
            .get(GRPC_STATUS_DETAILS)
            .and_then(|value| metadata::decode_binary(value.as_bytes()).ok())
            .unwrap_or_default();
        Some(Self::new(code, message).with_details(details))
    }
}

/// How many bytes of the trailers are left for metadata and details, next to a code and this message.
fn room_beside(message: &str) -> usize {
    let code = field_size(&GRPC_STATUS, MAX_CODE_LEN);
    MAX_TRAILERS_SIZE.saturating_sub(code + field_size(&GRPC_MESSAGE, message.len()))
}

/// The size of a field, as HTTP/2 counts.
fn field_size(name: &HeaderName, value: usize) -> usize {
    (name.as_str().len() + metadata::FIELD_OVERHEAD).saturating_add(value)
}

fn put(trailers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    match value {
        Some(value) => trailers.insert(name, value),
        None => trailers.remove(name),
    };
}

impl From<Code> for Status {
    /// A status without a message.
    fn from(code: Code) -> Self {
        Self::new(code, "")
    }
}

impl From<InvalidMetadata> for Status {
    /// Makes the status of an answer whose metadata cannot be sent: `INTERNAL` (13), since the error is the server's.
    fn from(error: InvalidMetadata) -> Self {
        Self::new(Code::INTERNAL, error.to_string())
    }
}

impl fmt::Display for Status {
    /// The code's name, then the message if there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if self.message.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.message)
        }
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests;
