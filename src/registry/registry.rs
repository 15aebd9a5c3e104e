//! The registry as its users see it.

use std::fmt;
use std::ops::ControlFlow;

use super::shared::Shared;
use super::{Driver, Limits, RegistryError, ServiceHandle, ServingStatus, Watcher};
use crate::sync::Arc;

/// All services and their serving statuses. Clones share them.
///
/// Every method may be called from any thread, inside or outside a runtime, and in `Drop`; none
/// blocks on anything but another's short critical section. Look-ups and sets of registered names
/// take no lock and, unwatched, touch one word.
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
    /// A registry with the default [`Limits`]. The server as a whole, `""`, is `Serving`, every
    /// other name is absent.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// A registry with limits of its own. `""` is registered, counts, and is never too long.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        let shared = Arc::new(Shared::new(limits));
        // It cannot fail: one name is always allowed, and none is shorter.
        let _ = shared.register("", ServingStatus::Serving);
        Self { shared }
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.shared.limits
    }

    /// Sets the status of a service, registering it if it is new.
    ///
    /// [`ServiceUnknown`](ServingStatus::ServiceUnknown) means [`clear`](Self::clear), and never
    /// fails.
    ///
    /// # Errors
    ///
    /// If the name is new and too long, or one too many.
    pub fn set_service_status(
        &self,
        name: &str,
        status: ServingStatus,
    ) -> Result<(), RegistryError> {
        if let Some((id, slot)) = self.shared.find(name) {
            self.shared
                .update(id, slot, |word| word.with_status(status));
        } else if status != ServingStatus::ServiceUnknown {
            self.shared.register(name, status)?;
        }
        Ok(())
    }

    /// The status shown; [`ServiceUnknown`](ServingStatus::ServiceUnknown) if the name is not
    /// registered, or cleared.
    #[inline]
    #[must_use]
    pub fn get_service_status(&self, name: &str) -> ServingStatus {
        match self.shared.find(name) {
            Some((_, slot)) => slot.word.load().shown(),
            None => ServingStatus::ServiceUnknown,
        }
    }

    /// Sets the status of a service, registering it if it is new, and returns a handle to it.
    ///
    /// With [`ServiceUnknown`](ServingStatus::ServiceUnknown) the name takes its place and is as
    /// if cleared.
    ///
    /// # Errors
    ///
    /// If the name is new and too long, or one too many.
    pub fn register(
        &self,
        name: &str,
        status: ServingStatus,
    ) -> Result<ServiceHandle, RegistryError> {
        let id = self.shared.register(name, status)?;
        match self.shared.slot_ref(id) {
            Some(slot) => Ok(ServiceHandle::new(&self.shared, id, slot)),
            // It was found or made a moment ago, and slots do not go.
            None => Err(RegistryError::Full {
                max: self.limits().max_services,
            }),
        }
    }

    /// Makes a service unknown again: its watchers are told, and it is no longer listed.
    ///
    /// Its place is kept for the same name. Nothing happens if the name is not registered.
    pub fn clear(&self, name: &str) {
        if let Some((id, slot)) = self.shared.find(name) {
            self.shared.update(id, slot, |word| {
                word.with_status(ServingStatus::ServiceUnknown)
            });
        }
    }

    /// All services and the statuses shown, sorted by name; cleared ones are left out.
    ///
    /// Each status is read on its own: while others set, this is no snapshot of one moment.
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

    /// Shows all services and their statuses to `visitor`, in order of registration, until it
    /// breaks off; cleared ones are left out. No lock is held.
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

    /// Shows every service as `NotServing`, but those [pinned](Self::pin) or cleared.
    ///
    /// Statuses set from now on, also of new services, are remembered and not shown until
    /// [`resume`](Self::resume).
    pub fn shutdown(&self) {
        self.shared.drain(true);
    }

    /// Undoes [`shutdown`](Self::shutdown): each service shows the status last set.
    pub fn resume(&self) {
        self.shared.drain(false);
    }

    /// Exempts a service from [`shutdown`](Self::shutdown), also one under way: for liveness,
    /// which must stay up while the server drains. True if the name is registered; if not,
    /// nothing happens.
    #[expect(
        clippy::must_use_candidate,
        reason = "an action, whose success is often certain"
    )]
    pub fn pin(&self, name: &str) -> bool {
        self.set_pinned(name, true)
    }

    /// Undoes [`pin`](Self::pin). True if the name is registered.
    #[expect(
        clippy::must_use_candidate,
        reason = "an action, whose success is often certain"
    )]
    pub fn unpin(&self, name: &str) -> bool {
        self.set_pinned(name, false)
    }

    fn set_pinned(&self, name: &str, pinned: bool) -> bool {
        let found = self.shared.find(name);
        if let Some((id, slot)) = found {
            self.shared
                .update(id, slot, |word| word.with_pinned(pinned));
        }
        found.is_some()
    }

    /// Follows a name, registered or not.
    ///
    /// This never makes the registry grow: a name that is not registered is kept in the watcher.
    ///
    /// # Errors
    ///
    /// If the name is too long ever to be registered.
    pub fn watch(&self, name: &str) -> Result<Watcher, RegistryError> {
        Watcher::new(&self.shared, name)
    }

    /// A future that wakes watchers in the setters' place; somebody is to poll it for as long as
    /// the registry is used. See [`Driver`].
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
