//! Atomics, locks and wakers: those of std in the product, those of loom under loom's model checker.
//!
//! No other file depends on the difference. Reference counts are std's in both builds: without `unsafe` nothing can depend on when the last
//! reference goes, so there is nothing to check.

pub(crate) use imp::*;

/// A mutex that ignores poison, because a panic elsewhere must not stop health reporting.
///
/// No critical section of this crate calls foreign code, so no panic leaves one half done.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(RawMutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(RawMutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(not(grpc_health_loom))]
mod imp {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
    pub(crate) use std::sync::{Arc, MutexGuard, OnceLock, Weak};

    pub(crate) use atomic_waker::AtomicWaker;

    pub(super) use std::sync::Mutex as RawMutex;

    /// Whether this is a build for the model checker, for which every table must be tiny.
    pub(crate) const MODEL: bool = false;
}

#[cfg(grpc_health_loom)]
mod imp {
    pub(crate) use loom::sync::MutexGuard;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
    pub(crate) use std::sync::{Arc, Weak};

    use std::task::Waker;

    #[cfg(test)]
    pub(crate) use loom::{future::block_on, model, thread};

    pub(super) use loom::sync::Mutex as RawMutex;

    pub(crate) const MODEL: bool = true;

    /// A waker with the guarantees of `atomic_waker::AtomicWaker`, in the simplest implementation.
    #[derive(Debug)]
    pub(crate) struct AtomicWaker(RawMutex<Option<Waker>>);

    impl AtomicWaker {
        pub(crate) fn new() -> Self {
            Self(RawMutex::new(None))
        }

        pub(crate) fn register(&self, waker: &Waker) {
            let waker = waker.clone();
            let old = self.slot().replace(waker);
            drop(old);
        }

        pub(crate) fn wake(&self) {
            let waker = self.slot().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }

        fn slot(&self) -> MutexGuard<'_, Option<Waker>> {
            self.0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }

    /// std's `OnceLock`, with a flag that the model checker sees: set with Release, read with Acquire.
    ///
    /// No two `set`s race in this crate, so a `set` need not wait for another.
    #[derive(Debug)]
    pub(crate) struct OnceLock<T> {
        ready: AtomicBool,
        value: std::sync::OnceLock<T>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self {
                ready: AtomicBool::new(false),
                value: std::sync::OnceLock::new(),
            }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            if self.ready.load(Ordering::Acquire) {
                self.value.get()
            } else {
                None
            }
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            self.value.set(value)?;
            self.ready.store(true, Ordering::Release);
            Ok(())
        }
    }
}
