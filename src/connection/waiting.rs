//! The calls of a connection that were not answered in the turn of their arrival: their places, wakers and deadlines.

mod entry;
mod requests;
mod waiter;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use entry::{Entry, Numbered};
use slab::Slab;
use tokio::time::Instant;

use super::link::{Link, StreamWaker};
use super::patience::Patience;
use super::sending::{SMALL, Sending};
use super::stream::{Progress, Reading, Replying, Turn, discard, is_given_up};
use super::tally::Tally;
use super::timers::Deadlines;
use crate::call::{Call, Refusal, too_many_calls};
use crate::observe::Limit;
use crate::service::{Drain, Service};

/// A cancelled call that was open for this time is not part of a rapid reset: the call took one of the connection's streams for the time.
const A_WHILE: Duration = Duration::from_millis(100);

/// How many calls a quiet connection may have room for.
const FEW: usize = 8;

/// The waiting calls. The cost of a poll depends on the number of ready calls, not of all calls.
pub(super) struct Waiting<S: Service> {
    link: Arc<Link>,
    pub(super) calls: Slab<Waiter<S>>,
    /// A waker for each place in `calls` that was ever taken. The next call in a place uses the place's waker again, and a late wake of the
    /// previous call costs one useless poll.
    wakers: Vec<(Arc<StreamWaker>, Waker)>,
    pub(super) deadlines: Deadlines,
    ready: Vec<u32>,
    after_flush: Vec<Entry>,
    /// The calls that wait until the budgets of replies have room, in order.
    pub(super) after_others: VecDeque<Entry>,
    /// The number of long-lived calls.
    long_lived: usize,
    /// The number of the last call.
    inserted: u32,
}

pub(super) struct Waiter<S: Service> {
    pub(super) state: State<S>,
    /// Tells the call from others that have had its place.
    number: u32,
    began: Instant,
    pub(super) patience: Patience,
    /// The call's entry in `deadlines`.
    pub(super) armed: Option<Instant>,
    /// Whether the call is in `after_flush`, and in `after_others`.
    after_flush: bool,
    pub(super) after_others: bool,
    /// How many bytes the call's reply counts.
    pub(super) held: usize,
    long_lived: bool,
}

impl<S: Service> Numbered for Waiter<S> {
    fn number(&self) -> u32 {
        self.number
    }
}

/// How long a call may wait, counted from the arrival of the call's head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    timeout: Option<Duration>,
    /// Whether the call is long-lived: it lasts until something ends it.
    long_lived: bool,
}

impl Terms {
    pub(super) fn of(call: &Call) -> Self {
        Self {
            timeout: call.timeout,
            long_lived: call.method.on_drain() == Drain::End,
        }
    }
}

/// The state of a waiting call. Boxed, since most calls of an attacker never come to a reply, and places outlive their calls.
pub(super) enum State<S: Service> {
    /// The call waits for permission to begin, and then for the rest of its request.
    Reading(Box<Reading>),
    /// The call waits for its service, or for the peer's window.
    Replying(Box<Replying<S>>),
    /// The call is over.
    Over,
}

/// How long the request of a call may take to arrive.
pub(super) fn body_timeout<S>(call: &Call, at: &Turn<'_, S>) -> Duration {
    let own = call.method.time_for_body();
    own.unwrap_or(at.host.config.body_timeout)
}

