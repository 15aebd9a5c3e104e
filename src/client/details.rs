//! A status with the server's reason for it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;

use super::ReportedStatus;
use crate::wire::percent;
use crate::wire::reason::{REASON, SINCE};

/// The reply to one `Check`, with what the server says in the trailers; from [`Client::check_details`](super::Client::check_details).
///
/// Servers of this crate say why and since when only if they are told to
/// ([`HealthService::reasons`](crate::HealthService::reasons)); other servers never do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckDetails {
    /// The status.
    pub status: ReportedStatus,
    /// Why the service has the status, in the words of the server: text from a peer, which may contain any characters.
    pub reason: Option<String>,
    /// Since when the service has the status, by the clock of the server.
    pub since: Option<SystemTime>,
}

impl CheckDetails {
    /// Reads the trailers of a reply. A value that is not as documented is left out.
    pub(super) fn new(status: ReportedStatus, trailers: Option<&HeaderMap>) -> Self {
        let field = |name| trailers?.get(name);
        let reason = field(REASON);
        let since = field(SINCE).and_then(|value| {
            let millis = value.to_str().ok()?.parse().ok()?;
            UNIX_EPOCH.checked_add(Duration::from_millis(millis))
        });
        Self {
            status,
            reason: reason.map(|value| percent::decode(value.as_bytes())),
            since,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn details(reason: &'static [u8], since: &'static [u8]) -> CheckDetails {
        let mut trailers = HeaderMap::new();
        trailers.insert(REASON, HeaderValue::from_bytes(reason).unwrap());
        trailers.insert(SINCE, HeaderValue::from_bytes(since).unwrap());
        CheckDetails::new(ReportedStatus::SERVING, Some(&trailers))
    }

    #[test]
    fn values_are_decoded_and_malformed_ones_left_out() {
        let found = details(b"na%C3%AFve%0A", b"1500");
        assert_eq!(found.reason.as_deref(), Some("na\u{ef}ve\n"));
        assert_eq!(found.since, Some(UNIX_EPOCH + Duration::from_millis(1500)));
        for since in [&b""[..], b"-1", b"1.5", b"99999999999999999999999", b"\xff"] {
            assert_eq!(details(b"", since).since, None, "{since:?}");
        }
        let none = CheckDetails::new(ReportedStatus::SERVING, None);
        assert_eq!((none.reason, none.since), (None, None));
    }
}
