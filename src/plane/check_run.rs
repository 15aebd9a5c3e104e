//! Runs a check: waits, asks, reports, and waits again.

use std::collections::hash_map::RandomState;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, Hasher};
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::time::{Instant, sleep_until, timeout};

use super::outcome::{Counters, Outcome};
use super::schedule::Schedule;
use super::{Check, Probe};
use crate::service::{Contained, contain};

/// Asks until `report` breaks. `report` learns the outcome of each run.
pub(super) async fn run<P: Probe>(
    check: &mut Check<P>,
    counters: &Counters,
    mut report: impl FnMut(&Outcome) -> ControlFlow<()> + Send,
) {
    let random = RandomState::new().build_hasher().finish();
    let mut schedule = Schedule::new(Instant::now(), check.period, random);
    let mut first = true;
    loop {
        if first {
            sleep_until(schedule.next()).await;
        } else {
            until_due(&mut check.probe, &schedule).await;
        }
        first = false;
        let began = Instant::now();
        let outcome = ask(check).await;
        counters.count(&outcome);
        if let Some(observer) = &mut check.observer {
            let _ = contain(|| observer(&outcome));
        }
        if report(&outcome).is_break() {
            return;
        }
        schedule.ran(began, Instant::now());
    }
}

/// Waits until the next run is due, or until the probe says that its answer may have changed.
async fn until_due<P: Probe>(probe: &mut P, schedule: &Schedule) {
    let mut due = pin!(sleep_until(schedule.next()));
    let changed = contain(|| probe.changed()).ok();
    let mut changed = changed.map(|changed| Contained::new(Box::pin(changed)));
    let early = poll_fn(|cx| {
        if due.as_mut().poll(cx).is_ready() {
            return Poll::Ready(false);
        }
        poll_changed(&mut changed, cx)
    });
    if early.await {
        sleep_until(schedule.earliest().min(schedule.next())).await;
    }
}

/// Whether the probe has announced a change. A `changed` that panics announces none.
fn poll_changed<F: Future<Output = ()> + Unpin>(
    changed: &mut Option<Contained<F>>,
    cx: &mut Context<'_>,
) -> Poll<bool> {
    let Some(future) = changed else {
        return Poll::Pending;
    };
    match Pin::new(future).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(true),
        Poll::Ready(Err(_)) => {
            *changed = None;
            Poll::Pending
        }
        Poll::Pending => Poll::Pending,
    }
}

/// Asks once, within the timeout. A panic ends here, also one in the drop of the future.
async fn ask<P: Probe>(check: &mut Check<P>) -> Outcome {
    let limit = check.timeout;
    let probe = &mut check.probe;
    let Ok(asking) = contain(|| probe.probe()) else {
        return Outcome::Panicked;
    };
    match timeout(limit, Contained::new(Box::pin(asking))).await {
        Ok(Ok(Ok(()))) => Outcome::Passed,
        Ok(Ok(Err(reason))) => Outcome::Failed(reason),
        Ok(Err(_)) => Outcome::Panicked,
        Err(_) => Outcome::TimedOut(limit),
    }
}
