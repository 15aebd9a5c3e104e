//! A connection's part in the server's shutdown.

use std::future::Future;
use std::task::{Context, Poll};

use h2::Reason;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use super::connection::{Connection, Departure};
use super::phase::{LAST_WORDS, Phase};
use crate::service::Service;

impl<S, T> Connection<S, T>
where
    S: Service,
    T: AsyncRead + AsyncWrite + Unpin,
{
    /// Takes the connection's next step of the server's shutdown, if one is due: one step a round, so that each step is written before the
    /// next one. Ready when the time for the last frames is over.
    pub(super) fn depart(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let phase = self.phase.max(self.link.phase());
        let flooded = self.link.is_flooded();
        if (flooded || phase >= Phase::Cut) && !matches!(self.departure, Departure::Cut(_)) {
            self.waiting.clear(&mut self.sending, &mut self.tally);
            if self.link.is_late() {
                self.count_timeout();
            } else {
                self.tally.floods += u64::from(flooded);
            }
            self.http2.abrupt_shutdown(if flooded {
                Reason::ENHANCE_YOUR_CALM
            } else {
                Reason::NO_ERROR
            });
            self.departure = Departure::Cut(Box::pin(sleep(LAST_WORDS)));
        }
        match &mut self.departure {
            // While the socket takes nothing, watchers cannot be told. The first step waits for them.
            Departure::Staying if phase >= Phase::Closing && !self.link.is_write_blocked() => {
                self.with_waiting(|waiting, turn| {
                    // First the calls that the last turn had no time for.
                    waiting.poll_flushed(turn);
                    waiting.poll_all(turn);
                });
                self.departure = Departure::Announced;
            }
            Departure::Announced => {
                self.http2.graceful_shutdown();
                self.departure = Departure::Leaving;
            }
            Departure::Leaving => {
                self.departure = Departure::Ending;
                self.with_waiting(|waiting, turn| waiting.poll_all(turn));
            }
            Departure::Cut(time) => return time.as_mut().poll(cx),
            Departure::Staying | Departure::Ending => {}
        }
        Poll::Pending
    }

    /// Whether the next step of the departure can be taken, once what was written for the last one is gone.
    pub(super) fn departure_is_under_way(&self) -> bool {
        match self.departure {
            Departure::Announced | Departure::Leaving => true,
            // The socket may have taken nothing for want of a budget, and does now.
            Departure::Staying => {
                self.phase.max(self.link.phase()) >= Phase::Closing && !self.link.is_write_blocked()
            }
            Departure::Ending | Departure::Cut(_) => false,
        }
    }
}
