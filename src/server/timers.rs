//! The deadlines of a connection's calls, on one timer.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// When the calls of one connection are to end. Without deadlines it holds no timer and reads no clock.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    queue: BTreeSet<(Instant, u32)>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether `sleep` has not fired yet.
    armed: bool,
}

impl Deadlines {
    pub(super) fn insert(&mut self, at: Instant, key: u32) {
        self.queue.insert((at, key));
    }

    pub(super) fn remove(&mut self, at: Instant, key: u32) {
        self.queue.remove(&(at, key));
    }

    /// The next stream whose deadline has passed. When there is none, the task is woken for the earliest.
    pub(super) fn pop_expired(&mut self, cx: &mut Context<'_>) -> Option<u32> {
        loop {
            let &(earliest, key) = self.queue.first()?;
            if earliest <= Instant::now() {
                self.queue.pop_first();
                return Some(key);
            }
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(sleep_until(earliest)));
            // A timer that is early costs one look; moving it at every call that completes would cost more.
            if !self.armed || earliest < sleep.deadline() {
                sleep.as_mut().reset(earliest);
                self.armed = true;
            }
            match sleep.as_mut().poll(cx) {
                Poll::Ready(()) => self.armed = false,
                Poll::Pending => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    async fn next(deadlines: &mut Deadlines) -> u32 {
        poll_fn(|cx| deadlines.pop_expired(cx).map_or(Poll::Pending, Poll::Ready)).await
    }

    #[tokio::test(start_paused = true)]
    async fn streams_expire_in_order_of_their_deadlines() {
        let start = Instant::now();
        let mut deadlines = Deadlines::default();
        for (seconds, key) in [(3, 30), (1, 10), (2, 20)] {
            deadlines.insert(start + Duration::from_secs(seconds), key);
        }
        for (seconds, key) in [(1, 10), (2, 20), (3, 30)] {
            assert_eq!(next(&mut deadlines).await, key);
            assert_eq!(start.elapsed().as_secs(), seconds);
        }
        assert!(poll_fn(|cx| Poll::Ready(deadlines.pop_expired(cx).is_none())).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_deadline_moves_the_timer_and_a_removed_one_does_not_fire() {
        let start = Instant::now();
        let mut deadlines = Deadlines::default();
        deadlines.insert(start + Duration::from_secs(60), 1);
        assert!(poll_fn(|cx| Poll::Ready(deadlines.pop_expired(cx).is_none())).await);
        deadlines.insert(start + Duration::from_secs(5), 2);
        deadlines.insert(start + Duration::from_secs(4), 3);
        assert!(poll_fn(|cx| Poll::Ready(deadlines.pop_expired(cx).is_none())).await);
        deadlines.remove(start + Duration::from_secs(4), 3);
        assert_eq!(next(&mut deadlines).await, 2);
        assert_eq!(start.elapsed().as_secs(), 5);
    }
}
