//! The task that serves a connection, on a runtime that cuts its polls short.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::task::JoinHandle;
use tokio::task::coop::{consume_budget, has_budget_remaining};

/// Whether this is the second build of a suite, in which every connection is [`Starved`]. Cargo.toml gives such a build a name of its own.
const STARVING: bool = {
    let (name, end) = (env!("CARGO_CRATE_NAME").as_bytes(), b"_starved");
    let mut same = name.len() > end.len();
    let mut at = 0;
    while same && at < end.len() {
        same = name[name.len() - end.len() + at] == end[at];
        at += 1;
    }
    same
};

/// A future that finds tokio's cooperative budget used up at two of three polls.
///
/// A socket, a channel or a timer of tokio's then answers `Pending` whether or not it is ready, and wakes the task at once. It does not
/// keep the waker for the event itself: who takes that `Pending` for "armed" is never woken.
pub(crate) struct Starved<F> {
    inner: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Starved<F> {
    pub(crate) fn new(inner: F) -> Self {
        Self {
            inner: Box::pin(inner),
            polls: 0,
        }
    }
}

impl<F: Future> Future for Starved<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.polls += 1;
        // Not every other one: streams in these tests are ready every other time that they are asked.
        if self.polls % 3 != 0 {
            let mut nobody = Context::from_waker(Waker::noop());
            while has_budget_remaining() {
                let _ = pin!(consume_budget()).poll(&mut nobody);
            }
        }
        self.inner.as_mut().poll(cx)
    }
}

/// Spawns what serves a connection.
pub(crate) fn spawn<F>(serving: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    if STARVING {
        tokio::spawn(Starved::new(serving))
    } else {
        tokio::spawn(serving)
    }
}
