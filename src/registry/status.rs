//! The serving status of a service.

use std::fmt;

/// Whether a service serves, as in `grpc.health.v1.HealthCheckResponse.ServingStatus`
/// ([health.proto](https://github.com/grpc/grpc-proto/blob/master/grpc/health/v1/health.proto)).
///
/// The discriminants are the numbers on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ServingStatus {
    /// The service is registered, but its status is not known yet. Clients treat the service as not serving.
    Unknown = 0,
    /// The service is ready for calls.
    Serving = 1,
    /// The service is not ready for calls.
    NotServing = 2,
    /// There is no such service: the name was never registered, or was cleared.
    ServiceUnknown = 3,
}

impl ServingStatus {
    /// All statuses, in order of their numbers.
    pub const ALL: [Self; 4] = [
        Self::Unknown,
        Self::Serving,
        Self::NotServing,
        Self::ServiceUnknown,
    ];

    /// The status's name in `health.proto`, such as `"NOT_SERVING"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Serving => "SERVING",
            Self::NotServing => "NOT_SERVING",
            Self::ServiceUnknown => "SERVICE_UNKNOWN",
        }
    }

    /// The status's number in `health.proto`.
    #[must_use]
    pub const fn as_i32(self) -> i32 {
        self as i32
    }

    /// The status with the given number, or `None` if `health.proto` has no such number.
    #[must_use]
    pub const fn from_i32(number: i32) -> Option<Self> {
        match number {
            0 => Some(Self::Unknown),
            1 => Some(Self::Serving),
            2 => Some(Self::NotServing),
            3 => Some(Self::ServiceUnknown),
            _ => None,
        }
    }

    /// The status in the low two bits of `bits`.
    #[inline]
    pub(super) const fn from_bits(bits: u64) -> Self {
        match bits & 3 {
            0 => Self::Unknown,
            1 => Self::Serving,
            2 => Self::NotServing,
            _ => Self::ServiceUnknown,
        }
    }
}

impl From<ServingStatus> for i32 {
    fn from(status: ServingStatus) -> Self {
        status.as_i32()
    }
}

impl fmt::Display for ServingStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_number_and_name() {
        let expected = [
            (ServingStatus::Unknown, 0, "UNKNOWN"),
            (ServingStatus::Serving, 1, "SERVING"),
            (ServingStatus::NotServing, 2, "NOT_SERVING"),
            (ServingStatus::ServiceUnknown, 3, "SERVICE_UNKNOWN"),
        ];
        assert_eq!(expected.map(|(status, ..)| status), ServingStatus::ALL);
        for (status, number, name) in expected {
            assert_eq!(i32::from(status), number);
            assert_eq!(ServingStatus::from_i32(number), Some(status));
            assert_eq!(ServingStatus::from_bits(number as u64), status);
            assert_eq!(status.to_string(), name);
        }
    }

    #[test]
    fn other_numbers_are_no_status() {
        for number in [i32::MIN, -1, 4, 5, 259, i32::MAX] {
            assert_eq!(ServingStatus::from_i32(number), None);
        }
    }
}
