//! When a check runs: a pure function of times that are passed in.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest period and the shortest timeout of a check.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);

/// The longest period and the longest timeout of a check: a day.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The part of a period within which the first run begins, and the part of a period that lies at least between two runs.
const PART: u32 = 10;

/// The times at which one check runs.
///
/// The first run begins at a random moment within a tenth of the period, so that many checks that start together do not run together. The
/// later runs begin a whole number of periods after the first run. A run that takes longer than the period leaves runs out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    period: Duration,
    /// When the next run is due.
    next: Instant,
    /// The earliest moment at which an event may begin a run before the run is due.
    earliest: Instant,
}

impl Schedule {
    /// Makes the schedule of a check that starts at `now`. `random` decides the start of the first run.
    pub(super) fn new(now: Instant, period: Duration, random: u64) -> Self {
        let spread = period / PART;
        let nanos = u64::try_from(spread.as_nanos()).unwrap_or(u64::MAX);
        let jitter = match nanos.checked_add(1) {
            Some(range) => Duration::from_nanos(random % range),
            None => Duration::from_nanos(random),
        };
        let first = now + jitter;
        Self {
            period,
            next: first,
            earliest: first,
        }
    }

    /// When the next run is due.
    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// The earliest moment at which an event may begin a run. A peer that causes events without end causes ten runs a period.
    pub(super) const fn earliest(&self) -> Instant {
        self.earliest
    }

    /// Notes that a run has begun at `began` and ended at `now`.
    pub(super) fn ran(&mut self, began: Instant, now: Instant) {
        self.earliest = began + self.period / PART;
        if self.next > now {
            return;
        }
        let late = now.duration_since(self.next).as_nanos();
        // Both numbers are in nanoseconds, and the period is at least a millisecond.
        let missed = late / self.period.as_nanos().max(1);
        let missed = u32::try_from(missed).unwrap_or(u32::MAX);
        self.next += self.period.saturating_mul(missed.saturating_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_run_begins_within_a_tenth_of_the_period() {
        let now = Instant::now();
        let mut starts = Vec::new();
        for random in [0, 1, 12_345_678_901, u64::MAX] {
            let schedule = Schedule::new(now, 10 * S, random);
            assert!(schedule.next() >= now && schedule.next() <= now + S);
            starts.push(schedule.next());
        }
        starts.dedup();
        assert_eq!(starts.len(), 4);
        assert_eq!(Schedule::new(now, 10 * S, 1_000_000_000).next(), now + S);
    }

    #[test]
    fn runs_keep_the_rhythm_of_the_first() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now, 10 * S, 0);
        schedule.ran(now, now + 3 * S);
        assert_eq!(schedule.next(), now + 10 * S);
        // A run that is begun by an event moves nothing.
        schedule.ran(now + 5 * S, now + 6 * S);
        assert_eq!(schedule.next(), now + 10 * S);
    }

    #[test]
    fn a_run_longer_than_the_period_leaves_runs_out() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now, 10 * S, 0);
        schedule.ran(now, now + 35 * S);
        assert_eq!(schedule.next(), now + 40 * S);
        schedule.ran(now + 40 * S, now + 50 * S);
        assert_eq!(schedule.next(), now + 60 * S);
    }

    #[test]
    fn events_begin_ten_runs_a_period_at_most() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now, 10 * S, 0);
        schedule.ran(now, now);
        assert_eq!(schedule.earliest(), now + S);
    }

    #[test]
    fn the_longest_period_does_not_overflow() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now, LONGEST, u64::MAX);
        schedule.ran(now, now + 366 * LONGEST);
        assert!(schedule.next() > now + 366 * LONGEST);
        assert!(schedule.next() <= now + 368 * LONGEST);
    }
}
