//! A handle to one service's status.

use std::fmt;

use super::ServingStatus;
use super::shared::Shared;
use super::slab::{Slot, SlotRef};
use super::word::Change;
use crate::sync::Arc;

/// A handle to one registered service, which sets the status without a look-up; from
/// [`Registry::register`](super::Registry::register).
///
/// Reading the status is one load. Setting the status touches one word; it takes no lock and allocates
/// nothing unless the service is watched, in which case it also wakes the [driver](super::Driver). Every
/// method may be called from any thread, inside or outside a runtime, and in `Drop`.
///
/// Clones are handles to the same service. A handle stays valid after [`clear`](super::Registry::clear):
/// setting a status brings the service back.
#[derive(Clone)]
pub struct ServiceHandle {
    slot: SlotRef,
    pub(super) id: u32,
    pub(super) shared: Arc<Shared>,
}

impl ServiceHandle {
    pub(super) fn new(shared: &Arc<Shared>, id: u32, slot: SlotRef) -> Self {
        Self {
            slot,
            id,
            shared: Arc::clone(shared),
        }
    }

    /// The service's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.slot().name()
    }

    /// The status that clients are shown. After [`shutdown`](super::Registry::shutdown) it may differ from
    /// the status that was set last.
    #[inline]
    #[must_use]
    pub fn status(&self) -> ServingStatus {
        self.slot().word.load().shown()
    }

    /// Sets the service's status. [`ServiceUnknown`](ServingStatus::ServiceUnknown) clears the service. Does
    /// nothing else if the service is a [group](super::Registry::group).
    #[inline]
    pub fn set(&self, status: ServingStatus) {
        // The only error is that of a group, whose status is not set by hand.
        let _ = self
            .shared
            .update(self.id, self.slot(), Change::Status(status));
    }

    /// Sets the service's status to [`Serving`](ServingStatus::Serving).
    #[inline]
    pub fn set_serving(&self) {
        self.set(ServingStatus::Serving);
    }

    /// Sets the service's status to [`NotServing`](ServingStatus::NotServing).
    #[inline]
    pub fn set_not_serving(&self) {
        self.set(ServingStatus::NotServing);
    }

    #[inline]
    fn slot(&self) -> &Slot {
        self.slot.slot()
    }
}

impl fmt::Debug for ServiceHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceHandle")
            .field("name", &self.name())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
