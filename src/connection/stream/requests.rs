//! The body of a stream of requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::super::link::Link;
use super::inbox::{Inbox, Partial};
use crate::call::{Chunks, exhausted, gone};
use crate::wire::status::Status;

/// The body of a request that a handler reads, on the connection's task or on another.
#[derive(Debug)]
pub(in crate::connection) struct Feed(Mutex<State>);

#[derive(Debug)]
pub(in crate::connection) struct State {
    pub(in crate::connection) inbox: Inbox,
    /// The waker of the handler, while the handler waits for bytes.
    reader: Option<Waker>,
    /// Whether the connection has given the request up for want of memory.
    given_up: bool,
    /// Whether the connection has counted bytes of this request, and has to count again when the bytes are gone.
    pub(in crate::connection) counted: bool,
}

impl Feed {
    pub(in crate::connection) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the bytes out of h2 that the handler has not asked for.
    pub(in crate::connection) fn drain(&mut self) {
        self.inbox.drain(self.reader.as_ref());
        if self.given_up {
            self.inbox.give_up();
        }
    }

    /// Ends the request for want of memory. Returns the handler's waker, which the caller wakes.
    pub(in crate::connection) fn give_up(&mut self) -> Option<Waker> {
        self.given_up = true;
        self.inbox.give_up();
        self.reader.take()
    }
}

/// The requests of one connection that handlers read.
#[derive(Debug)]
pub(in crate::connection) struct Bodies {
    link: Arc<Link>,
    feeds: Vec<Weak<Feed>>,
    /// The part of a request that needs no room in the budget: a stream's first window, in bytes.
    pub(in crate::connection) window: usize,
}

impl Bodies {
    pub(in crate::connection) const fn new(link: Arc<Link>, window: usize) -> Self {
        Self {
            link,
            feeds: Vec::new(),
            window,
        }
    }

    /// Forgets the requests that are over, and returns the others.
    pub(in crate::connection) fn open(&mut self) -> Vec<Arc<Feed>> {
        let mut open = Vec::with_capacity(self.feeds.len());
        self.feeds.retain(|feed| {
            let feed = feed.upgrade();
            let is_open = feed.is_some();
            open.extend(feed);
            is_open
        });
        open
    }

    /// Gives the memory of requests that are over back. Called when the connection is quiet.
    pub(in crate::connection) fn shrink(&mut self) {
        self.feeds.retain(|feed| feed.strong_count() > 0);
        self.feeds.shrink_to_fit();
    }

    /// Called when a message needs room beyond the stream's window.
    #[cold]
    pub(super) fn ask_for_room(&self) {
        self.link.look_at_bodies();
    }

    fn add(&mut self, feed: &Arc<Feed>) {
        if self.feeds.len() == self.feeds.capacity() {
            self.feeds.retain(|feed| feed.strong_count() > 0);
        }
        self.feeds.push(Arc::downgrade(feed));
    }
}

/// The body as a service reads it.
pub(super) struct Body {
    feed: Arc<Feed>,
    link: Arc<Link>,
    /// The bytes of a stream's window.
    window: usize,
    /// Whether the message under way needs more room than a window, or has got it.
    large: bool,
}

impl Body {
    pub(super) fn new(inbox: Inbox, bodies: &mut Bodies) -> Self {
        let state = State {
            inbox,
            reader: None,
            given_up: false,
            counted: false,
        };
        let feed = Arc::new(Feed(Mutex::new(state)));
        bodies.add(&feed);
        Self {
            feed,
            link: Arc::clone(&bodies.link),
            window: bodies.window,
            large: false,
        }
    }
}

/// Returns the window of the bytes that were read. The connection would otherwise miss this window until the call's end.
impl Drop for Body {
    fn drop(&mut self) {
        let mut state = self.feed.state();
        state.give_up();
        let counted = state.counted;
        drop(state);
        if counted {
            self.link.look_at_bodies();
        }
    }
}

impl Chunks for Body {
    fn poll_chunk(
        &mut self,
        partial: Option<(usize, usize)>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Status>>> {
        let mut state = self.feed.state();
        if state.given_up {
            return Poll::Ready(Some(Err(exhausted())));
        }
        let partial = partial.map(|(have, len)| Partial { have, len });
        let large = state.inbox.used(partial, self.window);
        let polled = state.inbox.poll(cx);
        if polled.is_pending() {
            if partial.is_none() {
                state.inbox.end_message();
            }
            if !state
                .reader
                .as_ref()
                .is_some_and(|old| old.will_wake(cx.waker()))
            {
                state.reader = Some(cx.waker().clone());
            }
        }
        drop(state);
        if large {
            self.large = true;
            self.link.look_at_bodies();
        }
        // A server ignores trailers.
        polled.map_err(|_| gone())
    }

    fn end_message(&mut self) {
        if std::mem::take(&mut self.large) {
            self.feed.state().inbox.end_message();
            self.link.look_at_bodies();
        }
    }
}
