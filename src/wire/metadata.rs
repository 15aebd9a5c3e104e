//! Custom metadata: the header fields that gRPC leaves to applications.
//!
//! A field whose name ends in `-bin` carries bytes in base64; every other field carries printable ASCII. See [Custom-Metadata][spec] in
//! PROTOCOL-HTTP2.
//!
//! [spec]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

mod map;

pub(super) use map::FIELD_OVERHEAD;
pub use map::{InvalidMetadata, MAX_SIZE, Metadata};

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use bytes::Bytes;
use http::HeaderValue;

/// Writes no padding. Reads values whose unused last bits are not zero, as most peers do.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));

/// The reserved names of HTTP/2, of single connections and of every gRPC call, besides those that begin with `:` or `grpc-`.
const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// The rest of the `grpc-` names that gRPC itself writes.
const RESERVED_GRPC: [&str; 7] = [
    "accept-encoding",
    "encoding",
    "message",
    "message-type",
    "status",
    "status-details-bin",
    "timeout",
];

/// The value of a `-bin` field is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidBinary;

impl fmt::Display for InvalidBinary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed binary metadata")
    }
}

impl std::error::Error for InvalidBinary {}

/// Whether gRPC or HTTP/2 itself writes the field of this name, so that no application can read or send the field as metadata. Letter case
/// does not matter.
///
/// Reserved are `grpc-status`, `grpc-message`, `grpc-status-details-bin`, `grpc-timeout`, `grpc-encoding`, `grpc-accept-encoding`,
/// `grpc-message-type`, `content-type`, `te`, `host`, `content-length`, the fields of a single connection (`connection`, `keep-alive`,
/// `proxy-connection`, `transfer-encoding`, `upgrade`), and every name that begins with `:`.
///
/// Applications may read and send the other `grpc-` names that gRPC gives a meaning: `grpc-retry-pushback-ms`,
/// `grpc-previous-rpc-attempts`, `grpc-trace-bin`, `grpc-tags-bin`. Applications should not invent more `grpc-` names.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    let is_one_of =
        |reserved: &[&str], name: &str| reserved.iter().any(|one| name.eq_ignore_ascii_case(one));
    match name.split_at_checked(5) {
        Some((start, rest)) if start.eq_ignore_ascii_case("grpc-") => {
            is_one_of(&RESERVED_GRPC, rest)
        }
        _ => name.starts_with(':') || is_one_of(&RESERVED, name),
    }
}

/// Whether metadata of this name carries bytes: the name ends in `-bin`. Letter case does not matter.
#[must_use]
pub fn is_binary(name: &str) -> bool {
    let name = name.as_bytes();
    name.len()
        .checked_sub(4)
        .and_then(|at| name.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(b"-bin"))
}

/// Whether a name is valid for metadata: one or more of the characters `0-9 a-z _ - .`.
#[must_use]
pub fn is_valid_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'_' | b'-' | b'.'))
}

/// Whether a value is valid for metadata that is not binary: bytes of `0x20..=0x7E` only.
#[must_use]
pub fn is_valid_ascii_value(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Decodes one `-bin` value: base64 with or without padding.
///
/// # Errors
///
/// [`InvalidBinary`] for any other value, lists included: [`decode_binary_list`] decodes lists.
pub fn decode_binary(value: &[u8]) -> Result<Bytes, InvalidBinary> {
    let digits = strip_padding(value)?;
    BASE64
        .decode(digits)
        .map(Bytes::from)
        .map_err(|_| InvalidBinary)
}

/// Decodes a `-bin` field value that may hold several values joined with commas. Yields the values in order.
///
/// # Errors
///
/// Each item is [`InvalidBinary`] if that item is not base64, as in [`decode_binary`].
pub fn decode_binary_list(value: &[u8]) -> impl Iterator<Item = Result<Bytes, InvalidBinary>> + '_ {
    items(value).map(decode_binary)
}

/// Checks that [`decode_binary_list`] would yield no error. Does not decode or allocate.
///
/// # Errors
///
/// [`InvalidBinary`] if an item is not base64.
pub fn check_binary(value: &HeaderValue) -> Result<(), InvalidBinary> {
    items(value.as_bytes()).try_for_each(|item| {
        let digits = strip_padding(item)?;
        // A single digit in the last group holds less than a byte.
        let complete = digits.len() % 4 != 1;
        let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
        if complete && digits.iter().all(is_digit) {
            Ok(())
        } else {
            Err(InvalidBinary)
        }
    })
}

