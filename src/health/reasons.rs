//! Why a service has its status, and since when, in the trailers of `Check`.

use std::time::UNIX_EPOCH;

use super::reply;
use crate::registry::{Registry, ServingStatus, StatusDetails};
use crate::service::{Part, Reply};
use crate::wire::metadata::Metadata;
use crate::wire::percent;
use crate::wire::reason::{REASON, SINCE};

/// The reply to a `Check`, with the reason and the time in the trailers. `None` for an unknown service. With `mirror` the code of the reply
/// mirrors the status.
pub(super) fn check(registry: &Registry, name: &str, mirror: bool) -> Option<Reply> {
    let details = registry.status_of(name);
    if details.status == ServingStatus::ServiceUnknown {
        return None;
    }
    let metadata = metadata(&details);
    if mirror && details.status != ServingStatus::Serving {
        return Some(Err(reply::mirrored(details.status).with_metadata(metadata)));
    }
    let part = Part::from(reply::envelope(details.status));
    Some(Ok(if metadata.is_empty() {
        part
    } else {
        part.with_trailing(metadata)
    }))
}

fn metadata(details: &StatusDetails) -> Metadata {
    let mut metadata = Metadata::new();
    if let Some(reason) = &details.reason {
        // Encoded, the reason is printable ASCII, and short enough.
        let _ = metadata.append(REASON, &percent::encode(reason.as_str()));
    }
    let since = details
        .since
        .and_then(|since| since.wall.duration_since(UNIX_EPOCH).ok());
    if let Some(since) = since {
        let _ = metadata.append(SINCE, &since.as_millis().to_string());
    }
    metadata
}
