//! How much memory a test has in use: server, attacker and neighbour together, since they share the test's thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, keeping the balance of each thread.
struct Counting;

impl Counting {
    fn add(size: usize, sign: isize) {
        let live = LIVE.get() + sign * size as isize;
        LIVE.set(live);
        PEAK.set(PEAK.get().max(live));
    }
}

// SAFETY: every call is passed to `System` as it came; the counting itself does not allocate, since the thread-locals are
// const-initialised and need no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size(), 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        Self::add(layout.size(), -1);
        unsafe { System.dealloc(ptr, layout) }
    }
}

/// A moment to compare with.
pub(crate) struct Memory(isize);

impl Memory {
    pub(crate) fn mark() -> Self {
        PEAK.set(LIVE.get());
        Self(LIVE.get())
    }

    /// The most that was in use at once since then, above what was in use then.
    pub(crate) fn peak(&self) -> usize {
        usize::try_from(PEAK.get() - self.0).unwrap_or_default()
    }

    /// The most that was in use at once since then, above what was in use then.
    pub(crate) fn assert_peak_below(&self, bytes: usize) {
        let peak = PEAK.get() - self.0;
        println!("{peak} bytes at most");
        assert!(peak < bytes as isize, "{peak} bytes, not below {bytes}");
    }

    /// What is in use now, above what was in use then.
    pub(crate) fn now(&self) -> usize {
        usize::try_from(LIVE.get() - self.0).unwrap_or_default()
    }

    /// What is in use now, above what was in use then.
    pub(crate) fn assert_below(&self, bytes: usize) {
        let now = LIVE.get() - self.0;
        println!("{now} bytes now");
        assert!(now < bytes as isize, "{now} bytes, not below {bytes}");
    }
}
