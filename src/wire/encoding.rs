//! `grpc-encoding`: how messages whose compressed flag is set are compressed.
//!
//! See [Message-Encoding][spec] in PROTOCOL-HTTP2, and [Compression][compression].
//!
//! [spec]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
//! [compression]: https://github.com/grpc/grpc/blob/master/doc/compression.md

use http::HeaderValue;

/// The value of `grpc-accept-encoding`: every encoding that [`parse`] knows.
pub const ACCEPT: &str = "identity";

/// A message encoding that this crate can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// Not compressed. What a call without `grpc-encoding` uses.
    Identity,
}

/// Reads a `grpc-encoding` value, in any letter case. `None` if the encoding is not supported.
pub fn parse(value: &[u8]) -> Option<Encoding> {
    value
        .eq_ignore_ascii_case(b"identity")
        .then_some(Encoding::Identity)
}

/// The `grpc-encoding` value of an encoding.
pub fn encode(encoding: Encoding) -> HeaderValue {
    match encoding {
        Encoding::Identity => HeaderValue::from_static("identity"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors() {
        for value in ["identity", "Identity"] {
            assert_eq!(parse(value.as_bytes()), Some(Encoding::Identity));
        }
        for value in ["", "zz", "gzip", "deflate", "identity,gzip", "identity "] {
            assert_eq!(parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn what_is_accepted_is_what_round_trips() {
        for name in ACCEPT.split(',') {
            let encoding = parse(name.as_bytes()).unwrap();
            assert_eq!(encode(encoding), name);
        }
    }
}
