//! The deadlines of a connection's calls, and the one timer that they share.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// The times at which the calls of one connection end.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(Instant, u32)>);

impl Deadlines {
    pub(super) fn insert(&mut self, at: Instant, key: u32) {
        self.0.insert((at, key));
    }

    pub(super) fn remove(&mut self, at: Instant, key: u32) {
        self.0.remove(&(at, key));
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|&(at, _)| at)
    }

    /// Takes a stream whose deadline has passed at `now`.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<u32> {
        let &(at, key) = self.0.first()?;
        if at > now {
            return None;
        }
        self.0.pop_first();
        Some(key)
    }
}

/// A connection's one timer. It is made when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// The waker that `sleep` will wake, unless `sleep` has fired.
    armed: Option<Waker>,
}

impl Timer {
    /// Whether the timer will wake `task`, after `now`.
    pub(super) fn is_armed(&self, task: &Waker, now: Instant) -> bool {
        let is_armed = self
            .armed
            .as_ref()
            .is_some_and(|armed| armed.will_wake(task));
        is_armed
            && self
                .sleep
                .as_ref()
                .is_some_and(|sleep| now < sleep.deadline())
    }

    /// Sees to it that the task is woken at `at` or earlier. A timer that fires early costs one look at the clock; moving the timer back
    /// whenever a call completes would cost more. Ready when there may be something to do.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        at: Option<Instant>,
    ) -> Poll<()> {
        let Some(at) = at else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        let armed = self.armed.as_ref();
        if armed.is_some_and(|task| task.will_wake(cx.waker())) && at >= sleep.deadline() {
            // The timer is armed for this task and has not fired, so polling it again changes nothing.
            if now < sleep.deadline() {
                return Poll::Pending;
            }
        } else if armed.is_none() || at < sleep.deadline() {
            sleep.as_mut().reset(at);
        }
        // Outside the task's budget: with none left tokio's timers answer `Pending`, too, and then keep no waker.
        let fired = pin!(unconstrained(sleep.as_mut())).poll(cx);
        self.armed = fired.is_pending().then(|| cx.waker().clone());
        fired
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[test]
    fn streams_expire_in_order_of_their_deadlines() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut deadlines = Deadlines::default();
        for (seconds, key) in [(3, 30), (1, 10), (2, 20), (2, 21)] {
            deadlines.insert(at(seconds), key);
        }
        deadlines.remove(at(2), 20);
        assert_eq!(deadlines.next(), Some(at(1)));
        assert_eq!(deadlines.pop_expired(start), None);
        assert_eq!(deadlines.pop_expired(at(2)), Some(10));
        assert_eq!(deadlines.pop_expired(at(2)), Some(21));
        assert_eq!(deadlines.pop_expired(at(2)), None);
        assert_eq!(deadlines.next(), Some(at(3)));
    }

    async fn polled(timer: &mut Timer, at: Option<Instant>) -> Poll<()> {
        poll_fn(|cx| Poll::Ready(timer.poll(cx, Instant::now(), at))).await
    }

    #[tokio::test(start_paused = true)]
    async fn another_task_is_woken_once_it_has_asked() {
        let at = Instant::now() + Duration::from_secs(3);
        let mut timer = Timer::default();
        assert_eq!(polled(&mut timer, Some(at)).await, Poll::Pending);
        // This task's waker differs.
        let task = tokio::spawn(async move {
            poll_fn(|cx| timer.poll(cx, Instant::now(), Some(at))).await;
            Instant::now()
        });
        assert_eq!(task.await.unwrap(), at);
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_time_moves_the_timer_and_a_later_one_does_not() {
        let start = Instant::now();
        let at = |seconds| Some(start + Duration::from_secs(seconds));
        let mut timer = Timer::default();
        assert_eq!(polled(&mut timer, None).await, Poll::Pending);
        assert!(timer.sleep.is_none());
        for (asked, fires) in [(60, 60), (5, 5), (7, 5)] {
            assert_eq!(polled(&mut timer, at(asked)).await, Poll::Pending);
            assert_eq!(
                timer.sleep.as_ref().map(|sleep| sleep.deadline()),
                at(fires)
            );
        }
        poll_fn(|cx| timer.poll(cx, Instant::now(), at(7))).await;
        assert_eq!(start.elapsed().as_secs(), 5);
        poll_fn(|cx| timer.poll(cx, Instant::now(), at(7))).await;
        assert_eq!(start.elapsed().as_secs(), 7);
    }
}
