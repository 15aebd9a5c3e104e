//! The time between two attempts, as gRPC clients keep it.

use std::time::Duration;

/// What the time is multiplied by after each attempt, and the part of the time by which chance makes it longer or shorter, in tenths
/// ([connection backoff](https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md)).
const MULTIPLIER_TENTHS: u32 = 16;
const JITTER_TENTHS: u32 = 2;

/// How long attempts lie apart, from start to start: the first time, and the longest time, both before chance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spacing {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

/// The growing time between attempts.
#[derive(Debug)]
pub(super) struct Backoff {
    spacing: Spacing,
    /// The next time, before chance.
    next: Duration,
}

impl Backoff {
    pub(super) fn new(spacing: Spacing) -> Self {
        Self {
            spacing,
            next: spacing.first.min(spacing.longest),
        }
    }

    /// Begins again with the first time: the server has answered.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.spacing);
    }

    /// The time from the start of the attempt that has ended to the start of the next attempt. Every value of `random` is as likely as
    /// every other.
    pub(super) fn next(&mut self, random: u64) -> Duration {
        let time = self.next;
        let grown = time.saturating_mul(MULTIPLIER_TENTHS) / 10;
        self.next = grown.min(self.spacing.longest);
        let spread = time.saturating_mul(JITTER_TENTHS) / 10;
        let nanos = u64::try_from(spread.as_nanos().saturating_mul(2)).unwrap_or(u64::MAX);
        let chance = random % nanos.saturating_add(1).max(1);
        (time - spread).saturating_add(Duration::from_nanos(chance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACING: Spacing = Spacing {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(120),
    };

    fn bounds(tries: usize) -> Vec<(f64, f64)> {
        let mut low = Backoff::new(SPACING);
        let mut high = Backoff::new(SPACING);
        (0..tries)
            .map(|_| {
                // The smallest and the largest chance for each time.
                let spread = high.next.as_nanos() as u64 / 10 * 4;
                (low.next(0).as_secs_f64(), high.next(spread).as_secs_f64())
            })
            .collect()
    }

    #[test]
    fn times_grow_by_1_6_up_to_120_s_and_chance_takes_or_adds_a_fifth() {
        let mut time = 1.0_f64;
        for (low, high) in bounds(14) {
            assert!((low - time * 0.8).abs() < 1e-6, "{low} for {time}");
            assert!((high - time * 1.2).abs() < 1e-6, "{high} for {time}");
            time = (time * 1.6).min(120.0);
        }
        assert_eq!(bounds(14)[13], (96.0, 144.0));
    }

    #[test]
    fn every_chance_is_within_the_bounds() {
        for random in (0..1_000).map(|i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
            let time = Backoff::new(SPACING).next(random).as_secs_f64();
            assert!((0.8..=1.2).contains(&time), "{time}");
        }
    }

    #[test]
    fn a_reset_begins_again() {
        let mut backoff = Backoff::new(SPACING);
        for _ in 0..20 {
            backoff.next(0);
        }
        backoff.reset();
        assert_eq!(backoff.next(0), Duration::from_millis(800));
        assert_eq!(backoff.next(0), Duration::from_millis(1_280));
    }

    #[test]
    fn the_longest_times_do_not_overflow() {
        let mut backoff = Backoff::new(Spacing {
            first: Duration::MAX,
            longest: Duration::MAX,
        });
        for _ in 0..3 {
            assert!(backoff.next(u64::MAX) > Duration::from_secs(u64::from(u32::MAX)));
        }
    }
}
