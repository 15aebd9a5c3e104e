//! The beginning of a connection: the TLS handshake, if there is one, and the HTTP/2 prefaces.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::connection::Connection;
use super::guard::{Guard, Lingering};
use super::host::Host;
use super::link::Link;
use super::phase::Phase;
#[cfg(feature = "http1")]
use super::{guard, plain, sniff::Sniffed};
use crate::observe::{Close, Observer, Observers, Refused};
#[cfg(feature = "http1")]
use crate::service::ListenOptions;
#[cfg(feature = "http1")]
use crate::service::Protocol;
use crate::service::{PeerInfo, Service};

/// Serves one connection to its end. `opening` completes with the connection's byte stream and its peer, at once or after a TLS handshake.
/// `remote` is the peer's address as far as it is known before.
/// `opened` is called when the HTTP/2 handshake has succeeded, and `over` when the connection has ended, before the server reads on for a
/// while after an error.
pub(crate) fn serve<S, T>(
    host: Arc<Host<S>>,
    link: Arc<Link>,
    remote: Option<SocketAddr>,
    opening: impl Future<Output = io::Result<(T, PeerInfo)>>,
    opened: impl FnOnce(),
    over: impl FnOnce(),
) -> impl Future<Output = ()>
where
    S: Service,
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let time = host.config.handshake_timeout;
    // Not an `async fn`, whose future has room for each argument twice.
    async move {
        let mut rest = None;
        // Boxed, and dropped when it is done: a handshake is as large as a connection, and would otherwise keep its memory beside it.
        let arrived = Box::pin(timeout(time, arrive(&host, &link, opening, &mut rest))).await;
        match arrived {
            Ok(Some(Ok(Arrived::Http2(connection)))) => {
                opened();
                let mut open = Open::new(&host.observers, remote);
                open.reason = connection.await;
            }
            #[cfg(feature = "http1")]
            Ok(Some(Ok(Arrived::Http1(mut io, options)))) => {
                let mut open = Open::new(&host.observers, remote);
                let polite = Box::pin(plain::serve(&host, &link, &options, &mut io, opened)).await;
                open.reason = match &link {
                    link if link.is_flood() => Close::Flood,
                    link if link.is_to_leave() => Close::Evicted,
                    link if link.phase() >= Phase::Closing => Close::Shutdown,
                    _ => Close::Client,
                };
                drop(open);
                over();
                if polite {
                    Box::pin(guard::linger(io, &link)).await;
                }
                return;
            }
            Ok(Some(Err(Failed::Refused))) => {
                host.counters.connection_errors.fetch_add(1, Relaxed);
                host.observers
                    .connection_refused(remote, Refused::Handshake);
            }
            Ok(Some(Err(Failed::Gone)) | None) => {}
            Err(_) => {
                host.counters.connections_timed_out.fetch_add(1, Relaxed);
                host.observers
                    .connection_refused(remote, Refused::HandshakeTimeout);
            }
        }
        over();
        if let Some(lingering) = rest {
            lingering.close(&link).await;
        }
    }
}

/// A connection whose client has shown which version of HTTP it speaks.
enum Arrived<S: Service, T> {
    Http2(Box<Connection<S, Stream<T>>>),
    #[cfg(feature = "http1")]
    Http1(Stream<T>, Arc<ListenOptions>),
}

/// The byte stream that is served.
#[cfg(feature = "http1")]
type Stream<T> = Sniffed<T>;
#[cfg(not(feature = "http1"))]
type Stream<T> = T;

/// Tells the observers when a connection is opened, and when the connection is closed or its task is dropped.
struct Open<'a> {
    observers: &'a Observers,
    remote: Option<SocketAddr>,
    reason: Close,
}

impl<'a> Open<'a> {
    fn new(observers: &'a Observers, remote: Option<SocketAddr>) -> Self {
        observers.connection_opened(remote);
        Self {
            observers,
            remote,
            reason: Close::Dropped,
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.observers.connection_closed(self.remote, self.reason);
    }
}

/// Why a handshake failed.
enum Failed {
    /// The peer's bytes were not a valid handshake.
    Refused,
    /// The peer went away, in TLS or before the first byte of HTTP/2, as a load balancer's probe does. This is not an error.
    Gone,
}

type Handshake<T> = Pin<Box<h2::server::Handshake<Guard<T>, Bytes>>>;

/// Begins the HTTP/2 handshake. Boxed: it is large, and a client may be long in its TLS handshake before.
fn begin<S: Service, T: AsyncRead + AsyncWrite + Unpin>(
    host: &Host<S>,
    link: &Arc<Link>,
    io: T,
) -> (Handshake<T>, Lingering<T>) {
    let (guard, lingering) = Guard::new(io, Arc::clone(link), &host.config, &host.readers);
    (Box::pin(host.http2.handshake(guard)), lingering)
}

/// Makes a connection of a byte stream: finds out which version of HTTP the client speaks, and exchanges the prefaces of HTTP/2.
async fn greet<S: Service, T: AsyncRead + AsyncWrite + Unpin>(
    host: &Arc<Host<S>>,
    link: &Arc<Link>,
    (io, peer): (T, PeerInfo),
    rest: &mut Option<Lingering<Stream<T>>>,
) -> Result<Arrived<S, T>, Failed> {
    #[cfg(feature = "http1")]
    let io = {
        let mut io = Sniffed::new(io);
        if let Some(options) = peer.options.as_ref().filter(|options| options.has_http1()) {
            let is_http2 = match peer.protocol {
                Protocol::Http1 => false,
                Protocol::Http2 => true,
                Protocol::Unknown => io.is_http2().await.map_err(|_| Failed::Gone)?,
            };
            if !is_http2 {
                return Ok(Arrived::Http1(io, Arc::clone(options)));
            }
        }
        io
    };
    let (handshake, lingering) = begin(host, link, io);
    *rest = Some(lingering);
    let http2 = match handshake.await {
        Ok(http2) => http2,
        Err(error) if error.is_io() => return Err(Failed::Gone),
        Err(_) if link.bytes_read.load(Relaxed) == 0 => return Err(Failed::Gone),
        Err(_) => return Err(Failed::Refused),
    };
    let (host, link) = (Arc::clone(host), Arc::clone(link));
    Ok(Arrived::Http2(Box::new(Connection::new(
        host, link, http2, peer,
    ))))
}

/// Waits for the byte stream, and makes a connection of the stream. `None` if the server is cut before that is done.
async fn arrive<S: Service, T: AsyncRead + AsyncWrite + Unpin>(
    host: &Arc<Host<S>>,
    link: &Arc<Link>,
    opening: impl Future<Output = io::Result<(T, PeerInfo)>>,
    rest: &mut Option<Lingering<Stream<T>>>,
) -> Option<Result<Arrived<S, T>, Failed>> {
    let mut handshake = pin!(async {
        let opened = opening.await.map_err(|error| match error.kind() {
            ErrorKind::InvalidData => Failed::Refused,
            _ => Failed::Gone,
        })?;
        // Boxed, so that a client that says nothing before its TLS handshake costs none of the state.
        Box::pin(greet(host, link, opened, rest)).await
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