impl<S: Service> Waiting<S> {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            calls: Slab::new(),
            wakers: Vec::new(),
            deadlines: Deadlines::default(),
            ready: Vec::new(),
            after_flush: Vec::new(),
            after_others: VecDeque::new(),
            long_lived: 0,
            inserted: 0,
        }
    }

    /// Whether the lists are longer than a quiet connection needs.
    pub(super) fn is_swollen(&self) -> bool {
        self.calls.capacity().max(self.wakers.len()) > FEW
    }

    /// Gives the memory of calls that are over back. Called when the connection is quiet.
    pub(super) fn shrink(&mut self) {
        if !self.calls.is_empty() {
            return;
        }
        let link = Arc::clone(&self.link);
        link.shrink();
        *self = Self::new(link);
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// The number of waiting calls that are not long-lived.
    #[inline]
    pub(super) fn passing(&self) -> usize {
        self.calls.len() - self.long_lived
    }

    /// Whether all waiting calls are long-lived.
    pub(super) fn only_long_lived(&self) -> bool {
        self.long_lived == self.calls.len()
    }

    /// Whether a call other than a long-lived call is being answered.
    pub(super) fn is_answering(&self) -> bool {
        let mut calls = self.calls.iter();
        calls.any(|(_, call)| match &call.state {
            State::Replying(_) => !call.long_lived,
            // The request has arrived, as far as the client has sent it. An interceptor decides about the call, or the server decompresses.
            State::Reading(reading) => {
                let is_undecided = !reading.call.is_decided() && !call.long_lived;
                reading.collector.is_inflating() || is_undecided
            }
            State::Over => false,
        })
    }

    /// Refuses a long-lived call if as many of them wait as the limit allows.
    pub(super) fn admit(&mut self, call: &mut Call, at: &mut Turn<'_, S>) -> Result<(), Refusal> {
        let max = at.host.config.max_long_lived_streams.unwrap_or(usize::MAX);
        if Terms::of(call).long_lived && self.long_lived >= max {
            // Calls that the peer has reset free their places here.
            self.poll_ready(usize::MAX, at);
            if self.long_lived >= max {
                at.refused_by(Limit::LongLivedStreams);
                return Err(Box::new(call.trailers_only(&too_many_calls())).into());
            }
        }
        Ok(())
    }

    /// Adds a new call, and polls the call so that the call gets a waker.
    pub(super) fn insert(&mut self, mut state: State<S>, terms: Terms, at: &mut Turn<'_, S>) {
        if self.calls.capacity() == 0 {
            // Most connections with a waiting call have one, a Watch, and a list begins with room for four unless told otherwise.
            self.calls = Slab::with_capacity(1);
            self.wakers.reserve_exact(1);
        }
        let entry = self.calls.vacant_entry();
        // A connection has at most as many streams as a u32 can count.
        let Ok(key) = u32::try_from(entry.key()) else {
            return;
        };
        let now = Instant::now();
        let mut patience = Patience::new(terms.timeout, now);
        if let State::Reading(reading) = &mut state {
            reading.call.shrink();
            if reading.call.is_decided() {
                patience.await_request(body_timeout(&reading.call, at), now);
            }
        }
        self.inserted = self.inserted.wrapping_add(1);
        entry.insert(Waiter {
            state,
            number: self.inserted,
            began: now,
            patience,
            armed: None,
            after_flush: false,
            after_others: false,
            held: 0,
            long_lived: terms.long_lived,
        });
        self.long_lived += usize::from(terms.long_lived);
        self.poll_call(key, at);
    }

    /// The time of the first deadline of all calls.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    fn waker(&mut self, key: u32) -> Option<&(Arc<StreamWaker>, Waker)> {
        // Places are taken in order, so this adds at most one waker.
        while self.wakers.len() <= key as usize {
            let place = u32::try_from(self.wakers.len()).unwrap_or(u32::MAX);
            let stream = Arc::new(StreamWaker::new(Arc::clone(&self.link), place));
            self.wakers.push((Arc::clone(&stream), Waker::from(stream)));
        }
        self.wakers.get(key as usize)
    }

    /// Polls the calls that were woken since the last poll, at most `most` of them, and returns their number. The others stay ready.
    pub(super) fn poll_ready(&mut self, most: usize, at: &mut Turn<'_, S>) -> usize {
        let owed = at.sending.take_order();
        if owed > 0 {
            self.make_room(owed, at);
        }
        let mut ready = std::mem::take(&mut self.ready);
        if ready.is_empty() {
            self.link.take(&mut ready);
        } else {
            let mut woken = Vec::new();
            self.link.take(&mut woken);
            ready.append(&mut woken);
        }
        let now = ready.len().min(most);
        for key in ready.drain(..now) {
            self.poll_call(key, at);
        }
        self.ready = ready;
        now
    }

    /// Polls all calls, on the rare events that concern all of them.
    pub(super) fn poll_all(&mut self, at: &mut Turn<'_, S>) {
        let keys: Vec<_> = self
            .calls
            .iter()
            .filter_map(|(key, _)| u32::try_from(key).ok())
            .collect();
        for key in keys {
            self.poll_call(key, at);
        }
    }

    /// Polls the calls that waited for h2 to write everything, or for room in the budgets. Returns false if there is nothing to do.
    pub(super) fn poll_flushed(&mut self, at: &mut Turn<'_, S>) -> bool {
        let had_room = self.poll_others(at);
        if self.after_flush.is_empty() {
            return had_room;
        }
        let mut flushed = std::mem::take(&mut self.after_flush);
        // The calls whose turn comes with the next flush, before the calls that have had a turn.
        let mut kept = 0;
        for at_key in 0..flushed.len() {
            let Some(&entry) = flushed.get(at_key) else {
                break;
            };
            let Some(call) = entry.call(&mut self.calls) else {
                continue;
            };
            if at.sending.room() == 0 && call.unsent() > SMALL {
                flushed.swap(kept, at_key);
                kept += 1;
                continue;
            }
            call.after_flush = false;
            self.poll_call(entry.key, at);
        }
        flushed.truncate(kept);
        flushed.append(&mut self.after_flush);
        self.after_flush = flushed;
        true
    }

    /// Whether there are calls that the peer has not cancelled. For the connection's end.
    pub(super) fn has_open_calls(&mut self) -> bool {
        self.calls
            .iter_mut()
            .any(|(_, call)| match &mut call.state {
                State::Reading(reading) => !is_given_up(&mut reading.respond),
                State::Replying(replying) => !replying.is_given_up(),
                State::Over => false,
            })
    }

    /// Drops all calls.
    pub(super) fn clear(&mut self, sending: &mut Sending, tally: &mut Tally) {
        tally.cancelled += self.calls.len() as u64;
        for mut call in self.calls.drain() {
            sending.recount(&mut call.held, 0);
            discard(call, &mut tally.panics);
        }
        self.long_lived = 0;
        self.after_flush.clear();
        self.after_others.clear();
        sending.leave_queue();
        self.deadlines = Deadlines::default();
    }

    pub(super) fn remove(&mut self, key: u32, sending: &mut Sending) -> Option<Waiter<S>> {
        let mut call = self.calls.try_remove(key as usize)?;
        self.long_lived -= usize::from(call.long_lived);
        sending.recount(&mut call.held, 0);
        // The entries of calls that have ended stay until they are many, so that the end of a call costs little.
        let most = 2 * self.calls.len() + FEW;
        if call.after_flush && self.after_flush.len() > most {
            let calls = &mut self.calls;
            self.after_flush.retain(|entry| entry.call(calls).is_some());
        }
        if call.after_others && self.after_others.len() > most {
            let calls = &mut self.calls;
            self.after_others
                .retain(|entry| entry.call(calls).is_some());
        }
        Some(call)
    }

    pub(super) fn poll_call(&mut self, key: u32, at: &mut Turn<'_, S>) {
        let Some((stream, waker)) = self.waker(key) else {
            return;
        };
        stream.dequeue();
        let waker = waker.clone();
        let mut cx = Context::from_waker(&waker);
        let Some(call) = self.calls.get_mut(key as usize) else {
            return;
        };
        let progress = call.poll(&mut cx, at);
        let taken = Self::taken(at);
        match progress {
            progress @ (Progress::Waiting | Progress::AfterFlush | Progress::AfterOthers) => {
                let flush = progress == Progress::AfterFlush;
                if flush && !std::mem::replace(&mut call.after_flush, true) {
                    self.after_flush.push(Entry::new(key, call));
                }
                let others = progress == Progress::AfterOthers;
                if others && !std::mem::replace(&mut call.after_others, true) {
                    self.after_others.push_back(Entry::new(key, call));
                }
                if let State::Replying(replying) = &call.state {
                    let (unsent, given) = (replying.unsent(), replying.given());
                    let pace = replying.pace(&at.host.config);
                    let patience = &mut call.patience;
                    let met = patience.await_room(unsent, given, pace, taken, Instant::now);
                    at.sending.met(met);
                    at.sending.recount(&mut call.held, replying.held());
                }
                call.arm(key, &mut self.deadlines);
                while at.sending.is_over() {
                    let before = self.calls.len();
                    self.make_room(1, at);
                    if self.calls.len() == before {
                        break;
                    }
                }
            }
            ended @ (Progress::Done | Progress::Cancelled) => {
                at.tally.cancelled += u64::from(ended == Progress::Cancelled);
                if let State::Replying(replying) = &call.state {
                    let (given, pace) = (replying.given(), replying.pace(&at.host.config));
                    let met = call
                        .patience
                        .await_room(0, given, pace, taken, Instant::now);
                    at.sending.met(met);
                }
                let Some(call) = self.remove(key, at.sending) else {
                    return;
                };
                if let Some(armed) = call.armed {
                    self.deadlines.remove(armed, key);
                }
                if ended == Progress::Cancelled && call.began.elapsed() >= A_WHILE {
                    self.link.excuse_reset();
                }
                discard(call, &mut at.tally.panics);
            }
        }
    }
}
