//! `grpc-encoding`: how messages whose compressed flag is set are compressed.
//!
//! See [Message-Encoding][spec] in PROTOCOL-HTTP2, and [Compression][compression].
//!
//! [spec]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
//! [compression]: https://github.com/grpc/grpc/blob/master/doc/compression.md

use std::fmt;

use bytes::Bytes;
use http::HeaderValue;

use super::code::Code;
use super::envelope::Envelope;
#[cfg(feature = "gzip")]
use super::gzip::{self, InflateError};

/// The value of `grpc-accept-encoding`: every encoding that [`parse`] knows. With feature `gzip`
/// that is `identity,gzip`.
#[cfg(not(feature = "gzip"))]
pub const ACCEPT: &str = "identity";
/// The value of `grpc-accept-encoding`: every encoding that [`parse`] knows. Without feature `gzip`
/// that is `identity` alone.
#[cfg(feature = "gzip")]
pub const ACCEPT: &str = "identity,gzip";

/// A message encoding that this crate can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// Not compressed. What a call without `grpc-encoding` uses.
    Identity,
    /// Each message is a member of [`gzip`].
    #[cfg(feature = "gzip")]
    Gzip,
}

/// Reads a `grpc-encoding` value, in any letter case. `None` if the encoding is not supported.
#[must_use]
pub fn parse(value: &[u8]) -> Option<Encoding> {
    if value.eq_ignore_ascii_case(b"identity") {
        return Some(Encoding::Identity);
    }
    #[cfg(feature = "gzip")]
    if is_gzip(value) {
        return Some(Encoding::Gzip);
    }
    None
}

/// Whether a `grpc-encoding` value names gzip, in any letter case, with feature `gzip` or without
/// it. A message whose compressed flag is 0 can be read under gzip without the feature, too.
#[must_use]
pub fn is_gzip(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"gzip")
}

/// The `grpc-encoding` value of an encoding.
#[must_use]
pub fn encode(encoding: Encoding) -> HeaderValue {
    HeaderValue::from_static(match encoding {
        Encoding::Identity => "identity",
        #[cfg(feature = "gzip")]
        Encoding::Gzip => "gzip",
    })
}

/// Whether a peer that sends this `grpc-accept-encoding` value reads an encoding.
///
/// The value is a list with commas, in any letter case. Everyone reads
/// [`Identity`](Encoding::Identity), listed or not. Of several fields, one that lists the encoding
/// is enough.
pub fn accepts(value: &[u8], encoding: Encoding) -> bool {
    let mut listed = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    encoding == Encoding::Identity || listed.any(|name| parse(name) == Some(encoding))
}

/// Why the message of an envelope cannot be read. The peer's fault, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecompressError {
    /// The compressed flag is set, but the call has no encoding to compress with.
    Identity,
    /// The message is not gzip, or too long.
    #[cfg(feature = "gzip")]
    Gzip(InflateError),
}

impl DecompressError {
    /// The code with which a call that fails like this ends.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Identity => Code::INTERNAL,
            #[cfg(feature = "gzip")]
            Self::Gzip(error) => error.code(),
        }
    }
}

