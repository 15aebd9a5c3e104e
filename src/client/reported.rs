//! The status that a server reports for a service.

use std::fmt;

use crate::proto::health::health_check_response::ServingStatus;

/// The serving status that a server reported.
///
/// The set is open, as proto3 enums are: a number without a name in this crate is kept, and means that the service is not serving.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReportedStatus(i32);

impl ReportedStatus {
    /// The server does not know the service's status.
    pub const UNKNOWN: Self = Self(ServingStatus::Unknown as i32);
    /// The service accepts calls.
    pub const SERVING: Self = Self(ServingStatus::Serving as i32);
    /// The service does not accept calls at the moment.
    pub const NOT_SERVING: Self = Self(ServingStatus::NotServing as i32);
    /// The server has no service of this name at the moment. Only [`watch`](super::Client::watch) reports this status.
    pub const SERVICE_UNKNOWN: Self = Self(ServingStatus::ServiceUnknown as i32);

    /// Makes the status of this number in `health.proto`.
    #[must_use]
    pub const fn new(value: i32) -> Self {
        Self(value)
    }

    /// The status's number in `health.proto`.
    #[must_use]
    pub const fn value(self) -> i32 {
        self.0
    }

    /// The status's name in `health.proto`; `None` for an unknown number.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        ServingStatus::try_from(self.0)
            .ok()
            .map(|status| status.as_str_name())
    }

    /// Whether the status is [`SERVING`](Self::SERVING). Any other status means: send no calls to the service.
    #[must_use]
    pub const fn is_serving(self) -> bool {
        self.0 == Self::SERVING.0
    }
}

/// Writes the name in `health.proto`, or the number without a name.
impl fmt::Display for ReportedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => self.0.fmt(f),
        }
    }
}

impl fmt::Debug for ReportedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReportedStatus({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_proto_file_and_an_unknown_number() {
        let shown = [
            (ReportedStatus::UNKNOWN, 0, "UNKNOWN"),
            (ReportedStatus::SERVING, 1, "SERVING"),
            (ReportedStatus::NOT_SERVING, 2, "NOT_SERVING"),
            (ReportedStatus::SERVICE_UNKNOWN, 3, "SERVICE_UNKNOWN"),
        ];
        for (status, value, name) in shown {
            assert_eq!(status, ReportedStatus::new(value));
            assert_eq!(status.value(), value);
            assert_eq!(status.name(), Some(name));
            assert_eq!(status.to_string(), name);
            assert_eq!(status.is_serving(), value == 1);
        }
        for value in [4, -1, i32::MAX, i32::MIN] {
            let status = ReportedStatus::new(value);
            assert_eq!((status.value(), status.name()), (value, None));
            assert_eq!(status.to_string(), value.to_string());
            assert!(!status.is_serving());
        }
    }
}
