//! The four replies of `Check` and `Watch`, as they go over the wire.

use bytes::Bytes;

use crate::registry::ServingStatus;
use crate::wire::code::Code;
use crate::wire::status::Status;

/// The envelope of a `HealthCheckResponse` with this status.
pub(crate) fn envelope(status: ServingStatus) -> Bytes {
    Bytes::from_static(match status {
        // proto3 leaves a zero out, so the message is empty.
        ServingStatus::Unknown => b"\0\0\0\0\0",
        ServingStatus::Serving => b"\0\0\0\0\x02\x08\x01",
        ServingStatus::NotServing => b"\0\0\0\0\x02\x08\x02",
        ServingStatus::ServiceUnknown => b"\0\0\0\0\x02\x08\x03",
    })
}

/// The answer of a listener that mirrors statuses, for a status other than SERVING.
#[cold]
pub(crate) fn mirrored(status: ServingStatus) -> Status {
    Status::new(Code::UNAVAILABLE, status.as_str())
}

/// The status in an [`envelope`].
pub(crate) fn status_in(envelope: &[u8]) -> Option<ServingStatus> {
    let status = envelope.get(6).copied().unwrap_or_default();
    ServingStatus::from_i32(status.into())
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use prost::Message;

    use super::*;
    use crate::proto::health::HealthCheckResponse;
    use crate::proto::health::health_check_response::ServingStatus as Wire;
    use crate::wire::envelope::encode;

    #[test]
    fn static_replies_are_what_prost_encodes() {
        let pairs = [
            (ServingStatus::Unknown, Wire::Unknown),
            (ServingStatus::Serving, Wire::Serving),
            (ServingStatus::NotServing, Wire::NotServing),
            (ServingStatus::ServiceUnknown, Wire::ServiceUnknown),
        ];
        for (status, wire) in pairs {
            assert_eq!(status as i32, wire as i32);
            let message = HealthCheckResponse {
                status: wire.into(),
            };
            let mut encoded = BytesMut::new();
            encode(&mut encoded, false, message.encoded_len(), |dst| {
                message.encode_raw(dst)
            });
            assert_eq!(envelope(status), encoded);
            assert_eq!(status_in(&encoded), Some(status));
        }
    }
}
