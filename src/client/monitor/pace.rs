//! How many statuses a server may send for one service.

use std::time::Duration;

use tokio::time::Instant;

use crate::client::flood::spend;

/// How many statuses a server may send in one burst, and the time in which the server earns one more: 100 in a second, for ever. A server
/// that sends only the latest status of a service sends fewer than its socket is flushed.
const BURST: u32 = 1_000;
const EARN: Duration = Duration::from_millis(10);

/// Counts the statuses of one Watch call.
pub(super) struct Pace {
    left: u32,
    /// The time up to which statuses were earned.
    earned: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            left: BURST,
            earned: Instant::now(),
        }
    }

    /// Counts a status. Returns false if there are too many.
    pub(super) fn count(&mut self) -> bool {
        if self.left == 0 {
            self.earn();
        }
        spend(&mut self.left)
    }

    #[cold]
    fn earn(&mut self) {
        let now = Instant::now();
        let steps = now.duration_since(self.earned).as_nanos() / EARN.as_nanos();
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        if steps >= BURST {
            self.left = BURST;
            self.earned = now;
        } else {
            self.left = steps;
            self.earned += EARN * steps;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burst(pace: &mut Pace) -> usize {
        (0..5_000).take_while(|_| pace.count()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_100_a_second() {
        let mut pace = Pace::new();
        assert_eq!(burst(&mut pace), 1_000);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(burst(&mut pace), 100);
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(burst(&mut pace), 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_flips_100_times_a_second_may_go_on() {
        let mut pace = Pace::new();
        for _ in 0..100_000 {
            assert!(pace.count());
            tokio::time::advance(EARN).await;
        }
    }
}
