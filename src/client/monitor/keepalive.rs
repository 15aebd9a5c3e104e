//! PINGs, by which a client notices that a server has vanished.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep_until};

/// The PINGs of one connection.
pub(super) struct Keepalive {
    /// `None` if the connection sends none. With the shortest time between two PINGs.
    pings: Option<(PingPong, Duration)>,
    timeout: Duration,
    timer: Pin<Box<Sleep>>,
    /// When the last PING was sent.
    sent: Option<Instant>,
    /// Whether the last PING waits for its answer.
    waits: bool,
}

impl Keepalive {
    /// `interval` is the shortest time between two PINGs; `Duration::MAX` switches PINGs off.
    pub(super) fn new(pings: Option<PingPong>, interval: Duration, timeout: Duration) -> Self {
        Self {
            pings: pings.map(|pings| (pings, interval)),
            timeout,
            timer: Box::pin(sleep_until(after(Instant::now(), interval))),
            sent: None,
            waits: false,
        }
    }

    /// Sends the PINGs that are due. Ready when a PING is unanswered for the timeout.
    ///
    /// `watches` is the number of open Watch calls; without open calls servers do not allow PINGs. `suspected` says that a call is
    /// unanswered: a PING is due at once, unless there was one less than an interval ago. Without PINGs an unanswered call is the end, if
    /// no Watch is open.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        watches: usize,
        suspected: bool,
    ) -> Poll<()> {
        if suspected && watches == 0 {
            return Poll::Ready(());
        }
        let Some((pings, interval)) = &mut self.pings else {
            return Poll::Pending;
        };
        let now = Instant::now();
        let due = self.sent.map_or(now, |sent| after(sent, *interval));
        if suspected && !self.waits && *interval < Duration::MAX {
            self.timer.as_mut().reset(due.max(now));
        }
        loop {
            if self.waits && pings.poll_pong(cx).is_ready() {
                // An error ends the connection's work, too.
                self.waits = false;
                let sent = self.sent.unwrap_or(now);
                self.timer.as_mut().reset(after(sent, *interval));
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if self.waits {
                return Poll::Ready(());
            }
            if watches > 0 && pings.send_ping(Ping::opaque()).is_ok() {
                self.waits = true;
                self.sent = Some(now);
                self.timer.as_mut().reset(after(now, self.timeout));
            } else {
                self.timer.as_mut().reset(after(now, *interval));
            }
        }
    }
}

/// A time that is too far away for an `Instant` is a year.
fn after(time: Instant, wait: Duration) -> Instant {
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    time + wait.min(year)
}
