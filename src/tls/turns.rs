//! Handshakes in turns.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

/// The turns of the handshakes of a server. A step of a handshake takes up to some milliseconds of cryptography.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<OnceLock<Semaphore>>);

impl Turns {
    /// Completes a handshake. Before each step the runtime polls every other task that is ready, and its sockets. All handshakes together
    /// take one step of each worker in between.
    pub(super) async fn take<F: Future + Unpin>(&self, mut handshake: F) -> F::Output {
        let turns = self.0.get_or_init(|| {
            let workers =
                Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers());
            Semaphore::new(workers.max(1))
        });
        loop {
            // The semaphore is never closed.
            let turn = turns.acquire().await;
            yield_now().await;
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
