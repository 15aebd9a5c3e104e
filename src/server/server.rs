//! The server: its listeners, and how they are served.

use std::fmt;
use std::future::{Future, poll_fn, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::accepting::listen;
use super::arrival::Arrival;
use super::handle::DrainHandle;
use super::listeners::{Bound, Listener, Listeners, Serving, State};
use super::shared::Shared;
use super::stats::Stats;
use crate::connection::Phase;
use crate::service::{ListenOptions, PeerInfo, Service};
#[cfg(feature = "tls")]
use crate::tls::ServerTls;

/// Serves a [`Service`] over gRPC to HTTP/2 clients: with prior knowledge ([RFC 9113, section
/// 3.3](https://www.rfc-editor.org/rfc/rfc9113#section-3.3)), or over TLS with feature `tls`.
///
/// A server needs a tokio runtime with I/O and timers (`enable_all`, as `#[tokio::main]` has it). Clones are handles of the same server.
pub struct Server<S> {
    shared: Arc<Shared<S>>,
    listeners: Arc<Listeners>,
    options: Option<Arc<ListenOptions>>,
}

impl<S: Service> Server<S> {
    pub(super) fn new(shared: Shared<S>) -> Self {
        Self {
            shared: Arc::new(shared),
            listeners: Arc::default(),
            options: None,
        }
    }

    /// A handle of the same server. Listeners that are added, and connections that are served, through this handle have these options.
    /// Other listeners and connections keep theirs.
    #[must_use]
    pub fn with_listen_options(&self, options: ListenOptions) -> Self {
        Self {
            options: Some(Arc::new(options)),
            ..self.clone()
        }
    }

    pub(super) fn backlog(&self) -> u32 {
        self.shared.config.backlog
    }

    pub(super) fn shared(&self) -> &Shared<S> {
        &self.shared
    }

    pub(super) fn listeners(&self) -> &Arc<Listeners> {
        &self.listeners
    }

    /// Adds a TCP listener that was made elsewhere, such as a socket from systemd. Clients that connect are answered while
    /// [`serve`](Self::serve) runs, also if the listener is added later.
    ///
    /// # Errors
    ///
    /// The error of asking `listener` for its address, and `InvalidInput` if the server has shut down.
    pub fn add_listener(&self, listener: TcpListener) -> io::Result<()> {
        let addr = listener.local_addr()?;
        self.add(addr, Listener::Tcp(listener))
    }

    /// Adds a TCP listener that was made elsewhere, such as a socket from systemd, and serves its clients over TLS with the settings `tls`.
    /// Clients that connect are answered once [`serve`](Self::serve) runs.
    ///
    /// The server closes a connection whose TLS handshake fails or does not ask for `h2` (ALPN), and counts the connection in
    /// [`Stats::connection_errors`](super::Stats::connection_errors).
    ///
    /// # Errors
    ///
    /// The error of asking `listener` for its address.
    #[cfg(feature = "tls")]
    pub fn add_tls_listener(&self, listener: TcpListener, tls: &ServerTls) -> io::Result<()> {
        let addr = listener.local_addr()?;
        self.add(addr, Listener::Tls(listener, tls.clone()))
    }

    fn add(&self, addr: SocketAddr, listener: Listener) -> io::Result<()> {
        self.insert(listener, |state| state.addrs.push(addr))
    }

    /// Adds a listener; `note` notes its address. An error if the server has shut down, with or without a `serve`.
    pub(super) fn insert(
        &self,
        listener: Listener,
        note: impl FnOnce(&mut State),
    ) -> io::Result<()> {
        if self.shared.drain.phase() >= Phase::Closing {
            self.listeners.close();
        }
        let bound = Bound {
            listener,
            options: self.options.clone(),
        };
        self.listeners.add(bound, note)
    }

    /// The address of the TCP listener that was added first. Its port is the one that the system chose if it was bound to port 0.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listeners.state().addrs.first().copied()
    }

    /// The addresses of all TCP listeners, in the order in which they were added.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.state().addrs.clone()
    }

    /// Accepts and serves connections until [`shutdown`](Self::shutdown) is complete. Each connection is a task on the current runtime.
    /// A listener that is added meanwhile is served, too.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the server has no listener, or none that is left after an earlier call. Errors of `accept` do not end the server;
    /// [`Stats::accept_errors`] counts them.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the listeners that it serves. Connections that are open go on.
    pub fn serve(&self) -> impl Future<Output = io::Result<()>> + Send + use<S> {
        let taken = self.listeners.serve();
        let server = self.clone();
        async move {
            let (listeners, serving) = taken?;
            server.serve_taken(listeners, serving).await;
            Ok(())
        }
    }

    /// Serves `listeners`, and those that `serving` is told of, until the shutdown is complete.
    pub(super) fn serve_taken(
        self,
        listeners: Vec<Bound>,
        serving: Serving,
    ) -> impl Future<Output = ()> + Send {
        let Self {
            shared,
            listeners: listening,
            options: _,
        } = self;
        async move {
            shared.start_background();
            let mut loops = JoinSet::new();
            let start = |listener| listen(&mut loops, &shared, listener);
            listeners.into_iter().for_each(start);
            let mut closing = pin!(shared.drain.reached(Phase::Closing));
            loop {
                let mut more = pin!(serving.more());
                let added = poll_fn(|cx| match closing.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(None),
                    Poll::Pending => more.as_mut().poll(cx).map(Some),
                });
                let Some(added) = added.await else { break };
                let start = |listener| listen(&mut loops, &shared, listener);
                added.into_iter().for_each(start);
            }
            listening.close();
            // Each ends by itself when what has arrived is accepted.
            while loops.join_next().await.is_some() {}
            shared.drain.reached(Phase::Gone).await;
        }
    }

    /// Serves as [`serve`](Self::serve) does, and shuts down as [`shutdown`](Self::shutdown) does when `signal` completes.
    ///
    /// # Errors
    ///
    /// As [`serve`](Self::serve).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the listeners. Connections that are open go on, and so does a shutdown that has begun.
    pub fn serve_with_shutdown<F>(
        &self,
        signal: F,
    ) -> impl Future<Output = io::Result<()>> + Send + use<S, F>
    where
        F: Future<Output = ()> + Send,
    {
        let serving = self.serve();
        let shared = Arc::clone(&self.shared);
        async move {
            let mut serving = pin!(serving);
            let mut signal = pin!(signal);
            let over = poll_fn(|cx| match serving.as_mut().poll(cx) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending => signal.as_mut().poll(cx).map(|()| None),
            });
            match over.await {
                Some(result) => result,
                None => {
                    DrainHandle::new(shared).begin();
                    serving.await
                }
            }
        }
    }

    /// Serves as [`serve`](Self::serve) does, on all listeners and on `listener`, a TCP listener that was made elsewhere.
    ///
    /// # Errors
    ///
    /// The error of asking `listener` for its address.
    ///
    /// # Cancel safety
    ///
    /// As [`serve`](Self::serve).
    pub fn serve_on(
        &self,
        listener: TcpListener,
    ) -> impl Future<Output = io::Result<()>> + Send + use<S> {
        let serving = self.add_listener(listener).map(|()| self.serve());
        async move { serving?.await }
    }

    /// Serves one connection over `io` until the connection is closed. Use it for byte streams that no listener of the server accepts, such
    /// as an in-memory pipe.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection at once.
    pub fn serve_connection<T>(&self, io: T) -> impl Future<Output = ()> + Send + use<S, T>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.serve_connection_with(io, PeerInfo::default())
    }

    /// Serves one connection over `io` until the connection is closed, and tells the service that `peer` is at the other end.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection at once.
    pub fn serve_connection_with<T>(
        &self,
        io: T,
        peer: PeerInfo,
    ) -> impl Future<Output = ()> + Send + use<S, T>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let peer = PeerInfo {
            options: self.options.clone(),
            ..peer
        };
        async move {
            if let Some(arrival) = Arrival::admit(&shared, &shared.places, &peer) {
                arrival.serve(ready(Ok((io, peer)))).await;
            }
        }
    }

    /// Shuts the server down, in this order:
    ///
    /// 1. The service and the clients that watch are told: health checks show NOT_SERVING.
    /// 2. The server goes on as before for [`Builder::shutdown_linger`](super::Builder::shutdown_linger). [`DrainHandle::resume`] can take
    ///    the shutdown back.
    /// 3. The server accepts what has arrived, closes its listeners and sends GOAWAY to every client.
    /// 4. Long-lived calls, such as `Watch`, end with `UNAVAILABLE` (14).
    /// 5. Other calls complete.
    /// 6. After [`Builder::shutdown_deadline`](super::Builder::shutdown_deadline) the server cuts the connections that are left.
    ///
    /// Completes when the last connection is closed, or 250 ms after the deadline; after a resume, with the next shutdown.
    ///
    /// # Cancel safety
    ///
    /// A shutdown begins when the future is first polled. It goes on when the future is dropped.
    pub async fn shutdown(&self) {
        let handle = self.drain_handle();
        handle.begin();
        handle.drained().await;
    }

    /// A handle that begins the server's shutdown, or takes it back, from elsewhere.
    #[must_use]
    pub fn drain_handle(&self) -> DrainHandle {
        DrainHandle::new(Arc::clone(&self.shared))
    }

    /// The server's counters at this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }
}

impl<S> Clone for Server<S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            listeners: Arc::clone(&self.listeners),
            options: self.options.clone(),
        }
    }
}

impl<S: Service> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addrs", &self.local_addrs())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
