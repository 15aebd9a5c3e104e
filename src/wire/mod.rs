//! What gRPC writes on HTTP/2: bytes and strings in, values out.
//!
//! Everything here is pure: no I/O, no clock, no task, no lock. Each file is one thing of
//! [PROTOCOL-HTTP2][spec], with the same two verbs, `parse` (`decode` for what is more than a
//! word) and `encode`. Parsers treat what they read as hostile: they return a value or an error,
//! never panic, and allocate no more than a small multiple of what they were given.
//!
//! | module | on the wire |
//! |---|---|
//! | [`envelope`] | the 5-byte prefix and the message behind it |
//! | [`code`] | `grpc-status` |
//! | [`status`] | `grpc-status`, `grpc-message`, `grpc-status-details-bin` |
//! | [`details`] | what is within `grpc-status-details-bin` |
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
pub mod status;
pub mod timeout;
