//! The server itself.

use std::fmt;
use std::future::{Future, poll_fn, ready};
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::arrival;
use super::builder::{Builder, NoService};
use super::config::Config;
use super::drain::Phase;
use super::handle::DrainHandle;
use super::host::Host;
use super::listener::{Accept, accept_loop};
use super::stats::Stats;
#[cfg(unix)]
use super::unix::UnixServer;
use crate::service::{PeerInfo, Service};
#[cfg(feature = "tls")]
use crate::tls::ServerTls;

/// Serves a [`Service`] to HTTP/2 clients, with prior knowledge or over TLS (feature `tls`).
///
/// It takes a tokio runtime with sockets and timers (`enable_all`, as `#[tokio::main]` has it). Clones are the same server.
pub struct Server<S> {
    host: Arc<Host<S>>,
    listeners: Arc<Mutex<Listeners>>,
}

#[derive(Default)]
pub(super) struct Listeners {
    /// Bound, and not served yet.
    pub(super) bound: Vec<Listener>,
    addrs: Vec<SocketAddr>,
    #[cfg(unix)]
    pub(super) unix: Vec<PathBuf>,
}

pub(super) enum Listener {
    Tcp(TcpListener),
    #[cfg(feature = "tls")]
    Tls(TcpListener, ServerTls),
    #[cfg(unix)]
    Unix(UnixServer),
}

impl Server<NoService> {
    /// A server's settings, to begin with.
    pub fn builder() -> Builder<NoService> {
        Builder::new()
    }
}

impl<S: Service> Server<S> {
    pub(super) fn new(service: S, config: Config) -> Self {
        Self {
            host: Arc::new(Host::new(service, config)),
            listeners: Arc::default(),
        }
    }

    pub(super) fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a listener made elsewhere, such as one that systemd passes to the process.
    ///
    /// # Errors
    ///
    /// Those of asking `listener` for its address.
    pub fn add_listener(&self, listener: TcpListener) -> io::Result<()> {
        let addr = listener.local_addr()?;
        self.add(addr, Listener::Tcp(listener));
        Ok(())
    }

    /// Adds a listener made elsewhere, as [`add_listener`](Self::add_listener) does, for TLS.
    ///
    /// # Errors
    ///
    /// Those of [`add_listener`](Self::add_listener).
    #[cfg(feature = "tls")]
    pub fn add_tls_listener(&self, listener: TcpListener, tls: &ServerTls) -> io::Result<()> {
        let addr = listener.local_addr()?;
        self.add(addr, Listener::Tls(listener, tls.clone()));
        Ok(())
    }

    fn add(&self, addr: SocketAddr, listener: Listener) {
        let mut listeners = self.listeners();
        listeners.addrs.push(addr);
        listeners.bound.push(listener);
    }