impl fmt::Display for DecompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("compressed flag set with identity or empty encoding"),
            #[cfg(feature = "gzip")]
            Self::Gzip(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DecompressError {}

/// The message of an envelope, decompressed if its flag is set, in a call with this `encoding`.
///
/// `limit`, in bytes, is that of what a compressed message inflates to. What it has on the wire,
/// compressed or not, is for [`Decoder`](super::envelope::Decoder) to judge.
///
/// # Errors
///
/// If the flag is set under [`Identity`](Encoding::Identity), or what is compressed is malformed
/// or exceeds the limit.
pub fn decompress(
    envelope: Envelope,
    encoding: Encoding,
    #[cfg_attr(not(feature = "gzip"), expect(unused_variables))] limit: usize,
) -> Result<Bytes, DecompressError> {
    if !envelope.compressed {
        return Ok(envelope.message);
    }
    match encoding {
        Encoding::Identity => Err(DecompressError::Identity),
        #[cfg(feature = "gzip")]
        Encoding::Gzip => gzip::inflate(&envelope.message, limit).map_err(DecompressError::Gzip),
    }
}

/// The envelope of a message in a call whose replies have this `encoding`: compressed, unless that
/// makes the message no shorter.
///
/// The length of what is compressed tells of its content. Secrets do not belong in one message with
/// what a stranger may choose.
pub fn compress(message: Bytes, encoding: Encoding) -> Envelope {
    let compressed: Option<Bytes> = match encoding {
        Encoding::Identity => None,
        #[cfg(feature = "gzip")]
        Encoding::Gzip => Some(gzip::deflate(&message)),
    };
    match compressed.filter(|compressed| compressed.len() < message.len()) {
        Some(message) => Envelope {
            compressed: true,
            message,
        },
        None => Envelope {
            compressed: false,
            message,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(compressed: bool, message: &[u8]) -> Envelope {
        Envelope {
            compressed,
            message: Bytes::copy_from_slice(message),
        }
    }

    #[test]
    fn vectors() {
        for value in ["identity", "Identity"] {
            assert_eq!(parse(value.as_bytes()), Some(Encoding::Identity));
        }
        for value in ["", "zz", "deflate", "x-gzip", "identity,gzip", "identity "] {
            assert_eq!(parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn gzip_is_known_with_its_feature_only() {
        for value in ["gzip", "GZip"] {
            let name = parse(value.as_bytes()).map(encode);
            let expected = cfg!(feature = "gzip").then(|| HeaderValue::from_static("gzip"));
            assert_eq!(name, expected, "{value}");
            assert!(is_gzip(value.as_bytes()), "{value}");
        }
        assert!(!is_gzip(b"x-gzip") && !is_gzip(b"deflate"));
    }

    #[test]
    fn what_is_accepted_is_what_round_trips() {
        for name in ACCEPT.split(',') {
            let encoding = parse(name.as_bytes()).unwrap();
            assert_eq!(encode(encoding), name);
            assert!(accepts(ACCEPT.as_bytes(), encoding), "{name}");
        }
    }

    #[test]
    fn everyone_accepts_identity() {
        for value in ["", "gzip", "identity", ",", "\u{e9}"] {
            assert!(accepts(value.as_bytes(), Encoding::Identity), "{value}");
        }
    }

    #[cfg(feature = "gzip")]
    #[test]
    fn gzip_is_accepted_where_it_is_listed() {
        let yes = [
            "gzip",
            "GZIP",
            "identity,gzip",
            "identity, deflate, gzip",
            "gzip\t ,\tidentity",
            ",, gzip",
        ];
        for value in yes {
            assert!(accepts(value.as_bytes(), Encoding::Gzip), "{value}");
        }
        let no = [
            "",
            "identity",
            "x-gzip",
            "gzip;q=1",
            "gz ip",
            "identity gzip",
            "\u{e9}",
        ];
        for value in no {
            assert!(!accepts(value.as_bytes(), Encoding::Gzip), "{value}");
        }
    }

    #[test]
    fn what_is_not_flagged_is_as_it_was() {
        for name in ACCEPT.split(',') {
            let encoding = parse(name.as_bytes()).unwrap();
            let plain = envelope(false, b"abc");
            let place = plain.message.as_ptr();
            let message = decompress(plain, encoding, 0).unwrap();
            assert_eq!((message.as_ptr(), message.len()), (place, 3));
        }
    }

    #[test]
    fn the_flag_without_an_encoding_is_internal() {
        let error = decompress(envelope(true, b"abc"), Encoding::Identity, 10).unwrap_err();
        assert_eq!(error, DecompressError::Identity);
        assert_eq!(error.code(), Code::INTERNAL);
    }

    #[test]
    fn identity_compresses_nothing() {
        let message = Bytes::from_static(&[0; 100]);
        let plain = compress(message.clone(), Encoding::Identity);
        assert_eq!(plain, envelope(false, &message));
    }

    #[cfg(feature = "gzip")]
    #[test]
    fn gzip_compresses_what_it_makes_shorter() {
        let zeros = [0; 100];
        let short = compress(Bytes::copy_from_slice(&zeros), Encoding::Gzip);
        assert!(short.compressed && short.message.len() < 100);
        assert_eq!(
            decompress(short.clone(), Encoding::Gzip, 100),
            Ok(Bytes::copy_from_slice(&zeros))
        );
        for message in [&b""[..], b"abc"] {
            let plain = compress(Bytes::copy_from_slice(message), Encoding::Gzip);
            assert_eq!(plain, envelope(false, message));
        }

        let oversize = decompress(short, Encoding::Gzip, 99).unwrap_err();
        assert_eq!(
            oversize,
            DecompressError::Gzip(InflateError::Oversize { limit: 99 })
        );
        assert_eq!(oversize.code(), Code::RESOURCE_EXHAUSTED);
        let malformed = decompress(envelope(true, b"abc"), Encoding::Gzip, 99).unwrap_err();
        assert_eq!(malformed, DecompressError::Gzip(InflateError::Malformed));
        assert_eq!(malformed.code(), Code::INTERNAL);
    }
}
