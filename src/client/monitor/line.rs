//! What an endpoint's connection and the pairs of the endpoint tell each other.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::watch;

use super::state::Unreachable;
use crate::client::Client;

/// What an endpoint tells its pairs.
#[derive(Clone)]
pub(super) enum Phase {
    /// The first attempt is under way.
    Connecting,
    /// There is a connection, and this is its number.
    Up(Client, u64),
    /// There is no connection.
    Down(Unreachable),
    /// The server has closed the connection in order, as servers do at a connection's greatest age, and the next attempt is under way.
    Renewing(Unreachable),
}

/// Shared by the future that keeps an endpoint's connection and the futures of the endpoint's pairs.
pub(super) struct Line {
    phase: watch::Sender<Phase>,
    /// The number of the present connection. No connection has the number that stands here without a connection.
    number: AtomicU64,
    /// How many Watch calls are open.
    watches: AtomicUsize,
    /// Whether the server has answered a call on the present connection.
    answered: AtomicBool,
    /// Whether the server has left a call unanswered, and the connection is to be tried.
    suspected: AtomicBool,
    /// Whether no pair is left.
    ended: AtomicBool,
    /// Wakes the future that keeps the connection.
    keeper: Mutex<Option<Waker>>,
}

/// An open Watch call.
pub(super) struct OpenWatch<'a>(&'a Line);

impl Line {
    pub(super) fn new() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Connecting),
            number: AtomicU64::new(0),
            watches: AtomicUsize::new(0),
            answered: AtomicBool::new(false),
            suspected: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            keeper: Mutex::new(None),
        }
    }

    pub(super) fn listen(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Tells the pairs of a new connection.
    pub(super) fn up(&self, client: Client) {
        self.answered.store(false, Ordering::Relaxed);
        self.suspected.store(false, Ordering::Relaxed);
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        self.phase.send_replace(Phase::Up(client, number));
    }

    /// Tells the pairs that the connection, or the attempt to connect, is over.
    pub(super) fn over(&self, phase: Phase) {
        self.number.fetch_add(1, Ordering::Relaxed);
        self.phase.send_replace(phase);
    }

    pub(super) fn is_current(&self, number: u64) -> bool {
        self.number.load(Ordering::Relaxed) == number
    }

    pub(super) fn open_watch(&self) -> OpenWatch<'_> {
        self.watches.fetch_add(1, Ordering::Relaxed);
        OpenWatch(self)
    }

    pub(super) fn watches(&self) -> usize {
        self.watches.load(Ordering::Relaxed)
    }

    /// Notes that the server has answered a call on the connection `number`.
    pub(super) fn heard(&self, number: u64) {
        if self.is_current(number) {
            self.answered.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn take_answered(&self) -> bool {
        self.answered.swap(false, Ordering::Relaxed)
    }

    /// Notes that the server has left a call unanswered.
    pub(super) fn suspect(&self) {
        self.suspected.store(true, Ordering::Relaxed);
        self.wake();
    }

    pub(super) fn take_suspicion(&self) -> bool {
        self.suspected.swap(false, Ordering::Relaxed)
    }

    /// Notes that no pair is left.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        let keeper = self
            .keeper
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(keeper) = keeper {
            keeper.wake();
        }
    }

    /// Whether no pair is left. Wakes `cx` at the end of the pairs, and when a call is unanswered.
    pub(super) fn poll_ended(&self, cx: &Context<'_>) -> bool {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *keeper {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        drop(keeper);
        self.ended.load(Ordering::Acquire)
    }

    /// Waits for `step`; `None` when no pair is left.
    pub(super) async fn unless_ended<F: Future>(&self, step: F) -> Option<F::Output> {
        let mut step = pin!(step);
        std::future::poll_fn(|cx| {
            if self.poll_ended(cx) {
                return Poll::Ready(None);
            }
            step.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

impl Drop for OpenWatch<'_> {
    fn drop(&mut self) {
        self.0.watches.fetch_sub(1, Ordering::Relaxed);
    }
}
