//! The connection of a client, and the next one where the server sends its calls away.

use std::sync::{Arc, Mutex, PoisonError};

use super::ConnectError;
use super::connection::Connection;
use super::connector::Origin;

/// What the clones of a client share.
#[derive(Debug)]
pub(super) struct Link {
    current: Mutex<Connection>,
    /// `None` for a byte stream of the embedder's: there is no second one.
    origin: Option<Origin>,
    /// Held while a new connection is made: calls that are sent away together share it.
    renewing: tokio::sync::Mutex<()>,
}

impl Link {
    pub(super) fn new(connection: Connection, origin: Option<Origin>) -> Self {
        Self {
            current: Mutex::new(connection),
            origin,
            renewing: tokio::sync::Mutex::const_new(()),
        }
    }

    pub(super) fn current(&self) -> Connection {
        let current = self.current.lock();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A connection other than `old`, which is used from now on. `None` if there can be no other.
    pub(super) async fn renew(&self, old: &Connection) -> Result<Option<Connection>, ConnectError> {
        let Some(origin) = &self.origin else {
            return Ok(None);
        };
        let _alone = self.renewing.lock().await;
        let current = self.current();
        if !Arc::ptr_eq(&current.processed, &old.processed) {
            return Ok(Some(current));
        }
        let new = origin.connect().await?.connection;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = new.clone();
        Ok(Some(new))
    }
}
