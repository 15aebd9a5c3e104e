//! What observers are told of the health service.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use super::reply;
use crate::observe::{Checked, Limit, Observer, Observers};
use crate::plane;
use crate::registry::{Registry, ServingStatus};
use crate::service::{Background, PeerInfo, Reply};
use crate::wire::code::Code;

/// The observers of a health service, which are made when they are first told something: an application may install its recorder after it
/// has made the service.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<OnceLock<Observers>>);

impl Seen {
    fn observers(&self) -> &Observers {
        self.0.get_or_init(Observers::default)
    }

    #[cold]
    pub(super) fn too_many_watches(&self, peer: &PeerInfo) {
        let observers = self.observers();
        observers.call_refused(peer.remote_addr, Limit::Watches);
    }

    /// The work of the health plane, and if somebody observes statuses, the work of telling them.
    pub(super) fn background(&self, registry: &Registry) -> Background {
        let plane = registry.plane();
        let observers = self.observers();
        if !observers.follows_statuses() {
            return Box::pin(plane);
        }
        let mut plane = Box::pin(plane);
        let mut telling = Some(Box::pin(plane::tell(registry.clone(), observers.clone())));
        Box::pin(poll_fn(move |cx| {
            if let Some(future) = &mut telling {
                if future.as_mut().poll(cx).is_ready() {
                    telling = None;
                }
            }
            Pin::new(&mut plane).poll(cx)
        }))
    }
}

/// What a `Check` was answered with.
pub(super) fn answered(reply: &Reply) -> Checked {
    match reply {
        Ok(part) => reply::status_in(part.envelope()).map_or(Checked::Refused, shown),
        Err(status) if status.code() == Code::NOT_FOUND => Checked::NotFound,
        Err(_) => Checked::Refused,
    }
}

pub(super) const fn shown(status: ServingStatus) -> Checked {
    match status {
        ServingStatus::Unknown => Checked::Unknown,
        ServingStatus::Serving => Checked::Serving,
        ServingStatus::NotServing => Checked::NotServing,
        ServingStatus::ServiceUnknown => Checked::NotFound,
    }
}
