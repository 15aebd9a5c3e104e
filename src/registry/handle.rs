//! A service's own way to its status.

use std::fmt;

use super::ServingStatus;
use super::shared::Shared;
use super::slab::{Slot, SlotRef};
use crate::sync::Arc;

/// One registered service, without a look-up; from [`Registry::register`](super::Registry::register).
///
/// Reading is one load. Setting touches one word, takes no lock and allocates nothing unless the
/// service is watched; then it also wakes the [driver](super::Driver). All of it may be called
/// from any thread, inside or outside a runtime, and in `Drop`.
///
/// Clones speak of the same service. A handle outlives [`clear`](super::Registry::clear): a later
/// `set` brings the service back.
#[derive(Clone)]
pub struct ServiceHandle {
    slot: SlotRef,
    id: u32,
    shared: Arc<Shared>,
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

    /// The status shown, which during [`shutdown`](super::Registry::shutdown) is not the one set.
    #[inline]
    #[must_use]
    pub fn status(&self) -> ServingStatus {
        self.slot().word.load().shown()
    }

    /// Sets the status; [`ServiceUnknown`](ServingStatus::ServiceUnknown) clears the service.
    #[inline]
    pub fn set(&self, status: ServingStatus) {
        self.shared
            .update(self.id, self.slot(), |word| word.with_status(status));
    }

    /// `set(ServingStatus::Serving)`.
    #[inline]
    pub fn set_serving(&self) {
        self.set(ServingStatus::Serving);
    }

    /// `set(ServingStatus::NotServing)`.
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
