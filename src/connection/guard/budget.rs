//! A token bucket.

use std::time::Duration;

/// The frames of one kind that a peer may send. The bucket fills evenly, and is full again after the limits' refill time.
#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    burst: u32,
    /// The time up to which passed time has been turned into tokens.
    filled: Duration,
}

impl Budget {
    pub(super) const fn new(burst: u32) -> Self {
        Self {
            left: burst,
            burst,
            filled: Duration::ZERO,
        }
    }

    #[cfg(any(test, feature = "__internals"))]
    pub(super) const fn left(&self) -> u32 {
        self.left
    }

    /// Takes one token. Returns false if the bucket is empty.
    ///
    /// The clock is read, and time turned into tokens, only when the bucket is empty. So in any period after the first, a peer gets no more
    /// than two bursts and the tokens of the period.
    #[inline]
    pub(super) fn take(&mut self, refill: Duration, now: impl Fn() -> Duration) -> bool {
        if self.left == 0 {
            self.fill(refill, now());
        }
        self.left = match self.left.checked_sub(1) {
            Some(left) => left,
            None => return false,
        };
        true
    }

    /// Whether the bucket has more tokens than the burst: the peer has earned more tokens than it has used.
    pub(super) const fn is_above_burst(&self) -> bool {
        self.left > self.burst
    }

    /// Adds tokens on top of the burst.
    #[inline]
    pub(super) const fn credit(&mut self, tokens: u32) {
        self.left = self.left.saturating_add(tokens);
    }

    #[cold]
    fn fill(&mut self, refill: Duration, now: Duration) {
        let passed = now.saturating_sub(self.filled);
        if passed >= refill {
            self.left = self.burst;
            self.filled = now;
            return;
        }
        // `passed` is less than `refill`, so `gained` is less than the burst; `refill` is not zero.
        let gained = passed.as_nanos() * u128::from(self.burst) / refill.as_nanos();
        self.left = u32::try_from(gained).unwrap_or(self.burst);
        // The rest of the time counts for the next token.
        let spent = (gained * refill.as_nanos()).div_ceil(u128::from(self.burst.max(1)));
        self.filled += Duration::from_nanos(u64::try_from(spent).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFILL: Duration = Duration::from_secs(30);

    /// How many tokens can be taken at once.
    fn drain(budget: &mut Budget, now: Duration) -> u32 {
        let mut taken = 0;
        while budget.take(REFILL, || now) {
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_burst_is_there_at_once_and_then_as_much_in_each_refill() {
        let mut budget = Budget::new(1_000);
        let at = Duration::from_secs;
        assert_eq!(drain(&mut budget, at(0)), 1_000);
        assert_eq!(drain(&mut budget, at(3)), 100);
        assert_eq!(drain(&mut budget, at(3)), 0);
        assert_eq!(drain(&mut budget, at(33)), 1_000);
        assert_eq!(drain(&mut budget, at(3_600)), 1_000);
    }

    #[test]
    fn no_time_is_lost_between_two_looks() {
        let mut budget = Budget::new(1_000);
        let mut taken = drain(&mut budget, Duration::ZERO);
        for ms in 1..=30_000 {
            taken += drain(&mut budget, Duration::from_millis(ms));
        }
        assert_eq!(taken, 2_000);
    }

    #[test]
    fn credits_come_on_top() {
        let mut budget = Budget::new(1);
        budget.credit(2);
        assert_eq!(drain(&mut budget, Duration::ZERO), 3);
        budget.credit(u32::MAX);
        budget.credit(u32::MAX);
        assert_eq!(budget.left(), u32::MAX);
    }

    #[test]
    fn extremes_are_taken_as_they_are_meant() {
        let mut none = Budget::new(0);
        assert!(!none.take(REFILL, || Duration::ZERO));
        assert!(!none.take(REFILL, || Duration::from_secs(1)));
        assert!(!none.take(REFILL, || Duration::MAX));
        none.credit(1);
        assert!(none.take(REFILL, || Duration::ZERO));
        let mut instant = Budget::new(1);
        assert!((0..9).all(|_| instant.take(Duration::ZERO, || Duration::ZERO)));
        let mut never = Budget::new(u32::MAX);
        never.left = 0;
        assert!(!never.take(Duration::MAX, || Duration::ZERO));
        assert!(never.take(Duration::MAX, || Duration::MAX));
    }
}
