//! How long a connection may live, and how long its peer may be silent. The rules get the time as an argument.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use super::config::Config;

/// What to do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Give memory back that a quiet connection does not need.
    Shrink,
    /// Send the peer a PING.
    Ping,
    /// Send the peer a GOAWAY. Calls may complete until the deadline given to [`Lifetime::leave`].
    Leave,
    /// Close the connection at once.
    Cut,
}

/// What a connection has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Activity {
    /// Bytes read from the socket, and written to it.
    pub(super) read: u64,
    pub(super) written: u64,
    /// Whether the socket takes no more bytes.
    pub(super) write_blocked: bool,
    /// Whether calls are open.
    pub(super) busy: bool,
    /// Whether calls have come since the last look, all of which may be answered.
    pub(super) called: bool,
    /// Whether the connection keeps memory that it does not need without calls.
    pub(super) swollen: bool,
    /// Whether many calls have been open at once, for which h2 keeps memory until the connection ends.
    pub(super) crowded: bool,
}

impl Activity {
    /// What decides which times the connection has.
    const fn kind(&self) -> [bool; 4] {
        [self.write_blocked, self.busy, self.swollen, self.crowded]
    }
}

/// After this time without a call and without a byte from the peer, a connection is quiet.
const QUIET: Duration = Duration::from_secs(1);

/// The longest time without a call after which a connection leaves that has had many calls open at once.
const CROWDED_IDLE: Duration = Duration::from_secs(60);

/// A connection's times.
#[derive(Debug)]
pub(super) struct Lifetime {
    idle: Option<Duration>,
    ping_interval: Option<Duration>,
    ping_timeout: Duration,
    write_stall: Duration,
    /// How many bytes the socket has to take within `write_stall` while it is blocked.
    write_bytes: u64,
    seen: Activity,
    last_read: Instant,
    /// Since when the blocked socket has not taken enough bytes, and how many it had taken then; `None` while the socket is not blocked.
    blocked_since: Option<(Instant, u64)>,
    /// Since when the connection has had no call and read no byte; `None` while there is a call.
    idle_since: Option<Instant>,
    /// Whether [`Verdict::Shrink`] has been given since then.
    shrunk: bool,
    /// Since when the connection has had no call; `None` while there is a call.
    free_since: Option<Instant>,
    /// When a PING was sent, if the peer has sent nothing since.
    pinged: Option<Instant>,
    leave_at: Option<Instant>,
    cut_at: Option<Instant>,
    /// Whether nothing has made the next verdict earlier since [`next`](Self::next) told its time.
    told: bool,
    /// Whether [`Verdict::Cut`] has been given, after which there is no other verdict.
    over: bool,
}

impl Lifetime {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        let age = config.max_connection_age.map(with_jitter);
        Self {
            idle: config.max_connection_idle,
            ping_interval: config.keepalive_interval,
            ping_timeout: config.keepalive_timeout,
            write_stall: config.write_stall_timeout,
            write_bytes: u64::try_from(config.send_stall_bytes.max(1)).unwrap_or(u64::MAX),
            seen: Activity::default(),
            last_read: now,
            blocked_since: None,
            idle_since: Some(now),
            shrunk: false,
            free_since: Some(now),
            pinged: None,
            leave_at: age.and_then(|age| now.checked_add(age)),
            cut_at: None,
            told: false,
            over: false,
        }
    }

    /// Takes note of the connection's activity up to `now`.
    pub(super) fn observe(&mut self, now: Instant, activity: Activity) {
        if activity.read != self.seen.read {
            self.last_read = now;
            // The next PING may be due before the answer was.
            self.told &= self.pinged.take().is_none();
        }
        let moves = |since: u64| activity.written.saturating_sub(since) >= self.write_bytes;
        if !activity.write_blocked {
            self.blocked_since = None;
        } else if self.blocked_since.is_none_or(|(_, since)| moves(since)) {
            self.blocked_since = Some((now, activity.written));
        }
        if activity.busy {
            self.free_since = None;
        } else if activity.called || self.free_since.is_none() {
            self.free_since = Some(now);
        }
        if activity.busy {
            self.idle_since = None;
        } else if self.idle_since.is_none() || activity.read != self.seen.read {
            self.idle_since = Some(now);
            self.shrunk = false;
        }
        // Other changes only put verdicts off.
        self.told &= activity.kind() == self.seen.kind();
        self.seen = activity;
    }

    /// Takes note that the peer has been sent a GOAWAY and that the connection is cut at `deadline`.
    pub(super) fn leave(&mut self, deadline: Option<Instant>) {
        self.idle = None;
        self.leave_at = None;
        self.cut_at = deadline;
        self.told = false;
    }

    /// Whether the next verdict is not due before the time that [`next`](Self::next) has told last.
    pub(super) const fn is_told(&self) -> bool {
        self.told
    }

    /// When the next verdict is due.
    pub(super) fn next(&mut self) -> Option<Instant> {
        self.told = true;
        if self.over {
            return None;
        }
        let end = earlier(self.cut_time(), self.leave_time());
        earlier(end, earlier(self.ping_time(), self.shrink_time()))
    }

    /// The verdict that is due at `now`. Each call gives the next one; after a cut there is none.
    pub(super) fn due(&mut self, now: Instant) -> Option<Verdict> {
        self.told = false;
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if self.over {
            None
        } else if is_due(self.cut_time()) {
            self.over = true;
            Some(Verdict::Cut)
        } else if is_due(self.leave_time()) {
            self.leave(None);
            Some(Verdict::Leave)
        } else if is_due(self.ping_time()) {
            self.pinged = Some(now);
            Some(Verdict::Ping)
        } else if is_due(self.shrink_time()) {
            self.shrunk = true;
            Some(Verdict::Shrink)
        } else {
            None
        }
    }

    fn shrink_time(&self) -> Option<Instant> {
        let is_due = self.seen.swollen && !self.shrunk;
        after(self.idle_since.filter(|_| is_due), Some(QUIET))
    }

    fn cut_time(&self) -> Option<Instant> {
        let silent = after(self.pinged, Some(self.ping_timeout));
        let blocked = self.blocked_since.map(|(since, _)| since);
        let stalled = after(blocked, Some(self.write_stall));
        earlier(self.cut_at, earlier(silent, stalled))
    }

    fn leave_time(&self) -> Option<Instant> {
        let idle = after(self.idle_since, self.idle);
        let times = earlier(self.leave_at, idle);
        if !self.seen.crowded {
            return times;
        }
        let crowded = self.idle.map(|idle| idle.min(CROWDED_IDLE));
        earlier(times, after(self.free_since, crowded))
    }

    fn ping_time(&self) -> Option<Instant> {
        if self.pinged.is_some() {
            return None;
        }
        after(Some(self.last_read), self.ping_interval)
    }
}

/// The time `duration` after `since`; `None` if that is too far in the future to be represented.
fn after(since: Option<Instant>, duration: Option<Duration>) -> Option<Instant> {
    since?.checked_add(duration?)
}

/// The earlier of two times, of which each may be missing. Every turn of a connection asks a few times: an iterator would cost more.
#[inline]
pub(super) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, None) => one,
        (None, other) => other,
    }
}

/// `age`, up to a tenth more or less, so that connections made together do not end together.
pub(super) fn with_jitter(age: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let per_mille = u32::try_from(random % 201).unwrap_or(100);
    age.saturating_mul(900 + per_mille) / 1000
}

#[cfg(test)]
mod tests;
