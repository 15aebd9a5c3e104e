//! The state of one connection, which its task owns.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;

use bytes::Bytes;
use h2::PingPong;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};

use super::guard::Guard;
use super::host::Host;
use super::intake::Intake;
use super::lifetime::Lifetime;
use super::link::Link;
use super::phase::Phase;
use super::sending::Sending;
use super::standing::Doing;
use super::stream::{Bodies, Conditions, Turn};
use super::tally::Tally;
use super::timers::Timer;
use super::waiting::Waiting;
use crate::buffers;
use crate::call::Turns;
use crate::observe::Meters;
use crate::service::{PeerInfo, Service};

/// More calls than this at once are many: h2 keeps some 330 bytes for each, until the connection ends.
pub(super) const MANY: usize = 64;

pub(super) type Http2<T> = h2::server::Connection<Guard<T>, Bytes>;

/// A connection after its handshake: a future that completes when the connection is closed.
pub(super) struct Connection<S: Service, T> {
    pub(super) http2: Http2<T>,
    pub(super) host: Arc<Host<S>>,
    pub(super) link: Arc<Link>,
    pub(super) peer: Arc<PeerInfo>,
    pub(super) turns: Turns,
    pub(super) meters: Meters,
    /// How many of the HEADERS frames that the guard has read have been accepted or refused.
    pub(super) heads: u64,
    /// Whether many calls have been open at once.
    pub(super) crowded: bool,
    pub(super) waiting: Waiting<S>,
    pub(super) bodies: Bodies,
    pub(super) intake: Intake,
    /// How many messages have waited for room.
    pub(super) tickets: u64,
    pub(super) tally: Tally,
    pub(super) sending: Sending,
    pub(super) departure: Departure,
    /// How far the connection itself has gone towards its end; the server's drain may be further.
    pub(super) phase: Phase,
    pub(super) lifetime: Lifetime,
    pub(super) timer: Timer,
    /// What the server was last told that the connection does, and whether calls have come since.
    pub(super) doing: Doing,
    pub(super) called: bool,
    /// From when on the server is told of new calls.
    pub(super) tell_at: Instant,
    pub(super) ping_pong: Option<PingPong>,
}

/// How far the connection has followed the server's drain.
pub(super) enum Departure {
    /// The connection is not ending.
    Staying,
    /// Every call has been polled once more, so that watchers get NOT_SERVING before the GOAWAY.
    Announced,
    /// The GOAWAY is queued.
    Leaving,
    /// The GOAWAY is written, and the connection ends the long-lived calls.
    Ending,
    /// The remaining calls have been dropped, and h2 writes the last frames.
    Cut(Pin<Box<Sleep>>),
}

impl<S, T> Connection<S, T>
where
    S: Service,
    T: AsyncRead + AsyncWrite + Unpin,
{
    pub(super) fn new(
        host: Arc<Host<S>>,
        link: Arc<Link>,
        mut http2: Http2<T>,
        peer: PeerInfo,
    ) -> Self {
        link.set_keeps_end();
        let waker = Waker::from(Arc::clone(&link));
        let intake = Intake::new(&host.received, &host.config, waker);
        let window = host.config.stream_window();
        let now = Instant::now();
        Self {
            ping_pong: http2.ping_pong(),
            lifetime: Lifetime::new(&host.config, now),
            tell_at: now,
            timer: Timer::default(),
            doing: Doing::Arriving,
            called: false,
            phase: Phase::Serving,
            sending: Sending::new(&host.outbox, &host.config, &link),
            http2,
            turns: host.turns.of_connection(),
            meters: Meters::new(&host.observers),
            host,
            waiting: Waiting::new(Arc::clone(&link)),
            bodies: Bodies::new(Arc::clone(&link), window),
            intake,
            tickets: 0,
            link,
            peer: Arc::new(peer),
            heads: 0,
            crowded: false,
            tally: Tally::default(),
            departure: Departure::Staying,
        }
    }
}

impl<S: Service, T> Connection<S, T> {
    pub(super) fn with_waiting<R>(
        &mut self,
        f: impl FnOnce(&mut Waiting<S>, &mut Turn<'_, S>) -> R,
    ) -> R {
        let mut turn = Turn {
            host: &self.host,
            peer: &self.peer,
            turns: &self.turns,
            tally: &mut self.tally,
            bodies: &mut self.bodies,
            sending: &mut self.sending,
            conditions: Conditions {
                write_blocked: self.link.is_write_blocked(),
                ending: matches!(self.departure, Departure::Ending),
            },
        };
        f(&mut self.waiting, &mut turn)
    }

    /// Lets h2 see the end of the input, if no answer is on its way. Returns false if the guard keeps no end, or an answer is on its way.
    pub(super) fn let_end_pass(&self) -> bool {
        let pass = self.link.is_end_kept()
            && !self.link.is_write_blocked()
            && !self.waiting.is_answering();
        if pass {
            self.link.let_end_pass();
        }
        pass
    }

    /// Whether the connection keeps memory that it does not need without calls.
    pub(super) fn is_swollen(&self) -> bool {
        self.waiting.is_swollen() || self.sending.is_swollen()
    }

    /// Gives back what the connection does not need without calls.
    pub(super) fn shrink(&mut self) {
        self.bodies.shrink();
        self.waiting.shrink();
        self.sending.shrink();
        buffers::tidy();
    }

    /// Adds the streams that h2 has reset as malformed to the server's counters.
    pub(super) fn tell_malformed(&self) {
        let malformed = self.link.take_malformed();
        if malformed > 0 {
            let counters = &self.host.counters;
            counters.streams_malformed.fetch_add(malformed, Relaxed);
        }
    }

    /// Adds the connection's new counts to the server's counters.
    pub(super) fn tell(&mut self) {
        self.tally.waiting = self.waiting.len() as u64;
        let (read, written) = (&self.link.bytes_read, &self.link.bytes_written);
        self.tally.tell(
            &self.host.counters,
            read.load(Relaxed),
            written.load(Relaxed),
        );
    }
}

impl<S: Service, T> Drop for Connection<S, T> {
    fn drop(&mut self) {
        self.waiting.clear(&mut self.sending, &mut self.tally);
        buffers::tidy();
        self.tell();
        self.tell_malformed();
    }
}
