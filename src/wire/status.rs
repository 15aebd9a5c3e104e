//! The status with which a call ends: `grpc-status`, `grpc-message`, `grpc-status-details-bin`.
//!
//! It stands in the trailers, or in the only header block of a Trailers-Only response. See
//! [Responses][spec] in PROTOCOL-HTTP2.
//!
//! [spec]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses

mod constructors;

use std::borrow::Cow;
use std::fmt;

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
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Bytes::new(),
            metadata: None,
        }
    }

    /// The same status with these details, usually an encoded `google.rpc.Status`. Without bytes it
    /// has no details.
    #[must_use]
    pub fn with_details(self, details: Bytes) -> Self {
        Self { details, ..self }
    }

    /// The same status with this metadata beside it, in the trailers.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        let metadata = (!metadata.is_empty()).then(|| Box::new(metadata));
        Self { metadata, ..self }
    }

    /// The metadata beside the status, if there is any. What [`parse`](Self::parse) reads has none.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_deref()
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The message; empty if there is none.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The details; empty if there are none.
    pub fn details(&self) -> &Bytes {
        &self.details
    }

    /// Writes the status into trailers, in place of any status that is there already, and adds its metadata.
    ///
    /// An empty message and empty details are not written. A message that takes more than
    /// [`MAX_MESSAGE_LEN`] bytes is cut short, between two characters.
    pub fn encode(&self, trailers: &mut HeaderMap) {
        trailers.insert(GRPC_STATUS, self.code.encode());

        let message = percent::encode(percent::truncate(&self.message, MAX_MESSAGE_LEN));
        // Every text is a valid value once encoded; `ok` only keeps this total.
        let message = (!message.is_empty())
            .then(|| HeaderValue::from_str(&message).ok())
            .flatten();
        put(trailers, GRPC_MESSAGE, message);

        let details = (!self.details.is_empty()).then(|| metadata::encode_binary(&self.details));
        put(trailers, GRPC_STATUS_DETAILS, details);

        if let Some(metadata) = &self.metadata {
            metadata.encode(trailers);
        }
    }

    /// Reads the status out of trailers. `None` if they have no `grpc-status`.
    ///
    /// A `grpc-status` that is no number is [`Code::UNKNOWN`], with a message that says so. Message
    /// and details never make it fail: see [`percent::decode`]; details that are not base64 are
    /// left out.
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Field = (&'static str, &'static [u8]);

    fn encoded(status: &Status) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        status.encode(&mut trailers);
        trailers
    }

    fn trailers(fields: &[Field]) -> HeaderMap {
        let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap();
        fields
            .iter()
            .map(|(name, v)| (HeaderName::from_static(name), value(v)))
            .collect()
    }

    #[test]
    fn vectors() {
        let special = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
        let special_encoded = "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA \
                               and non-BMP %F0%9F%98%88%09%0A";
        let cases: [(Status, &[Field]); 4] = [
            (Status::from(Code::OK), &[("grpc-status", b"0")]),
            (
                Status::new(Code::NOT_FOUND, "unknown service"),
                &[("grpc-status", b"5"), ("grpc-message", b"unknown service")],
            ),
            (
                Status::new(Code::UNKNOWN, special),
                &[
                    ("grpc-status", b"2"),
                    ("grpc-message", special_encoded.as_bytes()),
                ],
            ),
            (
                Status::new(Code::new(99), "").with_details(Bytes::from_static(b"\x01\x02")),
                &[("grpc-status", b"99"), ("grpc-status-details-bin", b"AQI")],
            ),
        ];
        for (status, fields) in cases {
            assert_eq!(encoded(&status), trailers(fields));
            assert_eq!(Status::parse(&trailers(fields)), Some(status));
        }
    }

    #[test]
    fn encode_replaces_the_whole_of_a_former_status() {
        let mut map = encoded(&Status::new(Code::INTERNAL, "x").with_details("y".into()));
        map.insert("k", HeaderValue::from_static("v"));
        Status::from(Code::OK).encode(&mut map);
        assert_eq!(map, trailers(&[("k", b"v"), ("grpc-status", b"0")]));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        // (text, length on the wire, characters kept)
        let cases = [
            ("a".repeat(1024), 1024, 1024),
            ("a".repeat(1025), 1024, 1024),
            ("%".repeat(1000), 1023, 341),
            ("☺".repeat(1000), 1017, 113),
            (format!("a{}", "☺".repeat(1000)), 1018, 114),
            ("\0".repeat(100_000), 1023, 341),
            (format!("{} {}", "a".repeat(1023), "b"), 1023, 1023),
        ];
        for (text, len, kept) in cases {
            let map = encoded(&Status::new(Code::INTERNAL, text.clone()));
            assert_eq!(map[GRPC_MESSAGE].len(), len);
            let expected: String = text.chars().take(kept).collect();
            assert_eq!(Status::parse(&map).unwrap().message(), expected);
        }
    }

    #[test]
    fn parse_is_lenient() {
        assert_eq!(Status::parse(&HeaderMap::new()), None);
        assert_eq!(Status::parse(&trailers(&[("grpc-message", b"x")])), None);
        let status = Status::parse(&trailers(&[("grpc-status", b"\xffx")])).unwrap();
        assert_eq!(
            status,
            Status::new(Code::UNKNOWN, "malformed grpc-status: \\xffx")
        );
        let map = trailers(&[
            ("grpc-status", b"3"),
            ("grpc-message", b"%f0%"),
            ("grpc-status-details-bin", b"!!"),
        ]);
        assert_eq!(
            Status::parse(&map),
            Some(Status::new(Code::INVALID_ARGUMENT, "\u{fffd}%"))
        );
    }

    #[test]
    fn display() {
        assert_eq!(Status::from(Code::ABORTED).to_string(), "ABORTED");
        assert_eq!(
            Status::new(Code::NOT_FOUND, "no x").to_string(),
            "NOT_FOUND: no x"
        );
    }

    proptest! {
        #[test]
        fn round_trip(
            code in any::<i32>(),
            message in ".{0,80}",
            details in any::<Vec<u8>>(),
        ) {
            let status = Status::new(Code::new(code), message).with_details(details.into());
            prop_assert_eq!(Status::parse(&encoded(&status)), Some(status));
        }

        #[test]
        fn any_message_encodes_within_the_cap_and_reads_as_its_beginning(
            message in proptest::collection::vec(any::<char>(), 0..2000),
        ) {
            let message: String = message.into_iter().collect();
            let map = encoded(&Status::new(Code::UNKNOWN, message.clone()));
            prop_assert!(map.get(GRPC_MESSAGE).map_or(0, HeaderValue::len) <= MAX_MESSAGE_LEN);
            let read = Status::parse(&map).unwrap();
            prop_assert!(message.starts_with(read.message()));
        }
    }
}
