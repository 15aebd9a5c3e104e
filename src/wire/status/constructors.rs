//! A constructor for each of the standard codes.

use std::borrow::Cow;

use super::Status;
use crate::wire::code::Code;

impl Status {
    /// Makes a status of code [`OK`](Code::OK) (0) without a message: the call succeeded.
    ///
    /// A handler's stream that knows its trailers only at its end puts this status into an `Err` as its last item:
    ///
    /// ```
    /// use grpc_health::Status;
    /// use grpc_health::router::{Metadata, Raw};
    ///
    /// fn end(sum: u64) -> Result<Raw, Status> {
    ///     let mut trailers = Metadata::new();
    ///     trailers.append("sum", &sum.to_string())?;
    ///     Err(Status::ok().with_metadata(trailers))
    /// }
    /// assert_eq!(end(3).unwrap_err().metadata().unwrap().get("sum"), Some("3"));
    /// ```
    #[must_use]
    pub fn ok() -> Self {
        Self::from(Code::OK)
    }

    /// A status of code [`CANCELLED`](Code::CANCELLED) (1): the caller cancelled the call.
    #[must_use]
    pub fn cancelled(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::CANCELLED, message)
    }

    /// A status of code [`UNKNOWN`](Code::UNKNOWN) (2): an error without a better code.
    #[must_use]
    pub fn unknown(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::UNKNOWN, message)
    }

    /// A status of code [`INVALID_ARGUMENT`](Code::INVALID_ARGUMENT) (3): the request is wrong, whatever the state of the system.
    #[must_use]
    pub fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::INVALID_ARGUMENT, message)
    }

    /// A status of code [`DEADLINE_EXCEEDED`](Code::DEADLINE_EXCEEDED) (4): the deadline passed before the call was complete.
    #[must_use]
    pub fn deadline_exceeded(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::DEADLINE_EXCEEDED, message)
    }

    /// A status of code [`NOT_FOUND`](Code::NOT_FOUND) (5): the requested entity does not exist.
    #[must_use]
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::NOT_FOUND, message)
    }

    /// A status of code [`ALREADY_EXISTS`](Code::ALREADY_EXISTS) (6): the entity to create exists already.
    #[must_use]
    pub fn already_exists(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::ALREADY_EXISTS, message)
    }

    /// A status of code [`PERMISSION_DENIED`](Code::PERMISSION_DENIED) (7): the caller is known, and lacks the permission.
    #[must_use]
    pub fn permission_denied(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::PERMISSION_DENIED, message)
    }

    /// A status of code [`RESOURCE_EXHAUSTED`](Code::RESOURCE_EXHAUSTED) (8): a quota, a limit or a size was exceeded.
    #[must_use]
    pub fn resource_exhausted(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::RESOURCE_EXHAUSTED, message)
    }

    /// A status of code [`FAILED_PRECONDITION`](Code::FAILED_PRECONDITION) (9): the system is not in the state that the call needs.
    #[must_use]
    pub fn failed_precondition(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::FAILED_PRECONDITION, message)
    }

    /// A status of code [`ABORTED`](Code::ABORTED) (10): the call lost against a concurrent call.
    #[must_use]
    pub fn aborted(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::ABORTED, message)
    }

    /// A status of code [`OUT_OF_RANGE`](Code::OUT_OF_RANGE) (11): the call went past the valid range.
    #[must_use]
    pub fn out_of_range(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::OUT_OF_RANGE, message)
    }

    /// A status of code [`UNIMPLEMENTED`](Code::UNIMPLEMENTED) (12): the method does not exist or is not supported.
    #[must_use]
    pub fn unimplemented(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::UNIMPLEMENTED, message)
    }

    /// A status of code [`INTERNAL`](Code::INTERNAL) (13): an invariant of the server is broken.
    #[must_use]
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::INTERNAL, message)
    }

    /// A status of code [`UNAVAILABLE`](Code::UNAVAILABLE) (14): the service cannot be reached now; a retry may succeed.
    #[must_use]
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::UNAVAILABLE, message)
    }

    /// A status of code [`DATA_LOSS`](Code::DATA_LOSS) (15): data was lost for good.
    #[must_use]
    pub fn data_loss(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::DATA_LOSS, message)
    }

    /// A status of code [`UNAUTHENTICATED`](Code::UNAUTHENTICATED) (16): the caller is not authenticated.
    #[must_use]
    pub fn unauthenticated(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::UNAUTHENTICATED, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standard_code_has_a_constructor() {
        let made = [
            Status::ok(),
            Status::cancelled("m"),
            Status::unknown("m"),
            Status::invalid_argument("m"),
            Status::deadline_exceeded("m"),
            Status::not_found("m"),
            Status::already_exists("m"),
            Status::permission_denied("m"),
            Status::resource_exhausted("m"),
            Status::failed_precondition("m"),
            Status::aborted("m"),
            Status::out_of_range("m"),
            Status::unimplemented("m"),
            Status::internal("m"),
            Status::unavailable("m"),
            Status::data_loss("m"),
            Status::unauthenticated("m"),
        ];
        for (value, status) in (0..).zip(made) {
            assert_eq!(status.code(), Code::new(value));
            assert_eq!(status.message(), if value == 0 { "" } else { "m" });
        }
        assert_eq!(Status::not_found(format!("no {}", 1)).message(), "no 1");
    }
}