    /// The address of the first TCP listener, with the port that the system chose if it was bound to port 0.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listeners().addrs.first().copied()
    }

    /// The addresses of all TCP listeners, in the order they were added.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners().addrs.clone()
    }

    /// Accepts and serves connections until [`shutdown`](Self::shutdown) is complete. Each connection is a task on the current runtime.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is no listener that is not served yet. Errors of `accept` are survived, and counted in
    /// [`stats`](Self::stats).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the listeners; connections that were accepted go on.
    pub fn serve(&self) -> impl Future<Output = io::Result<()>> + Send + use<S> {
        let listeners = std::mem::take(&mut self.listeners().bound);
        let host = Arc::clone(&self.host);
        async move {
            if listeners.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "there is no listener",
                ));
            }
            host.start_background();
            let mut loops = JoinSet::new();
            for listener in listeners {
                let host = Arc::clone(&host);
                match listener {
                    Listener::Tcp(tcp) => loops.spawn(accept(host, tcp, |io, peer, config| {
                        prepare(&io, config);
                        ready(Ok((io, peer)))
                    })),
                    #[cfg(feature = "tls")]
                    Listener::Tls(tcp, tls) => {
                        loops.spawn(accept(host, tcp, move |io, peer, config| {
                            prepare(&io, config);
                            let secured = tls.accept(io);
                            async move {
                                let (io, certificates) = secured.await?;
                                Ok((
                                    io,
                                    PeerInfo {
                                        certificates,
                                        ..peer
                                    },
                                ))
                            }
                        }))
                    }
                    #[cfg(unix)]
                    Listener::Unix(unix) => {
                        loops.spawn(accept(host, unix, |io, peer, _| ready(Ok((io, peer)))))
                    }
                };
            }
            host.drain.reached(Phase::Closing).await;
            loops.shutdown().await;
            host.drain.reached(Phase::Gone).await;
            Ok(())
        }
    }

    /// Serves as [`serve`](Self::serve) does, and shuts down when `signal` completes.
    ///
    /// # Errors
    ///
    /// Those of [`serve`](Self::serve).
    ///
    /// # Cancel safety
    ///
    /// As [`serve`](Self::serve). A shutdown that has begun goes on.
    pub fn serve_with_shutdown<F>(
        &self,
        signal: F,
    ) -> impl Future<Output = io::Result<()>> + Send + use<S, F>
    where
        F: Future<Output = ()> + Send,
    {
        let serving = self.serve();
        let host = Arc::clone(&self.host);
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
                    DrainHandle::new(host).begin();
                    serving.await
                }
            }
        }
    }

    /// Serves as [`serve`](Self::serve) does, on a listener made elsewhere.
    ///
    /// # Errors
    ///
    /// Those of asking `listener` for its address.
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

    /// Serves one connection, until it is closed: for streams that no listener of this server gives, such as a pipe in memory.
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

    /// Serves as [`serve_connection`](Self::serve_connection) does, and tells the service who the peer is.
    ///
    /// # Cancel safety
    ///
    /// As [`serve_connection`](Self::serve_connection).
    pub fn serve_connection_with<T>(
        &self,
        io: T,
        peer: PeerInfo,
    ) -> impl Future<Output = ()> + Send + use<S, T>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let addr = peer.remote_addr;
        arrival::serve(Arc::clone(&self.host), ready(Ok((io, peer))), addr)
    }

    /// Shuts the server down, in order:
    ///
    /// 1. the service is told, and so are the clients that watch;
    /// 2. for [`Builder::shutdown_linger`] all goes on as before, and [`DrainHandle::resume`] can keep the server;
    /// 3. listeners are closed, and every client is told to go away (GOAWAY);
    /// 4. streams that have no end of their own, such as `Watch`, end with `UNAVAILABLE` (14);
    /// 5. other calls complete;
    /// 6. after [`Builder::shutdown_deadline`] what is left is cut.
    ///
    /// Completes when the last connection is closed, or 250 ms after the deadline. If the shutdown is taken back, that may be never.
    ///
    /// # Cancel safety
    ///
    /// A shutdown that has begun goes on when the future is dropped. It begins when the future is first polled.
    pub async fn shutdown(&self) {
        let handle = self.drain_handle();
        handle.begin();
        handle.drained().await;
    }

    /// What takes the server down, or keeps it, from elsewhere.
    #[must_use]
    pub fn drain_handle(&self) -> DrainHandle {
        DrainHandle::new(Arc::clone(&self.host))
    }

    /// What the server has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.host.counters.read(self.host.drain.open())
    }
}

/// Accepts connections for ever. `open` makes byte streams of them, in their own tasks.
async fn accept<S, L, F, T>(
    host: Arc<Host<S>>,
    listener: L,
    open: impl Fn(L::Io, PeerInfo, &Config) -> F,
) where
    S: Service,
    L: Accept,
    F: Future<Output = io::Result<(T, PeerInfo)>> + Send + 'static,
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let connected = |io, peer: PeerInfo| {
        let addr = peer.remote_addr;
        let opening = open(io, peer, &host.config);
        tokio::spawn(arrival::serve(Arc::clone(&host), opening, addr));
    };
    let failed = |_: &io::Error| {
        host.counters.accept_errors.fetch_add(1, Relaxed);
    };
    accept_loop(&listener, connected, failed).await;
}

/// Sets what is to be set of a TCP socket. Where that fails the connection is slower, or found dead later, and no worse.
fn prepare(io: &TcpStream, config: &Config) {
    // Replies are small and written once per turn: there is nothing to wait for.
    let _ = io.set_nodelay(true);
    // The kernel gives up on bytes that are not acknowledged when the PING would: gRFC A18.
    #[cfg(target_os = "linux")]
    if config.keepalive_interval.is_some() {
        let timeout = Some(config.keepalive_timeout);
        let _ = SockRef::from(io).set_tcp_user_timeout(timeout);
    }
}

impl<S> Clone for Server<S> {
    fn clone(&self) -> Self {
        Self {
            host: Arc::clone(&self.host),
            listeners: Arc::clone(&self.listeners),
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn unacknowledged_bytes_end_a_connection_when_a_ping_would() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        for interval in [None, Some(Duration::from_secs(60))] {
            let io = TcpStream::connect(addr).await.unwrap();
            let config = Config {
                keepalive_interval: interval,
                keepalive_timeout: Duration::from_secs(7),
                ..Config::default()
            };
            prepare(&io, &config);
            assert!(io.nodelay().unwrap());
            let set = SockRef::from(&io).tcp_user_timeout().unwrap();
            assert_eq!(set, interval.map(|_| Duration::from_secs(7)));
        }
    }
}
