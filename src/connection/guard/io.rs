//! The wrapper between the socket and h2.

mod reading;
mod writing;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use super::super::config::Config;
use super::super::link::Link;
use super::end::End;
use super::gathered::Gathered;
use super::greeting::Greeting;
use super::held::Held;
use super::linger::Lingering;
use super::policy::Policy;
use super::readers::{Reader, Readers};
use super::repair::Repairer;

/// A connection's byte stream, whose bytes pass through the guard.
#[derive(Debug)]
pub(in crate::connection) struct Guard<T> {
    /// `None` after the socket has been handed over to [`Lingering`].
    io: Option<T>,
    heir: Option<oneshot::Sender<T>>,
    /// Whether the peer has closed its side.
    ended: bool,
    /// Whether the next read may return something else than the socket's bytes: after a flood, while bytes are kept from h2, or at the end
    /// of the input.
    detour: bool,
    /// Whether the socket had no bytes when it was last asked.
    drained: bool,
    end: End,
    repairer: Repairer,
    /// The GOAWAY that the guard writes in place of h2's, and how many of its bytes have been written.
    farewell: (Vec<u8>, usize),
    link: Arc<Link>,
    policy: Policy,
    reader: Reader,
    /// `None` after the server's SETTINGS have been written.
    greeting: Option<Greeting>,
    /// The beginning of an incomplete frame, if late frames are possible.
    held: Held,
    largest_frame: usize,
    pub(super) gathered: Gathered,
    /// How many bytes h2 has offered and the socket has not taken. h2 offers these bytes again.
    offered: usize,
    start: Instant,
    /// How many bytes the guard reads in one poll of the connection, without those that the [`Portion`](super::portion::Portion) spares.
    read_budget: u64,
    header_budget: u64,
    header_block_timeout: Duration,
    handshake_timeout: Duration,
    /// The timer of a header block or of the handshake; `None` while neither is under way.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<T> Guard<T> {
    /// Wraps the stream. The [`Lingering`] takes the socket over when h2 drops the guard.
    pub(in crate::connection) fn new(
        io: T,
        link: Arc<Link>,
        config: &Config,
        readers: &Readers,
    ) -> (Self, Lingering<T>) {
        let (heir, rest) = oneshot::channel();
        let guard = Self {
            io: Some(io),
            heir: Some(heir),
            ended: false,
            detour: false,
            drained: false,
            end: End::default(),
            repairer: Repairer::new(config.header_table_size),
            farewell: (Vec::new(), 0),
            link,
            policy: Policy::new(&config.guard()),
            reader: Reader::new(readers.clone()),
            greeting: Some(Greeting::new(config.max_header_list_size)),
            held: Held::default(),
            largest_frame: usize::try_from(config.max_frame_size).unwrap_or(usize::MAX),
            gathered: Gathered::default(),
            offered: 0,
            start: Instant::now(),
            read_budget: u64::try_from(config.read_budget.max(1)).unwrap_or(u64::MAX),
            header_budget: u64::try_from(config.header_budget.max(1)).unwrap_or(u64::MAX),
            header_block_timeout: config.header_block_timeout,
            handshake_timeout: config.handshake_timeout,
            timer: None,
        };
        (guard, Lingering::new(rest))
    }

    fn io(&mut self) -> io::Result<&mut T> {
        self.io
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Tells the link whether the socket takes no bytes. After the first `Pending`, h2 stops writing until the socket wakes the task.
    fn note<R>(&self, result: Poll<R>) -> Poll<R> {
        let blocked = result.is_pending();
        if self.link.is_write_blocked() != blocked {
            self.link.write_blocked.store(blocked, Relaxed);
        }
        result
    }
}

/// Adds to a counter. A load and a store are enough, since each counter has only one writer.
fn add(counter: &AtomicU64, n: usize) {
    let n = u64::try_from(n).unwrap_or(u64::MAX);
    counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
}

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        let at_odds =
            self.policy.is_foreign() || self.link.is_flooded() || self.link.failed.load(Relaxed);
        if self.ended || !at_odds {
            return;
        }
        if let (Some(io), Some(heir)) = (self.io.take(), self.heir.take()) {
            // Nobody receives the socket if the connection's task was aborted.
            let _ = heir.send(io);
        }
    }
}
