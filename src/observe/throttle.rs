//! How many events of one kind are written.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many events of one kind are written in a [`SPAN`].
const MOST: u32 = 5;

/// The time in which at most [`MOST`] events are written: enough for an operator to see what happens and that it goes on, and little
/// enough for a log under attack.
const SPAN: Duration = Duration::from_secs(10);

/// Counts the events of one kind.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    began: Option<Instant>,
    written: u32,
    suppressed: u64,
}

impl Throttle {
    /// Whether an event may be written: `Some` with the number of events that have been left out since the last one was written.
    pub(super) fn pass(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |began| now.saturating_duration_since(began) >= SPAN;
        if state.began.is_none_or(is_over) {
            state.began = Some(now);
            state.written = 0;
        }
        if state.written >= MOST {
            state.suppressed = state.suppressed.saturating_add(1);
            return None;
        }
        state.written += 1;
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_events_pass_in_ten_seconds_and_the_next_one_counts_those_left_out() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for _ in 0..MOST {
            assert_eq!(throttle.pass(start), Some(0));
        }
        for _ in 0..1_000 {
            assert_eq!(throttle.pass(start + SPAN / 2), None);
        }
        assert_eq!(throttle.pass(start + SPAN), Some(1_000));
        assert_eq!(throttle.pass(start + SPAN), Some(0));
    }
}