/// Encodes one `-bin` value as base64 without padding.
#[must_use]
pub fn encode_binary(value: &[u8]) -> HeaderValue {
    // Base64 is always a valid field value; the fallback keeps this total.
    HeaderValue::try_from(BASE64.encode(value)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The items of a list; proxies join with a comma, some with blanks around it.
fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// Removes the padding, if the padding completes the last group of four.
fn strip_padding(value: &[u8]) -> Result<&[u8], InvalidBinary> {
    let ([digits @ .., b'=', b'='] | [digits @ .., b'=']) = value else {
        return Ok(value);
    };
    if value.len() % 4 == 0 {
        Ok(digits)
    } else {
        Err(InvalidBinary)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(value: &[u8]) -> Result<(), InvalidBinary> {
        check_binary(&HeaderValue::from_bytes(value).unwrap())
    }

    #[test]
    fn reserved_names() {
        for name in [
            "grpc-status",
            "grpc-message",
            "grpc-timeout",
            "grpc-encoding",
            "grpc-message-type",
            "grpc-accept-encoding",
            "grpc-status-details-bin",
            "Grpc-Status",
            "content-type",
            "Content-Type",
            "te",
            ":path",
            "connection",
            "host",
        ] {
            assert!(is_reserved(name), "{name}");
        }
        for name in [
            "",
            "k",
            "grpc",
            "grpc-",
            "grpcx-a",
            "grpc-retry-pushback-ms",
            "grpc-previous-rpc-attempts",
            "grpc-trace-bin",
            "grpc-tags-bin",
            "user-agent",
            "status",
            "timeout",
            "x-grpc-test-echo-initial",
            "tea",
            "date",
            "é-x",
            "grpcé",
        ] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn binary_names() {
        for name in ["k-bin", "-bin", "K-BIN", "grpc-status-details-bin"] {
            assert!(is_binary(name), "{name}");
        }
        for name in ["", "bin", "k-bi", "k-bin2", "kbin"] {
            assert!(!is_binary(name), "{name}");
        }
    }

    #[test]
    fn valid_names_and_values() {
        for (name, valid) in [
            ("", false),
            ("a", true),
            ("a_b-c.9", true),
            ("A", false),
            ("a b", false),
            ("é", false),
        ] {
            assert_eq!(is_valid_name(name), valid, "{name:?}");
        }
        assert!(is_valid_ascii_value(b""));
        assert!(is_valid_ascii_value(b" !~"));
        for byte in [0u8, b'\t', b'\n', 0x1f, 0x7f, 0x80, 0xff] {
            assert!(!is_valid_ascii_value(&[b'a', byte]), "{byte:#x}");
        }
    }

    #[test]
    fn binary_vectors() {
        let cases: &[(&[u8], &[u8], &str)] = &[
            (b"", b"", ""),
            (b"AQI", b"AQI=", "\x01\x02"),
            (b"AQ", b"AQ==", "\x01"),
            (b"AQID", b"AQID", "\x01\x02\x03"),
            (b"Pz8/", b"Pz8/", "???"),
            (b"fn5+", b"fn5+", "~~~"),
        ];
        for (bare, padded, bytes) in cases {
            assert_eq!(decode_binary(bare).unwrap(), bytes.as_bytes());
            assert_eq!(decode_binary(padded).unwrap(), bytes.as_bytes());
            assert_eq!(check(padded), Ok(()));
            assert_eq!(encode_binary(bytes.as_bytes()).as_bytes(), *bare);
        }
        // Unused bits that are not zero.
        assert_eq!(decode_binary(b"AR").unwrap(), b"\x01"[..]);
    }

    #[test]
    fn not_base64() {
        for bad in [
            "!!", "A", "AAAAA", "=", "==", "===", "A=", "A==", "A===", "AA=", "AAA==", "AAAA=",
            "AAAA====", "AA==AA==", "A=A=", "-_-_", "A A", "AAé", " AA",
        ] {
            assert_eq!(decode_binary(bad.as_bytes()), Err(InvalidBinary), "{bad:?}");
        }
        assert_eq!(decode_binary(b"AQ,Ag"), Err(InvalidBinary));
        assert_eq!(check(b"AQ,!!"), Err(InvalidBinary));
        assert_eq!(check(b"A"), Err(InvalidBinary));
    }

    #[test]
    fn lists_keep_every_value_in_order() {
        let list = |value: &[u8]| -> Vec<Result<Bytes, InvalidBinary>> {
            decode_binary_list(value).collect()
        };
        let ok = |bytes: &'static [u8]| Ok(Bytes::from_static(bytes));
        assert_eq!(list(b"AQI"), [ok(b"\x01\x02")]);
        assert_eq!(list(b"AQ,Ag"), [ok(b"\x01"), ok(b"\x02")]);
        assert_eq!(
            list(b"AQ==, AQ==,Ag"),
            [ok(b"\x01"), ok(b"\x01"), ok(b"\x02")]
        );
        assert_eq!(list(b""), [ok(b"")]);
        assert_eq!(list(b","), [ok(b""), ok(b"")]);
        assert_eq!(
            list(b"AQ,!!,Ag"),
            [ok(b"\x01"), Err(InvalidBinary), ok(b"\x02")]
        );
    }

    proptest! {
        #[test]
        fn round_trip(bytes in any::<Vec<u8>>()) {
            let value = encode_binary(&bytes);
            prop_assert!(!value.as_bytes().contains(&b'='));
            prop_assert_eq!(decode_binary(value.as_bytes()), Ok(Bytes::from(bytes)));
            prop_assert_eq!(check_binary(&value), Ok(()));
        }

        #[test]
        fn check_agrees_with_decode(value in "[AQgw+/=, \t!é]{0,12}") {
            let decoded: Result<Vec<_>, _> = decode_binary_list(value.as_bytes()).collect();
            prop_assert_eq!(check(value.as_bytes()), decoded.map(drop));
        }
    }
}
