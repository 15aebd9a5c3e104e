//! How a server takes a connection: the connection is admitted, joins the drain, and is served.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::io::{AsyncRead, AsyncWrite};

use super::shared::Shared;
use crate::connection::{self, Link};
use crate::service::{PeerInfo, Service};

/// Serves one connection from `addr` to its end. `opening` completes with the connection's byte stream and its peer.
pub(super) async fn serve<S, T>(
    shared: Arc<Shared<S>>,
    opening: impl Future<Output = io::Result<(T, PeerInfo)>>,
    addr: Option<SocketAddr>,
) where
    S: Service,
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    shared.start_background();
    shared.counters.connections.fetch_add(1, Relaxed);
    let ip = addr.map(|addr| addr.ip());
    let Some(mut place) = shared.places.take(&shared.config, ip) else {
        shared.counters.connections_refused.fetch_add(1, Relaxed);
        return;
    };
    let link = Arc::new(Link::new());
    let _member = shared.drain.join(Arc::clone(&link));
    let host = Arc::clone(&shared.host);
    connection::serve(host, link, opening, || place.settle()).await;
}
