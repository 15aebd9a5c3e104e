//! One waiting call: its polls and its entry among the deadlines.

use std::task::{Context, Poll};

use tokio::time::Instant;

use super::{State, Waiter, body_timeout};
use crate::connection::stream::{Finished, Progress, Turn};
use crate::connection::timers::Deadlines;
use crate::service::Service;

impl<S: Service> Waiter<S> {
    /// How many bytes of the call's reply wait for the peer.
    pub(in crate::connection) const fn unsent(&self) -> usize {
        match &self.state {
            State::Replying(replying) => replying.unsent(),
            _ => 0,
        }
    }

    /// Updates the call's entry in `deadlines` after the call's deadline has changed.
    pub(in crate::connection) fn arm(&mut self, key: u32, deadlines: &mut Deadlines) {
        let end = self.patience.next();
        if end == self.armed {
            return;
        }
        if let Some(armed) = self.armed {
            deadlines.remove(armed, key);
        }
        if let Some(end) = end {
            deadlines.insert(end, key);
        }
        self.armed = end;
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, at: &mut Turn<'_, S>) -> Progress {
        if let State::Reading(reading) = &mut self.state {
            if !reading.call.is_decided() {
                match reading.decide(cx, at) {
                    Poll::Pending => return Progress::Waiting,
                    Poll::Ready(Some(ended)) => return ended,
                    Poll::Ready(None) => {
                        let allowed = body_timeout(&reading.call, at);
                        self.patience.await_request(allowed, Instant::now());
                    }
                }
            }
            let read = match reading.read(at.turns, at.bodies, cx) {
                Poll::Pending => return Progress::Waiting,
                Poll::Ready(read) => read,
            };
            let State::Reading(reading) = std::mem::replace(&mut self.state, State::Over) else {
                return Progress::Done;
            };
            match reading.finish(read, at) {
                Finished::Replying(replying) => {
                    self.state = State::Replying(Box::new(replying));
                }
                Finished::Done => return Progress::Done,
                Finished::Gone => return Progress::Cancelled,
            }
        }
        let State::Replying(replying) = &mut self.state else {
            return Progress::Done;
        };
        // Until h2 has written everything, the call only looks for a cancellation.
        let mut conditions = at.conditions;
        conditions.write_blocked |= self.after_flush;
        let (prebuilt, panics) = (&at.host.prebuilt, &mut at.tally.panics);
        replying.poll(cx, prebuilt, conditions, at.sending, panics)
    }
}
