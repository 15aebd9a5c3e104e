//! A server that a monitor follows.

use std::fmt;
use std::sync::Arc;

use super::dial::Dial;
use crate::client::connector::Origin;
use crate::client::{Connector, Target};

/// A server that a [`Monitor`](super::Monitor) follows, with the settings of its connection such as TLS.
///
/// Pairs of one endpoint share a connection. Clones are the same endpoint. Two endpoints with equal targets are two endpoints, each with a
/// connection of its own, unless one is a clone of the other.
#[derive(Clone)]
pub struct Endpoint {
    target: Arc<Target>,
    how: Arc<How>,
}

/// A target, and the address of the settings with which the target is reached. Whoever keeps a key keeps the endpoint, so no other settings
/// have the address.
pub(super) type Key = (Arc<Target>, usize);

enum How {
    Connector(Connector),
    /// Makes the dial of a test.
    #[cfg(test)]
    Made(Box<dyn Fn() -> Box<dyn Dial> + Send + Sync>),
}

impl Endpoint {
    /// Makes an endpoint that is reached with the settings of `connector`.
    #[must_use]
    pub fn new(target: Target, connector: Connector) -> Self {
        Self {
            target: Arc::new(target),
            how: Arc::new(How::Connector(connector)),
        }
    }

    /// The same settings for another target.
    pub(super) fn with_target(&self, target: Target) -> Self {
        Self {
            target: Arc::new(target),
            how: Arc::clone(&self.how),
        }
    }

    #[cfg(test)]
    pub(super) fn made(dial: impl Fn() -> Box<dyn Dial> + Send + Sync + 'static) -> Self {
        Self {
            target: Arc::new(Target::unix("test")),
            how: Arc::new(How::Made(Box::new(dial))),
        }
    }

    /// The address of the endpoint.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn shared_target(&self) -> Arc<Target> {
        Arc::clone(&self.target)
    }

    pub(super) fn key(&self) -> Key {
        let settings = Arc::as_ptr(&self.how) as usize;
        (Arc::clone(&self.target), settings)
    }

    pub(super) fn dial(&self) -> Box<dyn Dial> {
        match &*self.how {
            How::Connector(connector) => {
                Box::new(Origin::new(connector.clone(), (*self.target).clone()))
            }
            #[cfg(test)]
            How::Made(make) => make(),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}
