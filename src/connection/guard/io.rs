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
use super::greeting::Greeting;
use super::held::Held;
use super::linger::Lingering;
use super::policy::Policy;
use super::repair::Repairer;

/// A connection's byte stream, watched.
#[derive(Debug)]
pub(in crate::connection) struct Guard<T> {
    /// `None` only once it is handed over.
    io: Option<T>,
    heir: Option<oneshot::Sender<T>>,
    /// The peer has closed its side.
    ended: bool,
    /// A read is not what the socket has: the peer has gone too far, something is kept from h2, or this is the end.
    detour: bool,
    end: End,
    repairer: Repairer,
    /// The GOAWAY that is written in place of h2's, and how much of it is.
    farewell: (Vec<u8>, usize),
    link: Arc<Link>,
    policy: Policy,
    /// Until it is written.
    greeting: Option<Greeting>,
    /// The beginning of a frame, while late ones may come.
    held: Held,
    largest_frame: usize,
    /// How many of the bytes that h2 has offered the socket has not taken. h2 offers them again.
    offered: usize,
    start: Instant,
    /// How many bytes are read in one poll of the connection.
    read_budget: u64,
    header_budget: u64,
    header_block_timeout: Duration,
    handshake_timeout: Duration,
    /// Only while one of them runs.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<T> Guard<T> {
    /// The stream, and what takes the socket over when h2 is done with it.
    pub(in crate::connection) fn new(
        io: T,
        link: Arc<Link>,
        config: &Config,
    ) -> (Self, Lingering<T>) {
        let (heir, rest) = oneshot::channel();
        let guard = Self {
            io: Some(io),
            heir: Some(heir),
            ended: false,
            detour: false,
            end: End::default(),
            repairer: Repairer::new(),
            farewell: (Vec::new(), 0),
            link,
            policy: Policy::new(&config.guard()),
            greeting: Some(Greeting::new(config.max_header_list_size)),
            held: Held::default(),
            largest_frame: usize::try_from(config.max_frame_size).unwrap_or(usize::MAX),
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

    /// Notes whether the peer's side is full: h2 gives up a write at the first `Pending` and takes it up again when woken.
    fn note<R>(&self, result: Poll<R>) -> Poll<R> {
        let blocked = result.is_pending();
        if self.link.is_write_blocked() != blocked {
            self.link.write_blocked.store(blocked, Relaxed);
        }
        result
    }
}

/// There is one writer, so a load and a store do.
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
            // Nobody waits for it when the connection's task is aborted.
            let _ = heir.send(io);
        }
    }
}
