//! A handle to a server's shutdown, for code that need not know the service's type.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::drain::Drain;
use super::shared::Shared;
use crate::connection::Phase;
use crate::service::Service;

/// Begins the shutdown of a [`Server`](crate::Server), or takes it back; from [`Server::drain_handle`](crate::Server::drain_handle).
///
/// Clones are handles of the same server.
#[derive(Clone)]
pub struct DrainHandle(Arc<dyn Drained>);

/// A server without its service's type.
trait Drained: Send + Sync {
    fn drain(&self) -> &Drain;
    fn begin(self: Arc<Self>);
    fn resume(&self) -> bool;
}

impl<S: Service> Drained for Shared<S> {
    fn drain(&self) -> &Drain {
        &self.drain
    }

    fn begin(self: Arc<Self>) {
        let runtime = self.runtime().cloned();
        let runtime = runtime.unwrap_or_else(Handle::current);
        runtime.spawn(async move { self.shut_down().await });
    }

    fn resume(&self) -> bool {
        Self::resume(self)
    }
}

impl DrainHandle {
    pub(super) fn new<S: Service>(shared: Arc<Shared<S>>) -> Self {
        Self(shared)
    }

    /// Begins the shutdown in a task of its own; [`Server::shutdown`](crate::Server::shutdown) lists its steps. Does nothing if a shutdown
    /// has begun already. The task runs on the runtime of the server's [own thread](crate::Server::spawn_thread), or on the current runtime
    /// if the server has no thread of its own.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, unless the server has a thread of its own.
    pub fn begin(&self) {
        Arc::clone(&self.0).begin();
    }

    /// Takes the shutdown back: the server goes on, and health checks show again the statuses that were set last. Possible only during
    /// [`Builder::shutdown_linger`](super::Builder::shutdown_linger). True if the shutdown was taken back; false if none has begun or it is
    /// too late.
    #[expect(
        clippy::must_use_candidate,
        reason = "an action, whose success is often certain"
    )]
    pub fn resume(&self) -> bool {
        self.0.resume()
    }

    /// Whether a shutdown has begun and was not taken back.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.drain().phase() != Phase::Serving
    }

    /// Completes when the server's shutdown is complete.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub fn drained(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.drain().reached(Phase::Gone)
    }
}

impl fmt::Debug for DrainHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DrainHandle")
            .field(&self.0.drain().phase())
            .finish()
    }
}
