//! The decoder of `HealthCheckRequest`, which holds the name of a service.

use std::borrow::Cow;

use prost::{DecodeError, Message};

use crate::proto::health::HealthCheckRequest;
use crate::wire::code::Code;
use crate::wire::status::Status;

/// The key of field 1 (`service`), length-delimited.
const SERVICE: u8 = 0x0a;

/// Decodes a `HealthCheckRequest` as prost does, but borrows the name from the one form that clients send: no bytes, or field 1 alone with
/// a length of one byte. prost decodes every other form.
pub(crate) fn decode(message: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    match message {
        [] => return Ok(Cow::Borrowed("")),
        [SERVICE, len @ 0..=0x7f, name @ ..] if name.len() == usize::from(*len) => {
            if let Ok(name) = std::str::from_utf8(name) {
                return Ok(Cow::Borrowed(name));
            }
        }
        _ => {}
    }
    HealthCheckRequest::decode(message).map(|request| Cow::Owned(request.service))
}

/// The status for a request that is not the protobuf message it should be.
pub(super) fn malformed(error: DecodeError) -> Status {
    Status::new(Code::INTERNAL, format!("malformed request: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn same_as_prost(message: &[u8]) {
        let ours = decode(message).map(Cow::into_owned);
        let prosts = HealthCheckRequest::decode(message).map(|request| request.service);
        assert_eq!(ours, prosts, "{message:02x?}");
    }

    #[test]
    fn names_of_usual_requests_are_borrowed() {
        let long = "x".repeat(0x7f);
        for name in ["", "a", "grpc.health.v1.Health", "naïve ☺", &long] {
            let message = HealthCheckRequest {
                service: name.into(),
            }
            .encode_to_vec();
            assert!(matches!(decode(&message), Ok(Cow::Borrowed(found)) if found == name));
        }
    }

    #[test]
    fn odd_requests_are_read_as_prost_reads_them() {
        let cases: &[&[u8]] = &[
            b"\x0a\x00",                                     // the empty name, spelt out
            b"\x0a\x01a\x0a\x01b",                           // the last of two wins
            b"\x0a\x81\x00a",      // a length of two bytes where one would do
            b"\x12\x01x\x0a\x01a", // an unknown field first
            b"\x0a\x01a\x18\x05",  // an unknown field last
            b"\x0a\x02\xff\xfe",   // not UTF-8
            b"\x0a\x02a",          // a name cut short
            b"\x0a\x01ab",         // a byte too many
            b"\x0a",               // a key alone
            b"\x08\x01",           // field 1 with another wire type
            b"\x13\x14",           // an unknown group
            b"\x13",               // a group without its end
            b"\x0c",               // an end without its group
            b"\x00\x00",           // field 0
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", // a varint without end
        ];
        for case in cases {
            same_as_prost(case);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_as_prost_reads_them(message in proptest::collection::vec(any::<u8>(), 0..24)) {
            same_as_prost(&message);
        }

        #[test]
        fn bytes_that_begin_like_a_request_are_read_as_prost_reads_them(
            len in any::<u8>(),
            rest in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut message = vec![SERVICE, len];
            message.extend(rest);
            same_as_prost(&message);
        }
    }
}
