//! `grpc-status`: the code with which a call ends.
//!
//! See [Status codes and their use in gRPC][spec].
//!
//! [spec]: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md

use std::fmt;

use http::HeaderValue;

/// A gRPC status code.
///
/// The set is open: a code that this crate does not know is kept and passed on. See [Status codes and their use in gRPC][spec].
///
/// [spec]: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(i32);

/// The standard codes' names and `grpc-status` values, at the index of the code's number.
static TABLE: [(&str, HeaderValue); 17] = [
    ("OK", HeaderValue::from_static("0")),
    ("CANCELLED", HeaderValue::from_static("1")),
    ("UNKNOWN", HeaderValue::from_static("2")),
    ("INVALID_ARGUMENT", HeaderValue::from_static("3")),
    ("DEADLINE_EXCEEDED", HeaderValue::from_static("4")),
    ("NOT_FOUND", HeaderValue::from_static("5")),
    ("ALREADY_EXISTS", HeaderValue::from_static("6")),
    ("PERMISSION_DENIED", HeaderValue::from_static("7")),
    ("RESOURCE_EXHAUSTED", HeaderValue::from_static("8")),
    ("FAILED_PRECONDITION", HeaderValue::from_static("9")),
    ("ABORTED", HeaderValue::from_static("10")),
    ("OUT_OF_RANGE", HeaderValue::from_static("11")),
    ("UNIMPLEMENTED", HeaderValue::from_static("12")),
    ("INTERNAL", HeaderValue::from_static("13")),
    ("UNAVAILABLE", HeaderValue::from_static("14")),
    ("DATA_LOSS", HeaderValue::from_static("15")),
    ("UNAUTHENTICATED", HeaderValue::from_static("16")),
];

impl Code {
    /// The call succeeded.
    pub const OK: Self = Self(0);
    /// The caller cancelled the call.
    pub const CANCELLED: Self = Self(1);
    /// An error without a better code. A handler's panic has this code.
    pub const UNKNOWN: Self = Self(2);
    /// The request is wrong, whatever the state of the system.
    pub const INVALID_ARGUMENT: Self = Self(3);
    /// The deadline passed before the call was complete.
    pub const DEADLINE_EXCEEDED: Self = Self(4);
    /// The requested entity does not exist.
    pub const NOT_FOUND: Self = Self(5);
    /// The entity to create exists already.
    pub const ALREADY_EXISTS: Self = Self(6);
    /// The caller is known, and lacks the permission.
    pub const PERMISSION_DENIED: Self = Self(7);
    /// A quota, a limit or a size was exceeded.
    pub const RESOURCE_EXHAUSTED: Self = Self(8);
    /// The system is not in the state that the call needs.
    pub const FAILED_PRECONDITION: Self = Self(9);
    /// The call lost against a concurrent call.
    pub const ABORTED: Self = Self(10);
    /// The call went past the valid range.
    pub const OUT_OF_RANGE: Self = Self(11);
    /// The method does not exist or is not supported.
    pub const UNIMPLEMENTED: Self = Self(12);
    /// An invariant is broken, or the peer broke the protocol.
    pub const INTERNAL: Self = Self(13);
    /// The service cannot be reached now; a retry may succeed.
    pub const UNAVAILABLE: Self = Self(14);
    /// Data was lost for good.
    pub const DATA_LOSS: Self = Self(15);
    /// The caller is not authenticated.
    pub const UNAUTHENTICATED: Self = Self(16);

    /// Makes the code of this number. A negative number becomes [`UNKNOWN`](Self::UNKNOWN), since `grpc-status` cannot carry negative
    /// numbers.
    #[must_use]
    pub const fn new(value: i32) -> Self {
        if value < 0 {
            Self::UNKNOWN
        } else {
            Self(value)
        }
    }

    /// The code's number, never negative.
    #[must_use]
    pub const fn value(self) -> i32 {
        self.0
    }

