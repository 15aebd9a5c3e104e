//! The registry's public interface.

use std::fmt;
use std::ops::ControlFlow;

use super::shared::Shared;
use super::word::Change;
use super::{Driver, Limits, RegistryError, ServiceHandle, ServingStatus, Watcher};
use crate::sync::Arc;

/// All services and their serving statuses. Clones share the statuses.
///
/// Every method may be called from any thread, inside or outside a runtime, and in `Drop`. No method blocks
/// longer than for another thread's short critical section. Reading or setting the status of a registered
/// name takes no lock; if nobody watches the name, it touches one word of memory.
///
/// ```
/// use grpc_health::registry::{Registry, ServingStatus};
///
/// let registry = Registry::new();
/// let users = registry.register("acme.Users", ServingStatus::NotServing)?;
/// users.set_serving();
/// assert_eq!(registry.get_service_status("acme.Users"), ServingStatus::Serving);
/// assert_eq!(registry.get_service_status("acme.Other"), ServingStatus::ServiceUnknown);
/// # Ok::<(), grpc_health::registry::RegistryError>(())
/// ```
#[derive(Clone)]
pub struct Registry {
    pub(super) shared: Arc<Shared>,
}

impl Registry {
    /// Makes a registry with the default [`Limits`]. The name `""`, which stands for the server as a whole,
    /// is `Serving`; no other name is registered.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// Makes a registry with `limits`. The name `""` is registered as `Serving` and counts against the
    /// limits.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        let shared = Arc::new(Shared::new(limits));
        // This cannot fail: the limits always admit one name, and no name is shorter.
        let _ = shared.register("", ServingStatus::Serving);
        Self { shared }
    }

    /// The limits of the registry.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.shared.limits
    }

    /// Sets the status of a service, and registers the name if the name is new. Watchers of the name hear of
    /// the change.
    ///
    /// [`ServiceUnknown`](ServingStatus::ServiceUnknown) does the same as [`clear`](Self::clear), and never
    /// fails.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] if the name is new and exceeds the registry's [`Limits`].
    pub fn set_service_status(
        &self,
        name: &str,
        status: ServingStatus,
    ) -> Result<(), RegistryError> {
        if let Some((id, slot)) = self.shared.find(name) {
            self.shared.update(id, slot, Change::Status(status))?;
        } else if status != ServingStatus::ServiceUnknown {
            self.shared.register(name, status)?;
        }
        Ok(())
    }

    /// The status that clients are shown: [`ServiceUnknown`](ServingStatus::ServiceUnknown) if the name is
    /// not registered or was cleared.
    #[inline]
    #[must_use]
    pub fn get_service_status(&self, name: &str) -> ServingStatus {
        match self.shared.find(name) {
            Some((_, slot)) => slot.word.load().shown(),
            None => ServingStatus::ServiceUnknown,
        }
    }

    /// Sets the status of a service, registers the name if the name is new, and returns a handle to the
    /// service.
    ///
    /// [`ServiceUnknown`](ServingStatus::ServiceUnknown) registers the name as if it had been cleared.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] if the name is new and exceeds the registry's [`Limits`].
    pub fn register(
        &self,
        name: &str,
        status: ServingStatus,
    ) -> Result<ServiceHandle, RegistryError> {
        let id = self.shared.register(name, status)?;
        match self.shared.slot_ref(id) {
            Some(slot) => Ok(ServiceHandle::new(&self.shared, id, slot)),
            // This cannot happen: the slot was found or made a moment ago, and slots are never removed.
            None => Err(RegistryError::Full {
                max: self.limits().max_services,
            }),
        }
    }

    /// Makes a service unknown again: its watchers are shown
    /// [`ServiceUnknown`](ServingStatus::ServiceUnknown), and it is no longer listed.
    ///
    /// The name keeps its place in the registry and counts against [`Limits::max_services`]. Does nothing if
    /// the name is not registered.
    pub fn clear(&self, name: &str) {
        if let Some((id, slot)) = self.shared.find(name) {
            // Clearing fails for no service: a cleared group is a group no more.
            let clear = Change::Status(ServingStatus::ServiceUnknown);
            let _ = self.shared.update(id, slot, clear);
        }
    }

    /// All services and the statuses that clients are shown, sorted by name. Cleared services are left out.
    ///
    /// Each status is read on its own, so the result is not a snapshot of one moment while other threads set
    /// statuses.
    #[must_use]
    pub fn services(&self) -> Vec<(String, ServingStatus)> {
        let mut services = Vec::new();
        self.visit(|name, status| {
            services.push((name.to_owned(), status));
            ControlFlow::Continue(())
        });
        services.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        services
    }

    /// Calls `visitor` with each service and the status that clients are shown, in order of registration,
    /// until `visitor` returns `Break`. Cleared services are left out. No lock is held during the calls.
    pub fn visit(&self, mut visitor: impl FnMut(&str, ServingStatus) -> ControlFlow<()>) {
        for id in 0..self.shared.slab.len() {
            let Some(slot) = self.shared.slab.get(id) else {
                return;
            };
            let status = slot.word.load().shown();
            if status != ServingStatus::ServiceUnknown && visitor(slot.name(), status).is_break() {
                return;
            }
        }
    }

    /// Shows every service as `NotServing`, except [pinned](Self::pin) and cleared ones.
    ///
    /// A status that is set from now on, also of a new service, is remembered; [`resume`](Self::resume) shows
    /// it.
    ///
    /// Clones share the shutdown. A [`Server`](crate::Server) that shuts down shuts down the registry of its
    /// [`HealthService`](crate::HealthService), so every server on that registry shows `NotServing` from then
    /// on. Servers of one process that go down at different times need a registry each.
    pub fn shutdown(&self) {
        self.shared.drain(true);
    }

    /// Undoes [`shutdown`](Self::shutdown): each service shows the status that was set last.
    pub fn resume(&self) {
        self.shared.drain(false);
    }

    /// Exempts a service from [`shutdown`](Self::shutdown), also from one that has begun. Pin a name that
    /// liveness probes ask for, since liveness must stay up while the server drains.
    ///
    /// A name may be pinned before its status is set. The name then takes its place in the registry, counts
    /// against [`Limits::max_services`], and shows [`ServiceUnknown`](ServingStatus::ServiceUnknown) until
    /// its status is set. A name that is [cleared](Self::clear) stays pinned.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] if the name is new and exceeds the registry's [`Limits`].
    pub fn pin(&self, name: &str) -> Result<(), RegistryError> {
        self.shared.upsert(name, Change::Pinned(true)).map(drop)
    }

    /// Undoes [`pin`](Self::pin). True if the name is registered or pinned; otherwise nothing happens.
    #[expect(
        clippy::must_use_candidate,
        reason = "an action, whose success is often certain"
    )]
    pub fn unpin(&self, name: &str) -> bool {
        let found = self.shared.find(name);
        if let Some((id, slot)) = found {
            let _ = self.shared.update(id, slot, Change::Pinned(false));
        }
        found.is_some()
    }

    /// Follows the status of a name, whether or not the name is registered.
    ///
    /// Watching never makes the registry grow: the watcher itself keeps a name that is not registered.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NameTooLong`] if the name is longer than [`Limits::max_name_len`].
    pub fn watch(&self, name: &str) -> Result<Watcher, RegistryError> {
        Watcher::new(&self.shared, name)
    }

    /// A future that wakes watchers, so that setters need not. Poll it for as long as the registry is used;
    /// see [`Driver`]. A [`Server`](crate::Server) with a [`HealthService`](crate::HealthService) polls one
    /// itself.
    pub fn driver(&self) -> Driver {
        Driver::new(&self.shared)
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("registered", &self.shared.slab.len())
            .field("limits", &self.limits())
            .finish_non_exhaustive()
    }
}
