//! Cryptography in turns.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::{JoinHandle, yield_now};

/// The turns of the handshakes of a server, or of the records in vain. A step of a handshake takes up to some milliseconds of cryptography.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<OnceLock<Semaphore>>);

/// A wait for a turn. The wait is a task of its own, since the owner of a turn must be polled, and a connection need not read.
#[derive(Debug, Default)]
pub(super) struct Waiting(Option<JoinHandle<()>>);

impl Waiting {
    /// Waits for one of `turns`. Ready when the turn has come: the work may then be done at once.
    pub(super) fn poll(&mut self, turns: &Turns, cx: &mut Context<'_>) -> Poll<()> {
        let waiting = self.0.get_or_insert_with(|| {
            let turns = turns.clone();
            tokio::spawn(async move { drop(turns.next().await) })
        });
        // The task fails only when the runtime ends.
        let _ = ready!(Pin::new(waiting).poll(cx));
        self.0 = None;
        Poll::Ready(())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(waiting) = &self.0 {
            waiting.abort();
        }
    }
}

impl Turns {
    /// Waits for a turn, and then for the runtime to poll every other task that is ready, and its sockets.
    async fn next(&self) -> Option<SemaphorePermit<'_>> {
        let turns = self.0.get_or_init(|| {
            let workers =
                Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers());
            Semaphore::new(workers.max(1))
        });
        // The semaphore is never closed.
        let turn = turns.acquire().await.ok();
        yield_now().await;
        turn
    }

    /// Completes a handshake. Before each step the runtime polls every other task that is ready, and its sockets. All handshakes together
    /// take one step of each worker in between.
    pub(super) async fn take<F: Future + Unpin>(&self, mut handshake: F) -> F::Output {
        loop {
            let turn = self.next().await;
            let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut handshake).poll(cx))).await;
            drop(turn);
            if let Poll::Ready(done) = polled {
                return done;
            }
            woken().await;
        }
    }
}

/// Waits until the task is woken. The step before has left the task's waker with the socket.
async fn woken() {
    let mut polled = false;
    poll_fn(|_| {
        if std::mem::replace(&mut polled, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn handshakes_take_a_step_each_time_that_others_have_run() {
        let others = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&others);
        let other = tokio::spawn(async move {
            loop {
                count.fetch_add(1, Relaxed);
                yield_now().await;
            }
        });
        let steps = Arc::new(Mutex::new(Vec::new()));
        let turns = Turns::default();
        let mut handshakes = JoinSet::new();
        for _ in 0..40 {
            let (turns, steps, others) = (turns.clone(), Arc::clone(&steps), Arc::clone(&others));
            handshakes.spawn(async move {
                let mut left = 3;
                let handshake = poll_fn(move |cx| {
                    steps.lock().unwrap().push(others.load(Relaxed));
                    left -= 1;
                    if left == 0 {
                        return Poll::Ready(());
                    }
                    cx.waker().wake_by_ref();
                    Poll::Pending
                });
                turns.take(handshake).await;
            });
        }
        while let Some(done) = handshakes.join_next().await {
            done.unwrap();
        }
        other.abort();
        let steps = steps.lock().unwrap();
        assert_eq!(steps.len(), 120);
        assert!(steps.windows(2).all(|two| two[0] < two[1]), "{steps:?}");
    }
}
