//! One turn of a connection's task: what is ready is accepted, then answered, then written at once.
//!
//! The order is the point. h2 writes what is pending whenever it is asked for the next request, so a reply that is queued between two
//! requests costs a write of its own.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::Request;
use http::request::Parts;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::connection::{Connection, Http2, Incoming};
use super::stream::{Finished, Reading, Turn, begin, read};
use super::waiting::{State, Terms, Waiting};
use crate::call::{self, Call, Collector, Refusal};
use crate::service::{Service, panicked};

/// How often a turn goes round before it lets other tasks run.
const ROUNDS: usize = 16;

/// How many requests a turn accepts at least. One read brings fewer, those included that have been reset.
const TURN: usize = 256;

/// The next request, or the end of the connection. This is also what makes h2 read and write: all of it hangs on this call, which its
/// documentation leaves out.
fn poll_accept<T: AsyncRead + AsyncWrite + Unpin>(
    http2: &mut Http2<T>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Accepted, h2::Error>>> {
    http2.poll_accept(cx)
}

type Accepted = (Request<RecvStream>, SendResponse<Bytes>);

/// Why a connection is over.
enum Closed {
    /// The server wanted it so.
    Cleanly,
    /// The peer's socket has ended, in whatever way: an error only within a call.
    ByPeer,
    /// It was not HTTP/2 any more.
    WithError,
}

/// Whether a connection's error is no more than that the peer has gone: it closed its socket or reset it, or said why it would.
fn is_farewell(error: &h2::Error) -> bool {
    error.is_io() || (error.is_go_away() && error.is_remote())
}

impl<S, T> Connection<S, T>
where
    S: Service,
    T: AsyncRead + AsyncWrite + Unpin,
{
    /// Does all that can be done now.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        // So many requests are answered before other tasks get their turn.
        let mut budget = self.host.config.streams().max(TURN);
        for _ in 0..ROUNDS {
            let departed = match self.depart(cx) {
                Poll::Ready(()) => return Poll::Ready(Closed::Cleanly),
                Poll::Pending => self.departure_is_under_way(),
            };
            if let Poll::Ready(closed) = self.accept(&mut budget) {
                return Poll::Ready(closed);
            }
            self.answer();
            self.with_waiting(|waiting, turn| waiting.poll_ready(turn));
            // Before the peer can see an answer, it is counted.
            self.tell();
            // Only this poll has the task's waker: what h2 wakes before it is written by it.
            if let Poll::Ready(next) = poll_accept(&mut self.http2, cx) {
                if let Some(closed) = self.take(next) {
                    return Poll::Ready(closed);
                }
                if budget == 0 {
                    break;
                }
                continue;
            }
            if departed {
                continue;
            }
            let blocked = self.link.is_write_blocked();
            if !blocked && self.with_waiting(|waiting, turn| waiting.poll_flushed(turn)) {
                continue;
            }
            if self.look_at_the_clock(cx) {
                continue;
            }
            if self.link.park(cx.waker()) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Accepts every request that is ready, up to `budget`.
    fn accept(&mut self, budget: &mut usize) -> Poll<Closed> {
        let mut cx = Context::from_waker(Waker::noop());
        while *budget > 0 {
            let Poll::Ready(next) = poll_accept(&mut self.http2, &mut cx) else {
                break;
            };
            if let Some(closed) = self.take(next) {
                return Poll::Ready(closed);
            }
            *budget -= 1;
        }
        Poll::Pending
    }

    /// Puts an accepted request into the batch, without the head that it came with.
    fn take(&mut self, next: Option<Result<Accepted, h2::Error>>) -> Option<Closed> {
        match next {
            Some(Ok((request, respond))) => {
                let (mut parts, body) = request.into_parts();
                let call = self.judge(&mut parts);
                self.batch.push(Incoming {
                    body,
                    respond,
                    call,
                });
                None
            }
            Some(Err(error)) if is_farewell(&error) => Some(Closed::ByPeer),
            Some(Err(_)) => Some(Closed::WithError),
            None => Some(Closed::ByPeer),
        }
    }

    fn judge(&mut self, parts: &mut Parts) -> Result<Call, Refusal> {
        let now = || Instant::now().into_std();
        let max = self.host.config.max_header_list();
        let judged = || call::accept(&self.host.service, parts, max, &self.peer, now);
        catch_unwind(AssertUnwindSafe(judged)).unwrap_or_else(|_| {
            self.tally.panics += 1;
            Err(Box::new(call::trailers_only(&panicked())).into())
        })
    }

    /// Answers the batch, or takes a call among those that wait.
    fn answer(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        self.tally.calls += batch.len() as u64;
        let crowded = self.waiting.len() + batch.len() > self.host.config.streams();
        self.with_waiting(|waiting, turn| {
            // Some of those that wait have been reset, or there would be no room for these. They go first: there are never more
            // handlers than there may be streams.
            if crowded {
                waiting.poll_ready(turn);
            }
            for incoming in batch.drain(..) {
                incoming.answer(waiting, turn);
            }
        });
        self.batch = batch;
    }
}

impl Incoming {
    fn answer<S: Service>(self, waiting: &mut Waiting<S>, turn: &mut Turn<'_, S>) {
        let Self {
            body,
            mut respond,
            call,
        } = self;
        let call = match call.and_then(|call| waiting.admit(&call, turn).map(|()| call)) {
            Ok(call) => call,
            Err(Refusal::Answer(answer)) => {
                let _ = respond.send_response(*answer, true);
                return;
            }
            Err(Refusal::Unprocessed) => {
                respond.send_reset(Reason::REFUSED_STREAM);
                return;
            }
        };
        let terms = Terms::of(&call);
        let finished = if call.method.is_streaming() {
            begin(turn, body, respond, call)
        } else {
            let mut reading = Reading {
                body,
                respond,
                collector: Collector::new(&call),
                call,
            };
            // Most requests are whole by now: no waker is taken for them.
            let mut cx = Context::from_waker(Waker::noop());
            let Poll::Ready(read) = read(&mut reading.body, &mut reading.collector, &mut cx) else {
                waiting.insert(State::Reading(Box::new(reading)), terms, turn);
                return;
            };
            reading.finish(read, turn)
        };
        match finished {
            Finished::Done => {}
            Finished::Gone => turn.tally.cancelled += 1,
            Finished::Replying(replying) => {
                waiting.insert(State::Replying(replying), terms, turn);
            }
        }
    }
}

impl<S, T> Future for Connection<S, T>
where
    S: Service,
    T: AsyncRead + AsyncWrite + Unpin,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.link.begin();
        let closed = this.turn(cx);
        this.tell();
        closed.map(|closed| {
            let is_error = match closed {
                Closed::Cleanly => false,
                Closed::ByPeer => !this.batch.is_empty() || this.waiting.has_open_calls(),
                Closed::WithError => {
                    this.link.failed.store(true, Relaxed);
                    true
                }
            };
            if is_error {
                this.host.counters.connection_errors.fetch_add(1, Relaxed);
            }
        })
    }
}
