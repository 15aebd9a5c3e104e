//! How the connections of each kind of listener are accepted and become byte streams.

use std::future::{Future, ready};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(feature = "tls")]
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::accept_loop::accept_until;
use super::arrival::Arrival;
use super::drain::Hold;
use super::listener::{Accept, prepare};
use super::listeners::{Bound, Listener};
use super::places::Places;
use super::shared::Shared;
use crate::connection::{self, Phase};
use crate::service::{ListenOptions, PeerInfo, Service};

/// Accepts the connections of one listener in a task of its own.
pub(super) fn listen<S: Service>(loops: &mut JoinSet<()>, shared: &Arc<Shared<S>>, bound: Bound) {
    let shared = Arc::clone(shared);
    let Bound { listener, options } = bound;
    let hold = shared.drain.hold();
    let Ok(listener) = listener.moved_here() else {
        shared.counters.accept_errors.fetch_add(1, Relaxed);
        return;
    };
    match listener {
        Listener::Tcp(tcp) => {
            loops.spawn(accept(shared, hold, tcp, options, |io, peer, config| {
                prepare(&io, config);
                ready(Ok((io, peer)))
            }))
        }
        #[cfg(feature = "tls")]
        Listener::Tls(tcp, tls) => {
            let open = move |io: TcpStream, peer: PeerInfo, config: &connection::Config| {
                prepare(&io, config);
                let tls = tls.clone();
                // Not an `async fn`, whose future would have room for each argument twice.
                async move {
                    // A client that says nothing costs a socket, and no state of TLS. A new socket may count as readable before it is.
                    io.peek(&mut [0]).await?;
                    let http1 = peer.may_speak_http1();
                    let (io, certificates, is_http2) = Box::pin(tls.accept(io, http1)).await?;
                    let peer = PeerInfo {
                        certificates,
                        ..peer
                    };
                    Ok((io, peer.agreed(is_http2)))
                }
            };
            loops.spawn(accept(shared, hold, tcp, options, open))
        }
        #[cfg(unix)]
        Listener::Unix(unix) => loops.spawn(accept(shared, hold, unix, options, |io, peer, _| {
            ready(Ok((io, peer)))
        })),
    };
}

/// Accepts connections until the server closes its listeners. Each has a task of its own, in which `open` turns it into a byte stream.
async fn accept<S, L, F, T>(
    shared: Arc<Shared<S>>,
    _hold: Hold,
    listener: L,
    options: Option<Arc<ListenOptions>>,
    open: impl Fn(L::Io, PeerInfo, &connection::Config) -> F,
) where
    S: Service,
    L: Accept,
    F: Future<Output = io::Result<(T, PeerInfo)>> + Send + 'static,
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let places = Arc::new(Places::new(&shared.config));
    let connected = |io, mut peer: PeerInfo| {
        peer.options = options.clone();
        // A connection that is not admitted costs no task.
        if let Some(arrival) = Arrival::admit(&shared, &places, &peer) {
            let opening = open(io, peer, &shared.host.config);
            tokio::spawn(arrival.serve(opening));
        }
    };
    let failed = |_: &io::Error| {
        shared.counters.accept_errors.fetch_add(1, Relaxed);
    };
    let closing = shared.drain.reached(Phase::Closing);
    let backlog = shared.config.backlog;
    let most = shared.config.max_connections;
    accept_until(&listener, closing, backlog, most, connected, failed).await;
}