    /// The code's name in the specification, such as `NOT_FOUND`; `UNKNOWN_CODE` for a number without a name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().map_or("UNKNOWN_CODE", |(name, _)| name)
    }

    /// Reads a `grpc-status` value: decimal digits only, up to `i32::MAX`. `None` for any other value.
    pub fn parse(value: &[u8]) -> Option<Self> {
        if value.is_empty() {
            return None;
        }
        value
            .iter()
            .try_fold(0i32, |number, &byte| {
                let digit = byte.is_ascii_digit().then(|| i32::from(byte - b'0'))?;
                number.checked_mul(10)?.checked_add(digit)
            })
            .map(Self)
    }

    /// Writes the `grpc-status` value: decimal, without leading zeros. Does not allocate for the standard codes.
    #[must_use]
    pub fn encode(self) -> HeaderValue {
        self.entry()
            .map_or_else(|| HeaderValue::from(self.0), |(_, value)| value.clone())
    }

    /// The code that a client infers from the HTTP status of a response without `grpc-status`. Servers never send a code inferred like
    /// this. See [HTTP to gRPC status code mapping][spec].
    ///
    /// [spec]: https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
    #[must_use]
    pub const fn from_http_status(status: u16) -> Self {
        match status {
            400 | 431 => Self::INTERNAL,
            401 => Self::UNAUTHENTICATED,
            403 => Self::PERMISSION_DENIED,
            404 => Self::UNIMPLEMENTED,
            429 | 502 | 503 | 504 => Self::UNAVAILABLE,
            _ => Self::UNKNOWN,
        }
    }

    /// The code that a client infers from the error code of a RST_STREAM frame. An error code that gRPC does not map becomes
    /// [`UNKNOWN`](Self::UNKNOWN). See [Errors][spec] in PROTOCOL-HTTP2.
    ///
    /// [spec]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors
    #[must_use]
    pub const fn from_h2_reason(reason: u32) -> Self {
        match reason {
            // NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT,
            // FRAME_SIZE_ERROR, COMPRESSION_ERROR, CONNECT_ERROR
            0x0 | 0x1 | 0x2 | 0x3 | 0x4 | 0x6 | 0x9 | 0xa => Self::INTERNAL,
            // REFUSED_STREAM
            0x7 => Self::UNAVAILABLE,
            // CANCEL
            0x8 => Self::CANCELLED,
            // ENHANCE_YOUR_CALM
            0xb => Self::RESOURCE_EXHAUSTED,
            // INADEQUATE_SECURITY
            0xc => Self::PERMISSION_DENIED,
            // STREAM_CLOSED: no stream is left to report to. HTTP_1_1_REQUIRED is not mapped.
            _ => Self::UNKNOWN,
        }
    }

    fn entry(self) -> Option<&'static (&'static str, HeaderValue)> {
        usize::try_from(self.0)
            .ok()
            .and_then(|index| TABLE.get(index))
    }
}

impl From<i32> for Code {
    /// Does what [`Code::new`] does.
    fn from(value: i32) -> Self {
        Self::new(value)
    }
}

