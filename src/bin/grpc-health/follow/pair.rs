//! One service of one server, and what is known of its status.

use std::{
    fmt::{self, Display},
    time::{Duration, Instant, SystemTime},
};

use grpc_health::client::ReportedStatus;

use crate::{
    cells::cut,
    output::Exit,
    status::{color_of, exit_of},
    terminal::Color,
};

/// What was last heard of a service.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen {
    /// Nothing yet.
    Waiting,
    Reported(ReportedStatus),
    /// No connection, or the call failed: why, and the code of `check` for the same.
    Lost(String, Exit),
}

impl Seen {
    /// The longest reason that is kept, in columns of a terminal.
    const REASON: usize = 200;

    /// `reason` is for a terminal: characters that could control one are escaped.
    pub(super) fn lost(reason: &str, exit: Exit) -> Self {
        Self::Lost(cut(reason, Self::REASON), exit)
    }

    /// Why there is no status, in words for a terminal. Empty if there is a status.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Lost(reason, _) => reason,
            Self::Waiting | Self::Reported(_) => "",
        }
    }

    pub(super) fn color(&self) -> Color {
        match self {
            Self::Waiting => Color::Dim,
            Self::Reported(status) => color_of(*status),
            Self::Lost(..) => Color::Red,
        }
    }

    pub(super) const fn is_serving(&self) -> bool {
        matches!(self, Self::Reported(status) if status.is_serving())
    }

    /// The exit code that `check` would end with.
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Waiting => Exit::Connect,
            Self::Reported(status) => exit_of(*status),
            Self::Lost(_, exit) => *exit,
        }
    }
}

/// Writes a status by its name, and the other states in capitals, too.
impl Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => f.write_str("CONNECTING"),
            Self::Reported(status) => status.fmt(f),
            Self::Lost(_, Exit::Connect) => f.write_str("UNREACHABLE"),
            Self::Lost(..) => f.write_str("FAILED"),
        }
    }
}

/// A service that is followed.
#[derive(Debug)]
pub(super) struct Pair {
    /// The server's address, as the user wrote it.
    pub(super) addr: String,
    /// The name of the service, as it is.
    pub(super) service: String,
    pub(super) seen: Seen,
    /// Since when `seen` holds.
    pub(super) since: Instant,
    /// What was seen before, and for how long.
    pub(super) previous: Option<(Seen, Duration)>,
    /// How often the status has changed since the first one.
    pub(super) changes: u64,
}

/// A moment at which a status changed.
pub(super) struct Change<'a> {
    pub(super) at: SystemTime,
    pub(super) pair: &'a Pair,
}

impl Pair {
    pub(super) fn new(addr: String, service: String, now: Instant) -> Self {
        Self {
            addr,
            service,
            seen: Seen::Waiting,
            since: now,
            previous: None,
            changes: 0,
        }
    }

    /// Notes what was heard. `false` if the status is the same as before; a new reason alone is no change.
    pub(super) fn note(&mut self, seen: Seen, now: Instant) -> bool {
        let same = match (&self.seen, &seen) {
            (Seen::Lost(_, before), Seen::Lost(_, after)) => before == after,
            (before, after) => before == after,
        };
        let before = std::mem::replace(&mut self.seen, seen);
        if same {
            return false;
        }
        if before != Seen::Waiting {
            self.changes = self.changes.saturating_add(1);
            self.previous = Some((before, now.saturating_duration_since(self.since)));
        }
        self.since = now;
        true
    }
}

/// The exit code of several services: the worst one's, where no connection is worse than a failed call, and a failed call is worse than a
/// status.
pub(super) fn worst<'a>(all: impl Iterator<Item = &'a Seen>) -> Exit {
    let rank = |exit: &Exit| match exit {
        Exit::Serving => 0,
        Exit::NotServing => 1,
        Exit::Rpc => 2,
        Exit::Arguments | Exit::Connect => 3,
    };
    all.map(Seen::exit)
        .max_by_key(rank)
        .unwrap_or(Exit::Serving)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(status: ReportedStatus) -> Seen {
        Seen::Reported(status)
    }

    #[test]
    fn a_change_remembers_what_was_before() {
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        let mut pair = Pair::new("a:1".to_owned(), String::new(), start);
        assert!(pair.note(reported(ReportedStatus::SERVING), later(1)));
        assert_eq!((pair.changes, &pair.previous), (0, &None));
        assert!(!pair.note(reported(ReportedStatus::SERVING), later(2)));
        assert!(pair.note(Seen::lost("refused", Exit::Connect), later(5)));
        let before = reported(ReportedStatus::SERVING);
        assert_eq!(pair.previous, Some((before, Duration::from_secs(4))));
        assert_eq!((pair.changes, pair.since), (1, later(5)));
        // The same state for another reason.
        assert!(!pair.note(Seen::lost("no route", Exit::Connect), later(6)));
        assert_eq!((pair.seen.reason(), pair.since), ("no route", later(5)));
        assert!(pair.note(Seen::lost("no such method", Exit::Rpc), later(7)));
        assert_eq!(pair.changes, 2);
    }

    #[test]
    fn reasons_are_short() {
        let seen = Seen::lost(&"b".repeat(1 << 20), Exit::Rpc);
        assert_eq!(seen.reason().chars().count(), Seen::REASON);
    }

    #[test]
    fn the_worst_decides() {
        let seen = [
            reported(ReportedStatus::SERVING),
            reported(ReportedStatus::UNKNOWN),
            Seen::lost("", Exit::Rpc),
            Seen::lost("", Exit::Connect),
        ];
        let codes = [Exit::Serving, Exit::NotServing, Exit::Rpc, Exit::Connect];
        for (len, code) in (1..=4).zip(codes) {
            assert_eq!(worst(seen.iter().take(len)), code);
        }
        assert_eq!(worst([].into_iter()), Exit::Serving);
        assert_eq!(worst([Seen::Waiting].iter()), Exit::Connect);
    }
}
