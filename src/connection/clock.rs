//! The clock of a connection: what is to be done because of the time.

use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Waker};

use h2::Ping;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::connection::Connection;
use super::lifetime::{Activity, Verdict};
use super::phase::Phase;
use crate::service::Service;

impl<S, T> Connection<S, T>
where
    S: Service,
    T: AsyncRead + AsyncWrite + Unpin,
{
    /// Does what is due now. False if nothing is due.
    pub(super) fn look_at_the_clock(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            let now = Instant::now();
            self.lifetime.observe(now, self.activity());
            let times = [self.waiting.next_deadline(), self.lifetime.next()];
            let next = times.into_iter().flatten().min();
            if next.is_some_and(|next| next <= now) {
                self.with_waiting(|waiting, turn| waiting.expire(now, turn));
                while let Some(verdict) = self.lifetime.due(now) {
                    self.obey(verdict, now);
                }
                return true;
            }
            if self.timer.poll(cx, now, next).is_pending() {
                return false;
            }
        }
    }

    pub(super) fn count_timeout(&self) {
        let counters = &self.host.counters;
        counters.connections_timed_out.fetch_add(1, Relaxed);
    }

    fn activity(&self) -> Activity {
        Activity {
            read: self.link.bytes_read.load(Relaxed),
            written: self.link.bytes_written.load(Relaxed),
            write_blocked: self.link.is_write_blocked(),
            busy: self.waiting.len() > 0 || self.http2.has_streams(),
            swollen: self.is_swollen(),
            crowded: self.crowded,
        }
    }

    fn obey(&mut self, verdict: Verdict, now: Instant) {
        match verdict {
            Verdict::Ping => {
                if let Some(ping_pong) = &mut self.ping_pong {
                    // Only one PING may be unanswered. If the peer has sent something else instead of the answer, this PING is not sent.
                    let _ = ping_pong.poll_pong(&mut Context::from_waker(Waker::noop()));
                    let _ = ping_pong.send_ping(Ping::opaque());
                }
            }
            Verdict::Shrink => self.shrink(),
            Verdict::Leave => {
                self.phase = Phase::Closing;
                let grace = self.host.config.max_connection_age_grace;
                self.lifetime.leave(now.checked_add(grace));
            }
            Verdict::Cut => {
                self.count_timeout();
                self.phase = Phase::Cut;
            }
        }
    }
}
