//! How a server takes a connection: the connection is admitted, joins the drain, and is served.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::drain::Member;
use super::places::{Place, Places};
use super::shared::Shared;
use crate::connection::{self, Link};
use crate::observe::{Observer, Refused};
use crate::service::{Address, PeerInfo, Service};

/// With so many connections that have had a call, an address is one of many clients, and does not wait for the flood of one of them.
const MANY: usize = 16;

/// A connection that has a place.
pub(super) struct Arrival<S> {
    shared: Arc<Shared<S>>,
    address: Address,
    places: Arc<Places>,
    place: Place,
    link: Arc<Link>,
    _member: Member,
    remote: Option<SocketAddr>,
}

impl<S: Service> Arrival<S> {
    /// Takes one of `places` for a connection of `peer`. `None` if the connection is to be closed at once.
    pub(super) fn admit(
        shared: &Arc<Shared<S>>,
        places: &Arc<Places>,
        peer: &PeerInfo,
    ) -> Option<Self> {
        shared.start_background();
        let counters = &shared.counters;
        counters.connections.fetch_add(1, Relaxed);
        let now = shared.host.millis(Instant::now());
        let address = Address::of(peer);
        let refused = |why| {
            let observers = &shared.host.observers;
            observers.connection_refused(peer.remote_addr, why);
        };
        if shared.waits().is_waiting(now, address) {
            counters.connections_barred.fetch_add(1, Relaxed);
            refused(Refused::FloodWait);
            return None;
        }
        let link = Arc::new(Link::new());
        let (place, evicted) = places.take(now, address, Arc::clone(&link));
        counters
            .handshakes_evicted
            .fetch_add(evicted.handshakes, Relaxed);
        counters
            .connections_evicted
            .fetch_add(evicted.connections, Relaxed);
        let Some(place) = place else {
            counters.connections_refused.fetch_add(1, Relaxed);
            refused(Refused::MaxConnections);
            return None;
        };
        Some(Self {
            shared: Arc::clone(shared),
            address,
            places: Arc::clone(places),
            place,
            _member: shared.drain.join(Arc::clone(&link)),
            link,
            remote: peer.remote_addr,
        })
    }

    /// Serves the connection to its end. `opening` completes with the connection's byte stream and its peer.
    pub(super) fn serve<T>(
        self,
        opening: impl Future<Output = io::Result<(T, PeerInfo)>> + Send,
    ) -> impl Future<Output = ()> + Send
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let host = Arc::clone(&self.shared.host);
        let (link, remote) = (Arc::clone(&self.link), self.remote);
        // Boxed, so that the connection does not keep this memory to its end. Not an `async fn`, whose future has room for each argument
        // twice.
        let opening = Box::pin(opening);
        async move {
            let now = || self.shared.host.millis(Instant::now());
            let opened = || self.place.settle(now());
            let over = || self.remember(now());
            connection::serve(host, link, remote, opening, opened, over).await;
        }
    }

    /// Makes the peer wait at the door if the connection has ended for a flood.
    fn remember(&self, now: u64) {
        let wait = self.shared.config.flood_wait.as_millis();
        if self.link.is_flood()
            && wait > 0
            && !self.address.is_local()
            && !self.places.are_used(self.address, MANY)
        {
            let wait = u64::try_from(wait).unwrap_or(u64::MAX);
            self.shared.waits().begin(now, self.address, wait);
        }
    }
}

#[cfg(test)]
#[cfg(feature = "tls")]
mod tests;
