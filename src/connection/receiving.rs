//! Counts what the requests of a connection hold, lets large messages in, and gives up the requests that are stuck.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::connection::Connection;
use super::intake::{Holding, Intake, LEAST};
use super::stream::{Feed, Inbox};
use crate::service::Service;

/// A request under way.
enum Body {
    /// The connection reads the request, in this place of the waiting calls.
    Own(u32),
    /// A handler reads the request.
    Handlers(Arc<Feed>),
}

impl<S, T> Connection<S, T>
where
    S: Service,
    T: AsyncRead + AsyncWrite + Unpin,
{
    /// Counts what the requests hold, if that may have changed.
    #[inline]
    pub(super) fn receive(&mut self) {
        self.intake.count_calls(self.waiting.passing());
        let read = self.link.bytes_read.load(Relaxed);
        let is_due = self.intake.is_due(read);
        if is_due || self.link.take_look() || self.intake.is_active() {
            if is_due {
                self.intake.looked(read);
            }
            self.count(is_due);
        }
    }

    /// Counts what the requests hold. If `drained`, h2 then holds no byte of any request.
    #[cold]
    fn count(&mut self, drained: bool) {
        let mut holding = Holding::default();
        let mut large = Vec::new();
        let window = self.bodies.window;
        let mut tickets = self.tickets;
        let (current, now) = (self.intake.streams_window(), Instant::now());
        let slow = self.intake.idle_before(now);
        let mut is_fast = false;
        let mut add = |inbox: &mut Inbox| {
            holding.granted += inbox.granted();
            holding.coming += inbox.coming();
            // The bytes of a message that was let in are among those granted.
            holding.held += inbox.held();
            holding.need += inbox.need(current, slow);
            holding.bodies += 1;
            is_fast |= inbox.is_fast(current, now);
            let len = inbox.wanted(window)?;
            Some((inbox.ticket(&mut tickets), len))
        };
        for (key, inbox) in self.waiting.inboxes() {
            if let Some((ticket, len)) = add(inbox) {
                large.push((ticket, len, Body::Own(key)));
            }
        }
        for feed in self.bodies.open() {
            let mut state = feed.state();
            if drained {
                state.drain();
            }
            state.counted = state.inbox.held() > 0 || state.inbox.granted() > 0;
            let wanted = add(&mut state.inbox);
            drop(state);
            if let Some((ticket, len)) = wanted {
                large.push((ticket, len, Body::Handlers(feed)));
            }
        }
        self.tickets = tickets;
        if is_fast {
            self.intake.widen();
        }
        holding.wants = !large.is_empty();
        self.intake.settle(holding);
        self.let_in(large);
        if self.intake.overdraft() > 0 {
            self.give_up(None);
        }
        self.open_windows();
    }

    /// Sets room aside for the messages that do not fit into a window, in the order of their arrival.
    fn let_in(&mut self, mut large: Vec<(u64, usize, Body)>) {
        large.sort_by_key(|(ticket, ..)| *ticket);
        for (_, len, body) in large {
            let Some(bytes) = self.intake.grant(len) else {
                return;
            };
            match body {
                Body::Own(key) => {
                    self.with_waiting(|waiting, turn| waiting.grant(key, bytes, turn))
                }
                Body::Handlers(feed) => feed.state().inbox.grant(bytes),
            }
        }
        self.intake.nobody_waits();
    }

    /// Tells h2 the windows.
    fn open_windows(&mut self) {
        if let Some(window) = self.intake.stream_window() {
            // An error means that the client has not acknowledged the SETTINGS before. The connection asks again at the next look.
            if self.http2.set_initial_window_size(window).is_ok() {
                self.intake.tell(None, Some(window));
            }
        }
        if let Some(window) = self.intake.connection_window() {
            self.http2.set_target_window_size(window);
            self.intake.tell(Some(window), None);
        }
    }

    /// Gives up the requests that are stuck at `now`, if others wait for their room.
    pub(super) fn look_at_stuck(&mut self, now: Instant) {
        let read = self.link.bytes_read.load(Relaxed);
        if self.intake.is_time(now, read) {
            self.give_up(Some(now));
            self.count(true);
        }
    }

    /// Gives up requests, the one that has been stuck longest first, until nobody waits for the room of this connection. Without `now`,
    /// until the requests hold no more than the windows allow.
    #[cold]
    fn give_up(&mut self, now: Option<Instant>) {
        let mut stuck = Vec::new();
        let at = now.unwrap_or_else(Instant::now);
        let read = self.link.bytes_read.load(Relaxed);
        let (moved, slow) = (self.intake.slow_since(read, at), Intake::slow_before(at));
        let moves = Some(moved) > slow;
        let waits = self.intake.waits_for_others();
        let window = self.bodies.window;
        let judge = |inbox: &mut Inbox| {
            let mut since = inbox.slow_since(LEAST, at);
            if now.is_some() && inbox.wanted(window).is_some() {
                // The message waits for its turn, and other messages have it.
                since = if waits { at } else { since.max(moved) };
            }
            let holds = inbox.held() > 0 || inbox.granted() > 0;
            let is_stuck = now.is_none() || Some(since) <= slow;
            (holds && is_stuck).then_some((since, inbox.held(), inbox.granted(), inbox.is_unread()))
        };
        for (key, inbox) in self.waiting.inboxes() {
            if let Some(found) = judge(inbox) {
                stuck.push((found, Body::Own(key)));
            }
        }
        for feed in self.bodies.open() {
            let found = judge(&mut feed.state().inbox);
            stuck.extend(found.map(|found| (found, Body::Handlers(feed))));
        }
        stuck.sort_by_key(|((since, ..), _)| *since);
        let mut blocked = now.is_some_and(|now| self.intake.is_blocked(now));
        for ((_, held, granted, unread), body) in stuck {
            let goes_on = match now {
                Some(_) if self.intake.is_wanted(held, granted, moves) => true,
                Some(_) => self.intake.may_block(unread) && std::mem::take(&mut blocked),
                None => self.intake.overdraft() > 0,
            };
            if !goes_on {
                continue;
            }
            match body {
                Body::Own(key) => self.with_waiting(|waiting, turn| waiting.give_up(key, turn)),
                Body::Handlers(feed) => {
                    let reader = feed.state().give_up();
                    if let Some(reader) = reader {
                        reader.wake();
                    }
                }
            }
            self.intake.forget(held, granted);
        }
    }
}
