//! `content-type`: the header that makes an HTTP/2 request a gRPC call.
//!
//! See [Content-Type][spec] in PROTOCOL-HTTP2.
//!
//! [spec]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

use std::fmt;

use http::HeaderValue;

/// The content type of gRPC over protobuf, `application/grpc`.
pub const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

const GRPC_NAME: &[u8] = b"application/grpc";

/// The content type is not gRPC's, or not gRPC over protobuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnsupportedContentType;

impl fmt::Display for UnsupportedContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid gRPC request content-type")
    }
}

impl std::error::Error for UnsupportedContentType {}

/// The subtype of protobuf. Plain `application/grpc` means the same.
const PROTO: &[u8] = b"proto";

/// Checks that a content type is `application/grpc` or `application/grpc+proto`, in any letter case and with any parameters.
///
/// # Errors
///
/// [`UnsupportedContentType`] for any other value.
pub fn parse(value: &[u8]) -> Result<(), UnsupportedContentType> {
    match parse_any(value)? {
        None => Ok(()),
        Some(_) => Err(UnsupportedContentType),
    }
}

/// Reads the subtype of `application/grpc` or `application/grpc+SUBTYPE`, in any letter case and with any parameters. `None` stands for
/// protobuf: no subtype, or `proto`.
///
/// # Errors
///
/// [`UnsupportedContentType`] for any other value, and for a subtype with characters other than letters, digits and ``!#$&^_.+-``.
pub fn parse_any(value: &[u8]) -> Result<Option<&[u8]>, UnsupportedContentType> {
    // What nearly every client sends.
    if value == GRPC_NAME {
        return Ok(None);
    }
    let media_type = value
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    let (_, subtype) = media_type
        .split_at_checked(GRPC_NAME.len())
        .filter(|(name, _)| name.eq_ignore_ascii_case(GRPC_NAME))
        .ok_or(UnsupportedContentType)?;
    match subtype {
        [] => Ok(None),
        [b'+', subtype @ ..] if subtype.eq_ignore_ascii_case(PROTO) => Ok(None),
        [b'+', subtype @ ..] if !subtype.is_empty() && subtype.iter().all(is_name) => {
            Ok(Some(subtype))
        }
        _ => Err(UnsupportedContentType),
    }
}

const fn is_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'&' | b'^' | b'_' | b'.' | b'+' | b'-'
        )
}

/// Writes a content type with a subtype from [`parse_any`], in lower case and without parameters.
pub fn encode_subtype(subtype: &[u8]) -> HeaderValue {
    let value = [GRPC_NAME, b"+", subtype].concat().to_ascii_lowercase();
    // A subtype from `parse_any` is always a valid value; the fallback keeps this total.
    HeaderValue::try_from(value).unwrap_or(GRPC)
}

/// The subtype of a content type from [`encode_subtype`].
pub fn subtype(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()?.split_once('+').map(|(_, name)| name)
}

/// The content type to send for protobuf, [`GRPC`].
#[must_use]
pub fn encode() -> HeaderValue {
    GRPC
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepted() {
        for value in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;charset=x",
            "application/grpc ; charset=utf-8; q=\"a;b\"",
            "application/grpc;",
            "application/grpc+proto;x=y",
            "Application/gRPC+Proto",
        ] {
            assert_eq!(parse(value.as_bytes()), Ok(()), "{value}");
        }
    }

    #[test]
    fn refused() {
        for value in [
            "",
            "application/json",
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpcfoo",
            "application/grpc+json",
            "application/grpc+",
            "application/grpc+protobuf",
            "application/grpc,application/grpc",
            "application/grp",
            "x;application/grpc",
            ";",
        ] {
            assert_eq!(
                parse(value.as_bytes()),
                Err(UnsupportedContentType),
                "{value}"
            );
        }
    }

    #[test]
    fn round_trip() {
        assert_eq!(encode(), "application/grpc");
        assert_eq!(parse(encode().as_bytes()), Ok(()));
    }

    #[test]
    fn subtypes_are_given_in_lower_case_and_repeated() {
        for (value, subtype) in [
            ("application/grpc", None),
            ("application/grpc+PROTO", None),
            ("application/grpc+json", Some("json")),
            ("Application/gRPC+JSON;charset=x", Some("json")),
            ("application/grpc+vnd.x-1+y", Some("vnd.x-1+y")),
        ] {
            let parsed = parse_any(value.as_bytes()).unwrap();
            let sent = parsed.map(encode_subtype);
            assert_eq!(sent.as_ref().and_then(super::subtype), subtype, "{value}");
            if let Some(sent) = sent {
                assert!(parse_any(sent.as_bytes()).unwrap().is_some(), "{value}");
            }
        }
        for value in [
            "application/grpc+",
            "application/grpc+a b",
            "application/grpc+é",
            "application/grpc-web+json",
        ] {
            assert_eq!(
                parse_any(value.as_bytes()),
                Err(UnsupportedContentType),
                "{value}"
            );
        }
    }

    proptest! {
        #[test]
        fn parameters_never_matter(bytes in any::<Vec<u8>>()) {
            prop_assert_eq!(parse(&[b"application/grpc;", &bytes[..]].concat()), Ok(()));
        }

        #[test]
        fn anything_else_is_refused(suffix in "[^; \t\n\r\x0c][a-z+;]{0,8}") {
            prop_assume!(suffix.split(';').next() != Some("+proto"));
            let value = format!("application/grpc{suffix}");
            prop_assert_eq!(parse(value.as_bytes()), Err(UnsupportedContentType));
        }
    }
}
