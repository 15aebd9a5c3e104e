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
    /// Whether the connection keeps memory that it does not need without calls.
    pub(super) swollen: bool,
    /// Whether many calls have been open at once, for which h2 keeps memory until the connection ends.
    pub(super) crowded: bool,
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
            over: false,
        }
    }

    /// Takes note of the connection's activity up to `now`.
    pub(super) fn observe(&mut self, now: Instant, activity: Activity) {
        if activity.read != self.seen.read {
            self.last_read = now;
            self.pinged = None;
        }
        let moves = |since: u64| activity.written.saturating_sub(since) >= self.write_bytes;
        if !activity.write_blocked {
            self.blocked_since = None;
        } else if self.blocked_since.is_none_or(|(_, since)| moves(since)) {
            self.blocked_since = Some((now, activity.written));
        }
        if activity.busy {
            self.free_since = None;
        } else if self.free_since.is_none() {
            self.free_since = Some(now);
        }
        if activity.busy {
            self.idle_since = None;
        } else if self.idle_since.is_none() || activity.read != self.seen.read {
            self.idle_since = Some(now);
            self.shrunk = false;
        }
        self.seen = activity;
    }

    /// Takes note that the peer has been sent a GOAWAY and that the connection is cut at `deadline`.
    pub(super) fn leave(&mut self, deadline: Option<Instant>) {
        self.idle = None;
        self.leave_at = None;
        self.cut_at = deadline;
    }

    /// When the next verdict is due.
    pub(super) fn next(&self) -> Option<Instant> {
        let times = [
            self.cut_time(),
            self.leave_time(),
            self.ping_time(),
            self.shrink_time(),
        ];
        times.into_iter().flatten().min().filter(|_| !self.over)
    }

    /// The verdict that is due at `now`. Each call gives the next one; after a cut there is none.
    pub(super) fn due(&mut self, now: Instant) -> Option<Verdict> {
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
        [self.cut_at, silent, stalled].into_iter().flatten().min()
    }

    fn leave_time(&self) -> Option<Instant> {
        let idle = after(self.idle_since, self.idle);
        let crowded = self.free_since.filter(|_| self.seen.crowded);
        let crowded = after(crowded, self.idle.map(|idle| idle.min(CROWDED_IDLE)));
        [self.leave_at, idle, crowded].into_iter().flatten().min()
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

/// `age`, up to a tenth more or less, so that connections made together do not end together.
pub(super) fn with_jitter(age: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let per_mille = u32::try_from(random % 201).unwrap_or(100);
    age.saturating_mul(900 + per_mille) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    /// How many bytes a blocked socket has to take in its time.
    const STEP: u64 = 16 << 10;

    fn config() -> Config {
        Config {
            max_connection_idle: Some(30 * SECOND),
            write_stall_timeout: 20 * SECOND,
            ..Config::default()
        }
    }

    fn busy(read: u64, written: u64) -> Activity {
        Activity {
            read,
            written,
            write_blocked: false,
            busy: true,
            swollen: false,
            crowded: false,
        }
    }

    #[test]
    fn a_connection_without_calls_is_to_leave_after_the_idle_time() {
        let start = Instant::now();
        let mut lifetime = Lifetime::new(&config(), start);
        lifetime.observe(
            start,
            Activity {
                busy: false,
                ..busy(24, 0)
            },
        );
        assert_eq!(lifetime.next(), Some(start + 30 * SECOND));
        // A call, and then its end.
        lifetime.observe(start + 10 * SECOND, busy(50, 0));
        assert_eq!(lifetime.next(), None);
        lifetime.observe(
            start + 90 * SECOND,
            Activity {
                busy: false,
                ..busy(50, 20)
            },
        );
        assert_eq!(lifetime.due(start + 119 * SECOND), None);
        assert_eq!(lifetime.due(start + 120 * SECOND), Some(Verdict::Leave));
        lifetime.leave(Some(start + 125 * SECOND));
        assert_eq!(lifetime.due(start + 124 * SECOND), None);
        assert_eq!(lifetime.due(start + 125 * SECOND), Some(Verdict::Cut));
        assert_eq!(
            (lifetime.due(start + 125 * SECOND), lifetime.next()),
            (None, None)
        );
    }

    #[test]
    fn calls_answered_at_once_put_the_idle_time_off() {
        let start = Instant::now();
        let mut lifetime = Lifetime::new(&config(), start);
        for i in 1..10 {
            let activity = Activity {
                busy: false,
                ..busy(i * 100, i * 50)
            };
            lifetime.observe(start + SECOND * i as u32, activity);
        }
        assert_eq!(lifetime.next(), Some(start + 39 * SECOND));
    }

    /// PINGs do not put that off.
    #[test]
    fn a_connection_that_was_crowded_leaves_after_a_minute_without_a_call() {
        let start = Instant::now();
        let crowded = |read| Activity {
            crowded: true,
            busy: false,
            ..busy(read, 9)
        };
        let leaves = |idle| {
            let config = Config {
                max_connection_idle: idle,
                ..config()
            };
            let mut lifetime = Lifetime::new(&config, start);
            lifetime.observe(start, busy(9, 9));
            assert_eq!(lifetime.next(), None);
            for second in 1..4 {
                lifetime.observe(start + SECOND * second, crowded(10 + u64::from(second)));
            }
            lifetime.next().map(|at| at - start)
        };
        assert_eq!(leaves(Some(300 * SECOND)), Some(61 * SECOND));
        assert_eq!(leaves(Some(5 * SECOND)), Some(6 * SECOND));
        assert_eq!(leaves(None), None);
    }

    #[test]
    fn a_quiet_connection_gives_memory_back_once() {
        let start = Instant::now();
        let mut lifetime = Lifetime::new(&config(), start);
        let swollen = |read| Activity {
            swollen: true,
            ..busy(read, 9)
        };
        lifetime.observe(start, swollen(9));
        assert_eq!(lifetime.next(), None);
        let quiet = Activity {
            busy: false,
            ..swollen(10)
        };
        lifetime.observe(start + SECOND, quiet);
        assert_eq!(lifetime.next(), Some(start + 2 * SECOND));
        assert_eq!(lifetime.due(start + 2 * SECOND), Some(Verdict::Shrink));
        assert_eq!(lifetime.due(start + 2 * SECOND), None);
        assert_eq!(lifetime.next(), Some(start + 31 * SECOND));
    }

    #[test]
    fn a_socket_that_takes_nothing_is_cut_and_progress_puts_that_off() {
        let start = Instant::now();
        let mut lifetime = Lifetime::new(&config(), start);
        let blocked = |written| Activity {
            write_blocked: true,
            ..busy(9, written)
        };
        lifetime.observe(start, blocked(100));
        lifetime.observe(start + 15 * SECOND, blocked(100));
        assert_eq!(lifetime.next(), Some(start + 20 * SECOND));
        // A byte now and then is not enough.
        lifetime.observe(start + 16 * SECOND, blocked(99 + STEP));
        assert_eq!(lifetime.next(), Some(start + 20 * SECOND));
        lifetime.observe(start + 19 * SECOND, blocked(100 + STEP));
        assert_eq!(lifetime.due(start + 38 * SECOND), None);
        lifetime.observe(start + 38 * SECOND, busy(9, 102 + STEP));
        assert_eq!(lifetime.next(), None);
        lifetime.observe(start + 40 * SECOND, blocked(102 + STEP));
        assert_eq!(lifetime.due(start + 60 * SECOND), Some(Verdict::Cut));
    }

    #[test]
    fn a_silent_peer_is_asked_and_cut_unless_it_says_something() {
        let config = Config {
            keepalive_interval: Some(30 * SECOND),
            keepalive_timeout: 5 * SECOND,
            ..config()
        };
        let start = Instant::now();
        let mut lifetime = Lifetime::new(&config, start);
        lifetime.observe(start, busy(9, 9));
        assert_eq!(lifetime.next(), Some(start + 30 * SECOND));
        assert_eq!(lifetime.due(start + 30 * SECOND), Some(Verdict::Ping));
        assert_eq!(lifetime.due(start + 30 * SECOND), None);
        // It answers.
        lifetime.observe(start + 31 * SECOND, busy(26, 26));
        assert_eq!(lifetime.next(), Some(start + 61 * SECOND));
        assert_eq!(lifetime.due(start + 61 * SECOND), Some(Verdict::Ping));
        // It does not.
        lifetime.observe(start + 62 * SECOND, busy(26, 43));
        assert_eq!(lifetime.due(start + 66 * SECOND), Some(Verdict::Cut));
    }

    #[test]
    fn an_old_connection_is_to_leave_within_a_tenth_of_its_age() {
        let config = Config {
            max_connection_age: Some(1000 * SECOND),
            ..config()
        };
        let start = Instant::now();
        let mut ages: Vec<_> = (0..64)
            .map(|_| {
                let mut lifetime = Lifetime::new(&config, start);
                lifetime.observe(start, busy(9, 9));
                lifetime.next().expect("an age") - start
            })
            .collect();
        ages.sort_unstable();
        ages.dedup();
        assert!(ages.len() > 1, "all the same: {ages:?}");
        let allowed = 900 * SECOND..=1100 * SECOND;
        assert!(ages.iter().all(|age| allowed.contains(age)), "{ages:?}");
    }
}
