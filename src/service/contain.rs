//! Panics of code that is not the host's own.

use std::any::Any;
use std::future::Future;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The code panicked. The panic hook has reported the message.
#[derive(Debug)]
pub(crate) struct Panicked;

/// Runs code of a service, whose panic ends there.
pub(crate) fn contain<T>(run: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        dispose(payload);
        Panicked
    })
}

/// Drops what a panic carried. The drop of a payload may panic, with a payload of its own. That one is leaked: its drop may panic again,
/// and so on without end.
fn dispose(payload: Box<dyn Any + Send>) {
    if let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        forget(next);
    }
}

/// A future of a service for a task of its own. Neither its poll nor its drop panics, so a runtime never holds what a panic carried.
pub(crate) struct Contained<F>(Option<F>);

impl<F> Contained<F> {
    pub(crate) const fn new(future: F) -> Self {
        Self(Some(future))
    }
}

impl<F: Future + Unpin> Future for Contained<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = contain(|| match &mut self.0 {
            Some(future) => Pin::new(future).poll(cx).map(Ok),
            None => Poll::Ready(Err(Panicked)),
        });
        polled.unwrap_or_else(|panicked| Poll::Ready(Err(panicked)))
    }
}

impl<F> Drop for Contained<F> {
    fn drop(&mut self) {
        let future = self.0.take();
        let _ = contain(|| drop(future));
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::panic::panic_any;

    use super::*;

    /// Panics when it is dropped, with another one of its kind.
    struct Grenade(u32);

    impl Drop for Grenade {
        fn drop(&mut self) {
            if let Some(left) = self.0.checked_sub(1) {
                panic_any(Self(left));
            }
        }
    }

    #[test]
    fn a_payload_whose_drop_panics_is_contained_however_often_it_does() {
        for drops in 0..5 {
            contain(|| panic_any(Grenade(drops))).unwrap_err();
        }
        assert_eq!(contain(|| 7).unwrap(), 7);
    }

    #[tokio::test]
    async fn a_future_is_contained_when_it_is_polled_and_when_it_is_dropped() {
        Contained::new(Box::pin(async { panic_any(Grenade(3)) }))
            .await
            .unwrap_err();
        let grenade = Grenade(3);
        drop(Contained::new(Box::pin(async move {
            pending::<()>().await;
            drop(grenade);
        })));
        assert_eq!(Contained::new(ready(7)).await.unwrap(), 7);
    }
}
