//! A bomb costs the limit, not what it would inflate to; and a thread compresses again without
//! another compressor.
#![cfg(feature = "gzip")]
#![allow(unsafe_code, reason = "a global allocator cannot be had without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use grpc_health::wire::gzip::{InflateError, deflate, inflate};

struct Counting;

thread_local! {
    /// The bytes this thread holds; more were freed than allocated if others allocated them.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    HELD.set(HELD.get() + bytes);
    PEAK.set(PEAK.get().max(HELD.get()));
}

// SAFETY: it is the system's allocator; counting touches only thread-local `Cell`s without
// destructors, and allocates nothing. `realloc` is the default: old and new are held at once.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: passed on as it came.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: passed on as it came.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` gives, and the most bytes it held at once on this thread.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let done = work();
    (done, (PEAK.get() - before) as usize)
}

/// What a decompressor is, apart from the message.
const STATE: usize = 48 << 10;

fn zeros(len: usize) -> Bytes {
    deflate(&vec![0; len])
}

#[test]
fn the_peak_is_counted() {
    let (kept, peak) = peak(|| {
        drop(vec![0u8; 1_000]);
        vec![0u8; 10]
    });
    assert_eq!((kept.len(), peak), (10, 1_000));
}

#[test]
fn the_limit_bounds_what_a_bomb_holds() {
    let bomb = zeros(10 << 20);
    for limit in [0, 1, 4 << 10, 256 << 10] {
        let (result, peak) = peak(|| inflate(&bomb, limit));
        assert_eq!(result, Err(InflateError::Oversize { limit }));
        // While the message moves to a larger place it is held twice.
        assert!(peak <= STATE + 2 * limit + 1, "{limit}: {peak} bytes");
    }
}

#[test]
fn a_declared_length_reserves_nothing() {
    let mut member = zeros(10).to_vec();
    let len = member.len();
    member[len - 4..].fill(0xff);
    // 64 KiB of header that are not there, too.
    let extra = b"\x1f\x8b\x08\x04\0\0\0\0\0\0\xff\xff";
    for bytes in [&member[..], extra] {
        let (result, peak) = peak(|| inflate(bytes, usize::MAX));
        assert_eq!(result, Err(InflateError::Malformed));
        assert!(peak <= STATE + 1_000, "{peak} bytes");
    }
}

#[test]
fn what_is_kept_is_at_most_twice_the_message() {
    for len in [1_000, 100_000, 1_000_000] {
        let member = zeros(len);
        let before = HELD.get();
        let message = inflate(&member, usize::MAX).unwrap();
        let held = (HELD.get() - before) as usize;
        assert_eq!(message.len(), len);
        assert!(held <= 2 * len + 100, "{held} bytes for {len}");
    }
}

#[test]
fn a_thread_makes_one_compressor() {
    let (_, first) = peak(|| deflate(b"abc"));
    assert!(first > 200 << 10, "{first} bytes");
    let (_, second) = peak(|| deflate(b"abc"));
    assert!(second < 1_000, "{second} bytes");
}
