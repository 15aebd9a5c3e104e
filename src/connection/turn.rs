//! One turn of a connection's task: the turn accepts the requests that are ready, answers each, and writes all answers at once.
//!
//! h2 writes everything pending whenever the connection asks for the next request. The guard gathers these writes until the turn's end.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::connection::{Connection, Http2, MANY};
use super::link::yield_to_others;
use super::phase::Phase;
use super::stream::{Finished, Inbox, Reading, Turn, begin, read, send_refusal};
use super::waiting::{State, Terms, Waiting};
use crate::call::{self, Call, Refusal};
use crate::observe::Close;
use crate::service::{Service, contain, panicked};

/// How many rounds a turn has before other tasks run.
const ROUNDS: usize = 16;

/// How many requests a turn accepts at least. One read brings fewer, including those that have been reset.
const TURN: usize = 256;

/// Returns the next request, or the end of the connection. This call also makes h2 read and write everything, which h2's documentation does
/// not say.
fn poll_accept<T: AsyncRead + AsyncWrite + Unpin>(
    http2: &mut Http2<T>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Accepted, h2::Error>>> {
    http2.poll_accept(cx)
}

type Accepted = (Request<RecvStream>, SendResponse<Bytes>);

/// Why a connection has ended.
enum Closed {
    /// The server ended the connection.
    Cleanly,
    /// The peer's socket has ended, with or without an error. The server counts an error only within a call.
    ByPeer,
    /// The peer has violated the protocol.
    WithError,
}

/// Whether a connection's error only means that the peer is gone: the peer closed or reset its socket, or sent a GOAWAY with an error.
fn is_farewell(error: &h2::Error) -> bool {
    error.is_io() || (error.is_go_away() && error.is_remote())
}

impl<S, T> Connection<S, T>
where
    S: Service,
    T: AsyncRead + AsyncWrite + Unpin,
{
    /// Does all work that is possible now.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        // The number of requests that one turn answers before other tasks run.
        let mut budget = self.host.config.streams().max(TURN);
        // The number of polls of waiting calls, likewise.
        let mut polls = budget;
        for _ in 0..ROUNDS {
            if self.depart(cx).is_ready() {
                return Poll::Ready(Closed::Cleanly);
            }
            if let Poll::Ready(closed) = self.accept(&mut budget) {
                return Poll::Ready(closed);
            }
            polls -= self.with_waiting(|waiting, turn| waiting.poll_ready(polls, turn));
            self.receive();
            // The server counts the calls before the peer can see an answer.
            self.tell();
            // Only this poll gets the task's waker. This poll also writes everything, so h2 needs no earlier wake.
            if let Poll::Ready(next) = self.poll_last(cx) {
                if let Some(closed) = self.take(next) {
                    return Poll::Ready(closed);
                }
                if budget == 0 {
                    break;
                }
                continue;
            }
            self.sending.flushed();
            if polls == 0 {
                break;
            }
            if self.departure_is_under_way() {
                continue;
            }
            let blocked = self.link.is_write_blocked();
            if !blocked && self.with_waiting(|waiting, turn| waiting.poll_flushed(turn)) {
                continue;
            }
            if self.look_at_the_clock(cx) {
                continue;
            }
            if self.link.park(cx.waker()) && !self.let_end_pass() {
                return Poll::Pending;
            }
        }
        // A client that always has one more request must not stop the clock. The next turn does what this look brings.
        self.look_at_the_clock(cx);
        yield_to_others(cx);
        Poll::Pending
    }

    /// Polls h2 with the task's waker, and writes everything.
    fn poll_last(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Accepted, h2::Error>>> {
        if !self.sending.is_short() {
            // Large replies are gathered until all of them are there.
            self.link.set_gathers_all(true);
            let next = poll_accept(&mut self.http2, cx);
            if next.is_ready() {
                return next;
            }
        }
        // The guard reads the socket, and gives the socket everything.
        self.link.set_gathers_all(false);
        self.link.set_writes_all(true);
        let next = poll_accept(&mut self.http2, cx);
        self.link.set_writes_all(false);
        next
    }

    /// Accepts every request that is ready, up to `budget`, and answers the requests whose answers are ready.
    fn accept(&mut self, budget: &mut usize) -> Poll<Closed> {
        let mut cx = Context::from_waker(Waker::noop());
        let before = *budget;
        while *budget > 0 {
            if !self.sending.is_short() {
                // The guard may have to write large replies before all are there.
                self.tell();
            }
            let next = poll_accept(&mut self.http2, &mut cx);
            // Gathered bytes wait in the guard.
            if !self.link.has_gathered() {
                self.sending.flushed();
            }
            let Poll::Ready(next) = next else {
                self.heads = self.link.heads();
                break;
            };
            if let Some(closed) = self.take(next) {
                return Poll::Ready(closed);
            }
            *budget -= 1;
            // Every request that has been read is accepted: asking h2 for one more would be in vain.
            if self.heads == self.link.heads() {
                break;
            }
            // h2 writes the answer when it is asked for the next request.
            self.link.set_gathers_all(true);
        }
        self.crowded |= self.waiting.len() + before - *budget > MANY;
        self.meters.end_batch();
        Poll::Pending
    }

    /// Takes a request that h2 has accepted, and answers the request if the answer is ready. Otherwise the call joins the waiting calls.
    fn take(&mut self, next: Option<Result<Accepted, h2::Error>>) -> Option<Closed> {
        match next {
            Some(Ok((mut request, respond))) => {
                self.heads += 1;
                self.tally.calls += 1;
                self.called = true;
                let call = self.judge(&mut request);
                let stream = request.into_body();
                self.with_waiting(|waiting, turn| answer(waiting, turn, stream, respond, call));
                None
            }
            Some(Err(error)) if is_farewell(&error) => Some(Closed::ByPeer),
            Some(Err(_)) => Some(Closed::WithError),
            None => Some(Closed::ByPeer),
        }
    }

    /// Why the connection is closed, as observers are told.
    fn reason(&self, closed: &Closed, is_error: bool) -> Close {
        if self.link.is_flood() {
            return Close::Flood;
        }
        if self.link.is_late() || self.phase >= Phase::Cut {
            return Close::Timeout;
        }
        match closed {
            Closed::WithError => Close::ProtocolError,
            _ if self.link.is_to_leave() => Close::Evicted,
            _ if self.link.phase() >= Phase::Closing => Close::Shutdown,
            _ if self.phase >= Phase::Closing => Close::Age,
            Closed::ByPeer if is_error => Close::ClientInCall,
            Closed::ByPeer => Close::Client,
            Closed::Cleanly => Close::Shutdown,
        }
    }

    fn judge(&mut self, request: &mut Request<RecvStream>) -> Result<Call, Refusal> {
        let clock = || Instant::now().into_std();
        let max = self.host.config.max_header_list();
        let (service, meters) = (&self.host.service, &mut self.meters);
        let judged = || call::accept(service, request, max, &self.peer, clock, meters);
        contain(judged).unwrap_or_else(|_| {
            self.tally.panics += 1;
            Err(Box::new(call::trailers_only(&panicked())).into())
        })
    }
}

/// Answers a request, if the answer is ready. Otherwise the call joins the waiting calls.
fn answer<S: Service>(
    waiting: &mut Waiting<S>,
    turn: &mut Turn<'_, S>,
    stream: RecvStream,
    mut respond: SendResponse<Bytes>,
    call: Result<Call, Refusal>,
) {
    // There are more calls than streams, so some of the waiting calls have been reset. These calls end first, so that there are never more
    // handlers than streams.
    if waiting.len() >= turn.host.config.streams() {
        waiting.poll_ready(usize::MAX, turn);
    }
    let mut call = match call {
        Ok(call) => call,
        Err(refusal) => return send_refusal(&mut respond, refusal),
    };
    if let Err(refusal) = waiting.admit(&mut call, turn) {
        return send_refusal(&mut respond, refusal);
    }
    let terms = Terms::of(&call);
    let begun = if !call.is_decided() {
        // The body is not read before the service has decided whether the call may begin.
        Err(Reading::new(stream, respond, call))
    } else if call.method.is_streaming() {
        Ok(begin(turn, Inbox::new(stream), respond, call))
    } else {
        read(turn, stream, respond, call)
    };
    let finished = match begun {
        Ok(finished) => finished,
        Err(reading) => {
            waiting.insert(State::Reading(Box::new(reading)), terms, turn);
            return;
        }
    };
    match finished {
        Finished::Done => {}
        Finished::Gone => turn.tally.cancelled += 1,
        Finished::Replying(replying) => {
            waiting.insert(State::Replying(Box::new(replying)), terms, turn);
        }
    }
}

impl<S, T> Future for Connection<S, T>
where
    S: Service,
    T: AsyncRead + AsyncWrite + Unpin,
{
    type Output = Close;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Close> {
        let this = self.get_mut();
        this.link.begin();
        let closed = this.turn(cx);
        this.tell();
        this.tell_malformed();
        closed.map(|closed| {
            let is_error = match &closed {
                Closed::Cleanly => false,
                Closed::ByPeer => this.waiting.has_open_calls(),
                Closed::WithError => {
                    this.link.failed.store(true, Relaxed);
                    true
                }
            };
            if is_error {
                this.host.counters.connection_errors.fetch_add(1, Relaxed);
            }
            this.reason(&closed, is_error)
        })
    }
}
