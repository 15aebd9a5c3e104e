//! How a connection begins: it is admitted, secured where it is to be, and prefaces are exchanged.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::config::Config;
use super::connection::Connection;
use super::drain::Phase;
use super::guard::{Guard, Lingering};
use super::host::Host;
use super::link::Link;
use crate::service::{PeerInfo, Service};

/// Serves one connection from `addr` to its end. `opening` completes with its byte stream and who is at the other end of it: at once, or
/// after a handshake of its own.
pub(super) async fn serve<S, T>(
    host: Arc<Host<S>>,
    opening: impl Future<Output = io::Result<(T, PeerInfo)>>,
    addr: Option<SocketAddr>,
) where
    S: Service,
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    host.start_background();
    host.counters.connections.fetch_add(1, Relaxed);
    let ip = addr.map(|addr| addr.ip());
    let Some(mut place) = host.places.take(&host.config, ip) else {
        host.counters.connections_refused.fetch_add(1, Relaxed);
        return;
    };
    let link = Arc::new(Link::new());
    let _member = host.drain.join(Arc::clone(&link));
    let time = host.config.handshake_timeout;
    let mut rest = None;
    // In a box that goes when it is done: a handshake is as large as a connection, and would keep its room beside it.
    let arrived = Box::pin(timeout(time, arrive(&host, &link, opening, &mut rest))).await;
    match arrived {
        Ok(Some(Ok(connection))) => {
            place.settle();
            connection.await;
        }
        Ok(Some(Err(Failed::Refused))) => {
            host.counters.connection_errors.fetch_add(1, Relaxed);
        }
        Ok(Some(Err(Failed::Gone)) | None) => {}
        Err(_) => {
            host.counters.connections_timed_out.fetch_add(1, Relaxed);
        }
    }
    if let Some(lingering) = rest {
        lingering.close(&link).await;
    }
}

/// Why there is no connection.
enum Failed {
    /// What the peer said was not what it should say.
    Refused,
    /// It went away without a word, as a load balancer's probe does: no error.
    Gone,
}

/// Makes a connection of a byte stream: exchanges prefaces with the client. `None` if the server is cut before that is done.
async fn arrive<S: Service, T: AsyncRead + AsyncWrite + Unpin>(
    host: &Arc<Host<S>>,
    link: &Arc<Link>,
    opening: impl Future<Output = io::Result<(T, PeerInfo)>>,
    rest: &mut Option<Lingering<T>>,
) -> Option<Result<Box<Connection<S, T>>, Failed>> {
    let mut handshake = pin!(async {
        let (io, peer) = opening.await.map_err(|error| match error.kind() {
            ErrorKind::InvalidData => Failed::Refused,
            _ => Failed::Gone,
        })?;
        let (guard, lingering) = Guard::new(io, Arc::clone(link), &host.config);
        *rest = Some(lingering);
        let http2 = match host.http2.handshake(guard).await {
            Ok(http2) => http2,
            Err(_) if link.bytes_read.load(Relaxed) == 0 => return Err(Failed::Gone),
            Err(_) => return Err(Failed::Refused),
        };
        let (host, link) = (Arc::clone(host), Arc::clone(link));
        Ok(Box::new(Connection::new(host, link, http2, peer)))
    });
    poll_fn(|cx| {
        link.begin();
        loop {
            if link.phase() >= Phase::Cut {
                return Poll::Ready(None);
            }
            if let Poll::Ready(done) = handshake.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            if link.park(cx.waker()) {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// The connections that there may be, and those that there are.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    handshakes: usize,
    /// Only kept where the number for each address is limited.
    by_ip: HashMap<IpAddr, usize>,
}

impl Places {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from `ip`, until it is dropped. `None` if there is none left.
    fn take(self: &Arc<Self>, config: &Config, ip: Option<IpAddr>) -> Option<Place> {
        let mut taken = self.taken();
        if taken.total >= config.max_connections || taken.handshakes >= config.max_handshakes {
            return None;
        }
        let limited = config.max_connections_per_ip.zip(ip);
        if let Some((max, ip)) = limited {
            let from_ip = taken.by_ip.entry(ip).or_default();
            if *from_ip >= max {
                return None;
            }
            *from_ip += 1;
        }
        taken.total += 1;
        taken.handshakes += 1;
        Some(Place {
            places: Arc::clone(self),
            ip: limited.map(|(_, ip)| ip),
            settled: false,
        })
    }
}

/// One of the places.
#[derive(Debug)]
struct Place {
    places: Arc<Places>,
    ip: Option<IpAddr>,
    settled: bool,
}

impl Place {
    /// The handshake is done.
    fn settle(&mut self) {
        self.places.taken().settle(&mut self.settled);
    }
}

impl Taken {
    fn settle(&mut self, settled: &mut bool) {
        if !std::mem::replace(settled, true) {
            self.handshakes = self.handshakes.saturating_sub(1);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.settle(&mut self.settled);
        taken.total = taken.total.saturating_sub(1);
        if let Some(ip) = self.ip {
            let left = taken.by_ip.get_mut(&ip).map(|from_ip| {
                *from_ip = from_ip.saturating_sub(1);
                *from_ip
            });
            if left == Some(0) {
                taken.by_ip.remove(&ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_in_all_and_for_each_address_and_are_given_back() {
        let config = Config {
            max_connections: 3,
            max_connections_per_ip: Some(2),
            ..Config::default()
        };
        let (one, two) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let places = Arc::new(Places::default());
        let first = places.take(&config, Some(one)).expect("a place");
        let _second = places.take(&config, Some(one)).expect("a place");
        assert!(places.take(&config, Some(one)).is_none());
        // Not counted for the address that was refused.
        drop(first);
        let _third = places.take(&config, Some(one)).expect("a place");
        let fourth = places.take(&config, None).expect("a place");
        assert!(places.take(&config, Some(two)).is_none());
        drop(fourth);
        drop(places.take(&config, Some(two)).expect("a place"));
        assert_eq!(places.taken().by_ip.len(), 1);
    }

    #[test]
    fn handshakes_are_limited_until_they_are_done() {
        let config = Config {
            max_handshakes: 1,
            ..Config::default()
        };
        let places = Arc::new(Places::default());
        let mut first = places.take(&config, None).expect("a place");
        assert!(places.take(&config, None).is_none());
        first.settle();
        drop(places.take(&config, None).expect("a place"));
        drop(first);
        let taken = places.taken();
        assert_eq!((taken.total, taken.handshakes), (0, 0));
    }
}
