//! The rules of the registry, one test each.

mod details;
mod driving;
mod following;
mod grouping;
mod leasing;
mod setting;
mod watching;

use std::pin::pin;
use std::sync::{Arc, atomic::AtomicUsize, atomic::Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::*;

/// Counts its wakes.
#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (Arc::clone(&count), Waker::from(count))
    }

    /// How often it was woken since the last call.
    fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll(watcher: &mut Watcher, waker: &Waker) -> Poll<ServingStatus> {
    watcher.poll_next(&mut Context::from_waker(waker))
}

fn drive(driver: &mut Driver, waker: &Waker) -> Poll<()> {
    pin!(driver).poll(&mut Context::from_waker(waker))
}

fn small(max_services: usize) -> Registry {
    Registry::with_limits(Limits {
        max_services,
        max_name_len: 8,
    })
}

/// A watcher that has yielded what is shown and waits.
fn parked(name: &str, registry: &Registry, waker: &Waker) -> Watcher {
    let mut watcher = registry.watch(name).unwrap();
    assert!(poll(&mut watcher, waker).is_ready());
    assert!(poll(&mut watcher, waker).is_pending());
    watcher
}
