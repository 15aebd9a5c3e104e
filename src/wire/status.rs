//! The status with which a call ends: `grpc-status`, `grpc-message`, `grpc-status-details-bin`.
//!
//! It stands in the trailers, or in the only header block of a Trailers-Only response. See
//! [Responses][spec] in PROTOCOL-HTTP2.
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

/// The longest `grpc-message` that [`Status::encode`] writes, in bytes on the wire: peers allow as
/// little as 8 KiB for all trailers together.
pub const MAX_MESSAGE_LEN: usize = 1024;

/// The most bytes that [`Status::encode`] writes in all: names, values and 32 for each field, as HTTP/2 counts them.
///
/// A client that allows 8 KiB for a header block (C-core and Netty, unless they are told otherwise) loses code and message with a larger
/// one. 256 bytes of the 8 KiB are for what stands beside the status: `:status`, `content-type`, and the `date` of another HTTP server.
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
    /// A status without details. The message may be any text, also none.
    #[must_use]
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Bytes::new(),
            metadata: None,
        }
    }

    /// The same status with these details, usually an encoded `google.rpc.Status`; no bytes are no details.
    ///
    /// Details that do not fit are left out when the status is sent, so that code and message arrive: message, metadata and details
    /// (in base64, 4 bytes for 3) share [`MAX_TRAILERS_SIZE`]. Up to 5,070 bytes of details always fit if there is no metadata, and 414
    /// bytes beside a pushback and as much metadata as there may be. [`details_fit`](Self::details_fit) tells whether they do.
    #[must_use]
    pub fn with_details(self, details: Bytes) -> Self {
        Self { details, ..self }
    }

    /// The same status with this metadata beside it, in the trailers. What [`with_retry_pushback`](Self::with_retry_pushback) has set
    /// stays, unless `metadata` says something else of it.
    #[must_use]
    pub fn with_metadata(self, mut metadata: Metadata) -> Self {
        let pushback = self.metadata.as_deref().and_then(Metadata::retry_pushback);
        if let Some(pushback) = pushback.filter(|_| metadata.retry_pushback().is_none()) {
            metadata.set_retry_pushback(pushback.clone());
        }
        let metadata = (!metadata.is_empty()).then(|| Box::new(metadata));
        Self { metadata, ..self }
    }

    /// The same status, with which the server asks the client to try the call again after `delay` and not before:
    /// `grpc-retry-pushback-ms` in the trailers, in milliseconds, rounded up, at most 2,147,483,647 (almost 25 days).
    ///
    /// A client heeds it if its retry policy has the status's code among those to retry, and attempts are left: see
    /// [gRFC A6][spec].
    ///
    /// [spec]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback
    #[must_use]
    pub fn with_retry_pushback(self, delay: Duration) -> Self {
        let millis = delay.as_nanos().div_ceil(1_000_000);
        self.pushed_back(i32::try_from(millis).unwrap_or(i32::MAX))
    }

    /// The same status, with which the server asks the client not to try the call again, whatever the client's retry policy says:
    /// `grpc-retry-pushback-ms: -1` in the trailers. See [gRFC A6][spec].
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

    /// The metadata beside the status, if there is any. What [`parse`](Self::parse) reads has none.
    #[must_use]
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_deref()
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The message; empty if there is none.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The details; empty if there are none.
    #[must_use]
    pub fn details(&self) -> &Bytes {
        &self.details
    }

    /// Whether the details are sent: see [`with_details`](Self::with_details). True without details.
    #[must_use]
    pub fn details_fit(&self) -> bool {
        let room = room_beside(&self.encode_message());
        let metadata = self.metadata().map_or(0, |all| all.encoded_size(room));
        self.details.is_empty() || self.encode_details(room - metadata).is_some()
    }

    /// Writes the status into trailers, in place of any status that is there already, and adds its metadata.
    ///
    /// An empty message and empty details are not written. A message that takes more than
    /// [`MAX_MESSAGE_LEN`] bytes is cut short, between two characters. Details are left out that would make more than
    /// [`MAX_TRAILERS_SIZE`] bytes with all the rest.
    pub fn encode(&self, trailers: &mut HeaderMap) {
        self.encode_with(None, trailers);
    }

    /// Does what [`encode`](Self::encode) does, with this metadata if the status has none of its own.
    pub(crate) fn encode_with(&self, metadata: Option<&Metadata>, trailers: &mut HeaderMap) {
        trailers.insert(GRPC_STATUS, self.code.encode());

        let message = self.encode_message();
        let mut room = room_beside(&message);
        // Every text is a valid value once encoded; `ok` only keeps this total.
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

    /// Reads the status out of trailers. `None` if they have no `grpc-status`.
    ///
    /// A `grpc-status` that is no number is [`Code::UNKNOWN`], with a message that says so. Message
    /// and details never make it fail: see [`percent::decode`]; details that are not base64 are
    /// left out.
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

/// How many bytes of the trailers metadata and details may take beside a code and this message.
fn room_beside(message: &str) -> usize {
    let code = field_size(&GRPC_STATUS, MAX_CODE_LEN);
    MAX_TRAILERS_SIZE.saturating_sub(code + field_size(&GRPC_MESSAGE, message.len()))
}

/// What a field counts for.
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
    /// An answer whose metadata cannot be sent is `INTERNAL` (13): the client is not to blame.
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
