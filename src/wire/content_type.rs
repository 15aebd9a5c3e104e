//! `content-type`: what makes an HTTP/2 request a gRPC call.
//!
//! See [Content-Type][spec] in PROTOCOL-HTTP2.
//!
//! [spec]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

use std::fmt;

use http::HeaderValue;

/// The content type of every gRPC response.
pub const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// A content type that is not gRPC over protobuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnsupportedContentType;

impl fmt::Display for UnsupportedContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid gRPC request content-type")
    }
}

impl std::error::Error for UnsupportedContentType {}

/// Accepts `application/grpc` and `application/grpc+proto`, in any letter case and with any
/// parameters.
///
/// # Errors
///
/// [`UnsupportedContentType`] for everything else.
pub fn parse(value: &[u8]) -> Result<(), UnsupportedContentType> {
    let media_type = value
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    let accepted = media_type.eq_ignore_ascii_case(b"application/grpc")
        || media_type.eq_ignore_ascii_case(b"application/grpc+proto");
    if accepted {
        Ok(())
    } else {
        Err(UnsupportedContentType)
    }
}

/// The content type to send, [`GRPC`].
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
