//! A reference that does not keep a registry alive, and what other modules attach to a registry.

use std::any::Any;

use super::shared::Shared;
use super::{Registry, RegistryError, ServiceHandle};
use crate::sync::{Arc, Weak};

/// A reference to a registry that does not keep the registry alive.
#[derive(Clone, Debug)]
pub(crate) struct WeakRegistry(Weak<Shared>);

impl WeakRegistry {
    /// The registry, unless it is gone.
    pub(crate) fn upgrade(&self) -> Option<Registry> {
        let shared = self.0.upgrade()?;
        Some(Registry { shared })
    }
}

impl Registry {
    pub(crate) fn downgrade(&self) -> WeakRegistry {
        WeakRegistry(Arc::downgrade(&self.shared))
    }

    /// A handle to a service, whose status stays as it is. Registers a new name as a cleared one.
    pub(crate) fn handle(&self, name: &str) -> Result<ServiceHandle, RegistryError> {
        let id = self.shared.placed(name)?;
        match self.shared.slot_ref(id) {
            Some(slot) => Ok(ServiceHandle::new(&self.shared, id, slot)),
            // This cannot happen: the slot was found or made a moment ago, and slots are never removed.
            None => Err(RegistryError::Full {
                max: self.limits().max_services,
            }),
        }
    }

    /// A [`handle`](Self::handle) to a service that is no group.
    pub(crate) fn settable(&self, name: &str) -> Result<ServiceHandle, RegistryError> {
        let handle = self.handle(name)?;
        if self.members(name).is_empty() {
            Ok(handle)
        } else {
            Err(RegistryError::IsGroup)
        }
    }

    /// The value of type `T` that is kept with the registry, made by the first caller. A registry keeps one
    /// value; `None` if that value is of another type.
    ///
    /// The value must not hold the registry, or neither would ever be freed.
    pub(crate) fn attached<T: Any + Send + Sync + Default>(&self) -> Option<Arc<T>> {
        let any = self.shared.attached.get_or_init(|| Arc::new(T::default()));
        Arc::clone(any).downcast().ok()
    }
}
