//! The client's connection, and the next connection if the server sends calls away.

use std::sync::{Arc, Mutex, PoisonError};
#[cfg(feature = "checks")]
use std::task::{Context, Poll, Waker};

use super::ConnectError;
use super::connection::Connection;
use super::connector::Origin;

/// The state that the clones of a client share.
#[derive(Debug)]
pub(super) struct Link {
    current: Mutex<Connection>,
    /// `None` for an embedder's byte stream: the client cannot connect again.
    origin: Option<Origin>,
    /// Held while a new connection is made, so that calls that are sent away together share one new connection.
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

    /// Whether the connection is over, so that every further call fails.
    #[cfg(feature = "checks")]
    pub(super) fn is_closed(&self) -> bool {
        let ready = self
            .current()
            .send
            .poll_ready(&mut Context::from_waker(Waker::noop()));
        matches!(ready, Poll::Ready(Err(_)))
    }

    /// Connects again, unless another call has already replaced `old`, and uses the new connection from now on. `None` if the client cannot
    /// connect again.
    pub(super) async fn renew(&self, old: &Connection) -> Result<Option<Connection>, ConnectError> {
        let Some(origin) = &self.origin else {
            return Ok(None);
        };
        let _alone = self.renewing.lock().await;
        let current = self.current();
        if !Arc::ptr_eq(&current.processed, &old.processed) {
            return Ok(Some(current));
        }
        // Boxed: the steps of connecting take more room than a call, and few calls connect.
        let connected = Box::pin(origin.connect()).await?;
        connected.driver.spawn();
        let new = connected.connection;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = new.clone();
        Ok(Some(new))
    }
}
