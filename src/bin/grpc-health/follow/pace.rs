//! How many lines a second are printed.

use std::time::{Duration, Instant};

/// The most lines at once, and the most lines in a second after that.
const LINES: u32 = 1_000;

/// An allowance of lines, which fills up with time.
#[derive(Debug)]
pub(super) struct Pace {
    left: u32,
    filled: Instant,
}

impl Pace {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            left: LINES,
            filled: now,
        }
    }

    /// Takes one line from the allowance. If the allowance is used up, returns how long to wait before the next line.
    pub(super) fn take(&mut self, now: Instant) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.filled).as_millis();
        let per_second = u128::from(LINES);
        let filled = u32::try_from(passed * per_second / 1_000).unwrap_or(u32::MAX);
        if filled > 0 {
            self.left = self.left.saturating_add(filled).min(LINES);
            self.filled = now;
        }
        self.left = self.left.saturating_sub(1);
        (self.left == 0).then_some(Duration::from_millis(100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that waits as it is told prints no more than the allowance and what fills up.
    #[test]
    fn lines_are_bounded() {
        let start = Instant::now();
        let (mut now, mut pace) = (start, Pace::new(start));
        let mut lines = 0;
        while now < start + Duration::from_secs(10) {
            lines += 1;
            now += pace.take(now).unwrap_or_default();
            // A line costs some time, too, and less than the time that a line fills up in.
            now += Duration::from_micros(10);
        }
        assert!((LINES * 9..=LINES * 11).contains(&lines), "{lines}");
        // After a pause there is as much as at the beginning, and no more.
        now += Duration::from_secs(3_600);
        let burst = (0..).take_while(|_| pace.take(now).is_none()).count();
        assert_eq!(burst, LINES as usize - 1);
    }
}
