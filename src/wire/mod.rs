//! The formats of gRPC over HTTP/2: parsers from bytes to values, and encoders back.
//!
//! Every function is pure: no I/O, no clock, no task, no lock. Each module
//! implements one part of [PROTOCOL-HTTP2][spec] with the verbs `parse` (or `decode` for more than a word) and `encode`. Parsers do not
//! trust their input: they return a value or an error, never panic, and allocate at most a small multiple of the input.
//!
//! | module | on the wire |
//! |---|---|
//! | [`envelope`] | the 5-byte prefix and the message behind it |
//! | [`code`] | `grpc-status` |
//! | [`status`] | `grpc-status`, `grpc-message`, `grpc-status-details-bin` |
//! | [`details`] | the messages inside `grpc-status-details-bin` |
//! | [`percent`] | the escapes of `grpc-message` |
//! | [`timeout`] | `grpc-timeout` |
//! | [`metadata`] | custom metadata, ASCII and `-bin`; reserved names |
//! | [`content_type`] | `content-type` |
//! | [`encoding`] | `grpc-encoding`, `grpc-accept-encoding` |
//! | `gzip` | a compressed message (feature `gzip`) |
//!
//! [spec]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

pub mod code;
pub mod content_type;
pub mod details;
pub mod encoding;
pub mod envelope;
#[cfg(feature = "gzip")]
pub mod gzip;
pub mod metadata;
pub mod percent;
pub(crate) mod reason;
pub mod status;
pub mod timeout;
