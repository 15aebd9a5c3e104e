//! The details of a status as `google.rpc` messages, which gRPC libraries of every language understand.
//!
//! The details are in `grpc-status-details-bin`, inside a `google.rpc.Status` message that repeats the code and the message. See gRPC's
//! [richer error model][spec], and [error_details.proto][proto] for the purpose of each message.
//!
//! ```
//! use std::time::Duration;
//!
//! use grpc_health::Status;
//! use grpc_health::wire::details::{BadRequest, ErrorDetails, RetryInfo};
//!
//! let wrong = BadRequest::default().with_violation("name", "must not be empty");
//! let status = Status::invalid_argument("not a greeting").with_error_details(wrong.clone());
//! assert_eq!(status.error_details().get::<BadRequest>(), Some(wrong));
//!
//! let details = ErrorDetails::new()
//!     .with(RetryInfo::new(Duration::from_secs(2)))
//!     .with(BadRequest::default());
//! let status = Status::unavailable("busy").with_error_details(details);
//! let retry: RetryInfo = status.error_details().get().unwrap();
//! assert_eq!(retry.retry_delay(), Some(Duration::from_secs(2)));
//! ```
//!
//! Any other prost message with a [`Name`] can be a detail, too.
//!
//! [spec]: https://grpc.io/docs/guides/error/#richer-error-model
//! [proto]: https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto

mod messages;

pub use messages::{
    BadRequest, DebugInfo, ErrorInfo, FieldViolation, Help, Link, LocalizedMessage,
    PreconditionFailure, PreconditionViolation, QuotaFailure, QuotaViolation, RequestInfo,
    ResourceInfo, RetryInfo,
};

use bytes::Bytes;
use prost::{Message, Name};

use super::status::Status;

/// The prefix that peers write before a message's name in an `Any`. Peers read any other prefix, too.
const TYPE_URL: &str = "type.googleapis.com/";

/// The details of a status: messages of any type, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorDetails(Vec<Any>);

impl ErrorDetails {
    /// Makes an empty list of details.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one detail at the end.
    #[must_use]
    pub fn with<T: Name>(mut self, detail: T) -> Self {
        self.0.push(Any {
            type_url: format!("{TYPE_URL}{}", T::full_name()),
            value: detail.encode_to_vec().into(),
        });
        self
    }

    /// The first detail of this type; `None` without a readable detail of the type.
    #[must_use]
    pub fn get<T: Name + Default>(&self) -> Option<T> {
        self.get_all().next()
    }

    /// All details of this type, in order. Skips details that cannot be read.
    pub fn get_all<T: Name + Default>(&self) -> impl Iterator<Item = T> {
        let wanted = T::full_name();
        let of_type = self.0.iter().filter(move |any| any.name() == wanted);
        of_type.filter_map(|any| T::decode(any.value.clone()).ok())
    }

    /// The name of each detail's type, such as `google.rpc.BadRequest`.
    pub fn type_names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Any::name)
    }

    /// Whether there are no details.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Name> From<T> for ErrorDetails {
    /// Makes details of one message.
    fn from(detail: T) -> Self {
        Self::new().with(detail)
    }
}

impl Status {
    /// Replaces the status's details with one message, or with [several](ErrorDetails). Details that are too large are left out when the
    /// status is sent: see [`with_details`](Self::with_details).
    #[must_use]
    pub fn with_error_details(self, details: impl Into<ErrorDetails>) -> Self {
        let ErrorDetails(details) = details.into();
        let whole = RpcStatus {
            code: self.code().value(),
            message: self.message().to_owned(),
            details,
        };
        let whole = Bytes::from(whole.encode_to_vec());
        self.with_details(whole)
    }

    /// Reads the status's details, if they are an encoded `google.rpc.Status`; otherwise empty.
    #[must_use]
    pub fn error_details(&self) -> ErrorDetails {
        let whole = RpcStatus::decode(self.details().clone());
        ErrorDetails(whole.unwrap_or_default().details)
    }
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Eq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

impl Any {
    fn name(&self) -> &str {
        let name = self.type_url.rsplit_once('/');
        name.map_or(&*self.type_url, |(_, name)| name)
    }
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn details_keep_their_order_and_types() {
        let help = |url: &str| Help::default().with_link("x", url);
        let details = ErrorDetails::new()
            .with(help("a"))
            .with(ErrorInfo::new("STOLEN", "shop.example"))
            .with(help("b"));
        let status = Status::aborted("m ☺").with_error_details(details.clone());
        assert_eq!(status.error_details(), details);
        let names: Vec<_> = details.type_names().collect();
        assert_eq!(
            names,
            ["google.rpc.Help", "google.rpc.ErrorInfo", "google.rpc.Help"]
        );
        let helps: Vec<Help> = details.get_all().collect();
        assert_eq!(helps, [help("a"), help("b")]);
        assert_eq!(details.get::<RetryInfo>(), None);
        let whole = RpcStatus::decode(status.details().clone()).unwrap();
        assert_eq!((whole.code, &*whole.message), (10, "m ☺"));
    }

    #[test]
    fn what_is_no_status_has_no_details() {
        for details in [&b""[..], b"\xff", b"plain text"] {
            let status = Status::aborted("m").with_details(details.into());
            assert!(status.error_details().is_empty(), "{details:?}");
        }
        // A detail of the right name that is no such message.
        let broken = Any {
            type_url: "elsewhere/google.rpc.Help".to_owned(),
            value: Bytes::from_static(b"\xff"),
        };
        let details = ErrorDetails(vec![broken]).with(Help::default());
        assert_eq!(details.get_all::<Help>().count(), 1);
        assert_eq!(details.type_names().count(), 2);
    }

    #[test]
    fn a_retry_delay_is_a_duration_of_protobuf() {
        for delay in [
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::new(7, 999_999_999),
        ] {
            assert_eq!(RetryInfo::new(delay).retry_delay(), Some(delay));
        }
        // The longest that protobuf allows: ten thousand years.
        let longest = Duration::from_secs(315_576_000_000);
        assert_eq!(RetryInfo::new(Duration::MAX).retry_delay(), Some(longest));
        assert_eq!(RetryInfo::default().retry_delay(), None);
        // A negative delay is none.
        let negative = b"\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        let negative = RetryInfo::decode(&negative[..]).unwrap();
        assert_eq!(negative.retry_delay(), None);
    }
}