impl From<Code> for i32 {
    fn from(code: Code) -> Self {
        code.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self.entry() {
            Some(_) => Ok(()),
            None => write!(f, "({})", self.0),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_seventeen_codes() {
        let codes = [
            (Code::OK, 0, "OK"),
            (Code::CANCELLED, 1, "CANCELLED"),
            (Code::UNKNOWN, 2, "UNKNOWN"),
            (Code::INVALID_ARGUMENT, 3, "INVALID_ARGUMENT"),
            (Code::DEADLINE_EXCEEDED, 4, "DEADLINE_EXCEEDED"),
            (Code::NOT_FOUND, 5, "NOT_FOUND"),
            (Code::ALREADY_EXISTS, 6, "ALREADY_EXISTS"),
            (Code::PERMISSION_DENIED, 7, "PERMISSION_DENIED"),
            (Code::RESOURCE_EXHAUSTED, 8, "RESOURCE_EXHAUSTED"),
            (Code::FAILED_PRECONDITION, 9, "FAILED_PRECONDITION"),
            (Code::ABORTED, 10, "ABORTED"),
            (Code::OUT_OF_RANGE, 11, "OUT_OF_RANGE"),
            (Code::UNIMPLEMENTED, 12, "UNIMPLEMENTED"),
            (Code::INTERNAL, 13, "INTERNAL"),
            (Code::UNAVAILABLE, 14, "UNAVAILABLE"),
            (Code::DATA_LOSS, 15, "DATA_LOSS"),
            (Code::UNAUTHENTICATED, 16, "UNAUTHENTICATED"),
        ];
        for (code, value, name) in codes {
            assert_eq!(code.value(), value);
            assert_eq!(code, Code::new(value));
            assert_eq!(code.name(), name);
            assert_eq!(code.to_string(), name);
            assert_eq!(format!("{code:?}"), format!("{name}({value})"));
            assert_eq!(code.encode(), value.to_string());
            assert_eq!(Code::parse(value.to_string().as_bytes()), Some(code));
        }
    }

    #[test]
    fn an_unknown_code_survives_and_prints() {
        let code = Code::parse(b"17").unwrap();
        assert_eq!(code.value(), 17);
        assert_eq!(code.name(), "UNKNOWN_CODE");
        assert_eq!(code.to_string(), "UNKNOWN_CODE(17)");
        assert_eq!(code.encode(), "17");
    }

    #[test]
    fn a_negative_number_is_unknown() {
        assert_eq!(Code::new(-1), Code::UNKNOWN);
        assert_eq!(Code::from(i32::MIN), Code::UNKNOWN);
    }

    #[test]
    fn parse_takes_digits_only() {
        // The grammar is 1*DIGIT, so leading zeros are read, though never written.
        assert_eq!(Code::parse(b"007"), Some(Code::PERMISSION_DENIED));
        assert_eq!(Code::parse(b"2147483647"), Some(Code::new(i32::MAX)));
        for bad in [
            "",
            " 0",
            "0 ",
            "+1",
            "-1",
            "1.0",
            "0x1",
            "OK",
            "2147483648",
            "99999999999",
        ] {
            assert_eq!(Code::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn http_statuses() {
        let mapped = [
            (400, Code::INTERNAL),
            (401, Code::UNAUTHENTICATED),
            (403, Code::PERMISSION_DENIED),
            (404, Code::UNIMPLEMENTED),
            (429, Code::UNAVAILABLE),
            (431, Code::INTERNAL),
            (502, Code::UNAVAILABLE),
            (503, Code::UNAVAILABLE),
            (504, Code::UNAVAILABLE),
        ];
        for status in 0..=u16::MAX {
            let expected = mapped
                .iter()
                .find(|(known, _)| *known == status)
                .map_or(Code::UNKNOWN, |(_, code)| *code);
            assert_eq!(Code::from_http_status(status), expected, "{status}");
        }
    }

    #[test]
    fn h2_reasons() {
        let expected = [
            Code::INTERNAL,           // NO_ERROR
            Code::INTERNAL,           // PROTOCOL_ERROR
            Code::INTERNAL,           // INTERNAL_ERROR
            Code::INTERNAL,           // FLOW_CONTROL_ERROR
            Code::INTERNAL,           // SETTINGS_TIMEOUT
            Code::UNKNOWN,            // STREAM_CLOSED
            Code::INTERNAL,           // FRAME_SIZE_ERROR
            Code::UNAVAILABLE,        // REFUSED_STREAM
            Code::CANCELLED,          // CANCEL
            Code::INTERNAL,           // COMPRESSION_ERROR
            Code::INTERNAL,           // CONNECT_ERROR
            Code::RESOURCE_EXHAUSTED, // ENHANCE_YOUR_CALM
            Code::PERMISSION_DENIED,  // INADEQUATE_SECURITY
            Code::UNKNOWN,            // HTTP_1_1_REQUIRED
            Code::UNKNOWN,            // unassigned
        ];
        for (reason, code) in (0..).zip(expected) {
            assert_eq!(Code::from_h2_reason(reason), code, "{reason}");
        }
        assert_eq!(Code::from_h2_reason(u32::MAX), Code::UNKNOWN);
    }

    proptest! {
        #[test]
        fn round_trip(value in 0..=i32::MAX) {
            let code = Code::new(value);
            prop_assert_eq!(Code::parse(code.encode().as_bytes()), Some(code));
        }

        #[test]
        fn parse_agrees_with_the_standard_library(text in "[0-9]{1,12}") {
            prop_assert_eq!(Code::parse(text.as_bytes()).map(Code::value), text.parse().ok());
        }
    }
}
