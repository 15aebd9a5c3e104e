//! The clock of a connection: what is to be done because of the time.

use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Waker};
use std::time::Duration;

use h2::Ping;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::connection::Connection;
use super::lifetime::{Activity, Verdict, earlier};
use super::phase::Phase;
use super::standing::{Doing, Standing};
use crate::service::Service;

/// How long what the server was told of a connection counts as new.
const TOLD: Duration = Duration::from_millis(1);

impl<S, T> Connection<S, T>
where
    S: Service,
    T: AsyncRead + AsyncWrite + Unpin,
{
    /// Does what is due now. False if nothing is due.
    pub(super) fn look_at_the_clock(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            let now = Instant::now();
            if self.link.is_to_leave() && self.phase < Phase::Closing {
                self.obey(Verdict::Leave, now);
                return true;
            }
            let activity = self.activity();
            self.tell_standing(now, activity.busy);
            self.lifetime.observe(now, activity);
            self.intake.look_again(now);
            let calls = earlier(self.waiting.next_deadline(), self.intake.next());
            if calls.is_none() && self.lifetime.is_told() && self.timer.is_armed(cx.waker(), now) {
                // Most turns only put times off.
                return false;
            }
            let next = earlier(calls, self.lifetime.next());
            if next.is_some_and(|next| next <= now) {
                self.with_waiting(|waiting, turn| waiting.expire(now, turn));
                self.look_at_stuck(now);
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

    /// Tells the server what the connection does, if that has changed, or if calls have come and a millisecond has passed: times of the
    /// server are in milliseconds.
    fn tell_standing(&mut self, now: Instant, busy: bool) {
        let doing = match (busy, self.waiting.len() > 0) {
            (true, true) if self.waiting.only_long_lived() => Doing::Watching,
            (true, _) => Doing::Working,
            (false, _) if self.called || self.doing.has_called() => Doing::Idle,
            (false, _) => Doing::Unused,
        };
        let called = std::mem::take(&mut self.called);
        if doing != self.doing || (called && now >= self.tell_at) {
            self.doing = doing;
            self.tell_at = now + TOLD;
            let since = self.host.millis(now);
            self.link.set_standing(Standing::new(doing, since));
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
            called: self.called,
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
