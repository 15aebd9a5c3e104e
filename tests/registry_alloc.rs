//! Setting and reading a status allocates nothing, watched or not.
#![allow(unsafe_code, reason = "a global allocator cannot be had without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use grpc_health::registry::{Group, Registry, ServingStatus};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: it is the system's allocator; counting touches only a thread-local `Cell` without a
// destructor, and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: passed on as it came.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: passed on as it came.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations `work` makes on this thread.
fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 1);
}

/// A beat, a static reason, a result, and a member's change of a group that nobody watches.
#[test]
fn the_plane_allocates_nothing_per_change() {
    use ServingStatus::{NotServing, Serving};
    let registry = Registry::new();
    let handle = registry.register("a.service", Serving).unwrap();
    registry
        .group("a.group", Group::all_of(["a.service"]))
        .unwrap();
    registry.group("", Group::any_of(["a.group"])).unwrap();
    let ttl = std::time::Duration::from_secs(1);
    let lease = registry.lease("a.lease", ttl).unwrap();
    let work = || {
        for status in [NotServing, Serving] {
            lease.beat();
            lease.scope(ttl, || ());
            handle.set(status);
            assert_eq!(registry.get_service_status(""), status);
            handle.set_with_reason(status, "a static text");
            handle.report(status == Serving);
            registry.shutdown();
            registry.resume();
        }
    };
    // The first round makes what is kept.
    work();
    assert_eq!(allocations(work), 0);
}

#[test]
fn setting_and_reading_allocate_nothing() {
    use ServingStatus::{NotServing, Serving};
    let registry = Registry::new();
    let handle = registry.register("a.service", Serving).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let set_all_ways = || {
        for status in ServingStatus::ALL {
            handle.set(status);
            assert_eq!(handle.status(), status);
            assert_eq!(registry.get_service_status("a.service"), status);
            registry.set_service_status("a.service", Serving).unwrap();
            registry.clear("a.service");
            registry.shutdown();
            registry.resume();
        }
        assert_eq!(
            registry.get_service_status("unknown"),
            ServingStatus::ServiceUnknown
        );
    };
    assert_eq!(allocations(set_all_ways), 0, "unwatched");

    let mut watchers: Vec<_> = (0..100)
        .map(|_| registry.watch("a.service").unwrap())
        .collect();
    assert_eq!(allocations(set_all_ways), 0, "watched, without a driver");
    let mut settle = |status| {
        handle.set(status);
        for watcher in &mut watchers {
            while watcher.poll_next(&mut cx).is_ready() {}
        }
    };
    settle(Serving);
    assert_eq!(allocations(|| settle(NotServing)), 0, "woken and polled");

    let mut driver = registry.driver();
    let mut driver = pin!(&mut driver);
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(driver.as_mut().poll(&mut cx), Poll::Pending);
    assert_eq!(allocations(set_all_ways), 0, "watched, with a driver");
    let drive = || assert_eq!(driver.as_mut().poll(&mut cx), Poll::Pending);
    assert_eq!(allocations(drive), 0, "driving");
}
