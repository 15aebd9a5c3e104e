//! The listeners of a server: those that are served, and those that wait for it.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::Notify;

#[cfg(unix)]
use super::unix::UnixServer;
use crate::service::ListenOptions;
#[cfg(feature = "tls")]
use crate::tls::ServerTls;

pub(super) enum Listener {
    Tcp(TcpListener),
    #[cfg(feature = "tls")]
    Tls(TcpListener, ServerTls),
    #[cfg(unix)]
    Unix(UnixServer),
}

/// A listener with its options.
pub(super) struct Bound {
    pub(super) listener: Listener,
    pub(super) options: Option<Arc<ListenOptions>>,
}

impl Listener {
    /// Moves the listener to the current runtime: the runtime in which a listener was made may be blocked, or gone.
    pub(super) fn moved_here(self) -> io::Result<Self> {
        let here = |tcp: TcpListener| TcpListener::from_std(tcp.into_std()?);
        Ok(match self {
            Self::Tcp(tcp) => Self::Tcp(here(tcp)?),
            #[cfg(feature = "tls")]
            Self::Tls(tcp, tls) => Self::Tls(here(tcp)?, tls),
            #[cfg(unix)]
            Self::Unix(unix) => Self::Unix(unix.moved_here()?),
        })
    }
}

#[derive(Default)]
pub(super) struct Listeners {
    state: Mutex<State>,
    /// A listener was added while the server is served.
    added: Notify,
}

#[derive(Default)]
pub(super) struct State {
    /// The listeners that are bound and that no `serve` has taken yet.
    bound: Vec<Bound>,
    /// The number of futures of `serve`.
    serving: usize,
    /// The server has closed its listeners for good.
    closed: bool,
    pub(super) addrs: Vec<SocketAddr>,
    #[cfg(unix)]
    pub(super) unix: Vec<PathBuf>,
}

impl Listeners {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a listener; `note` notes its address. An error if the server has closed its listeners: nobody would accept.
    pub(super) fn add(&self, listener: Bound, note: impl FnOnce(&mut State)) -> io::Result<()> {
        let mut state = self.state();
        if state.closed {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the server has shut down",
            ));
        }
        note(&mut state);
        state.bound.push(listener);
        let is_served = state.serving > 0;
        drop(state);
        if is_served {
            self.added.notify_one();
        }
        Ok(())
    }

    /// Closes what nobody has taken, and lets nothing more be added.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.bound.clear();
    }

    /// Takes the listeners that wait. An error if there is none, unless another `serve` has others.
    pub(super) fn serve(self: &Arc<Self>) -> io::Result<(Vec<Bound>, Serving)> {
        let mut state = self.state();
        if state.bound.is_empty() && state.serving == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the server has no listener left to serve",
            ));
        }
        state.serving += 1;
        let bound = std::mem::take(&mut state.bound);
        Ok((bound, Serving(Arc::clone(self))))
    }
}

/// A future of `serve`: it serves what is added meanwhile.
pub(super) struct Serving(Arc<Listeners>);

impl Serving {
    /// Waits for listeners to be added, and takes them.
    pub(super) async fn more(&self) -> Vec<Bound> {
        self.0.added.notified().await;
        std::mem::take(&mut self.0.state().bound)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.state().serving -= 1;
        // A listener that this one was told of and has not taken is another's.
        self.0.added.notify_one();
    }
}
