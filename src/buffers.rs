//! Buffers of large messages, which are kept for the next large messages.
//!
//! An allocator gives the memory of freed large buffers back to the operating system at once. The next buffer then costs a page fault for
//! each 4 KiB, which is more than copying the message costs. The shelf keeps a few freed buffers, so that a server that gets one large
//! message after another allocates none.
//!
//! Each thread has a shelf of its own, and nobody waits for a lock. The shelves of all threads together keep a bounded number of bytes: a
//! bound for each thread or for each connection would be no bound for many of them.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::{Bytes, BytesMut};

/// The capacity of the smallest buffer on the shelf in bytes. For smaller buffers an allocator keeps free lists of its own.
const SMALLEST: usize = 16 << 10;
/// The capacity of the largest buffer on the shelf in bytes.
const LARGEST: usize = 1 << 20;
/// The capacity of all buffers on all shelves in bytes: 64 messages of 64 KiB.
const KEPT: usize = 4 << 20;
/// A buffer from the shelf has at most this many times the capacity that the caller asks for.
const WASTE: usize = 4;

/// The capacity of the buffers on all shelves of the process.
static TOTAL: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SHELF: RefCell<Shelf> = const { RefCell::new(Shelf::new(&TOTAL)) };
}

/// Buffers that nobody uses.
struct Shelf {
    /// The buffer that was used last is the last.
    buffers: Vec<BytesMut>,
    /// The capacity of the buffers on all shelves.
    total: &'static AtomicUsize,
    /// The smallest number of buffers on the shelf since the last [`tidy`]. So many buffers were not needed in that time.
    unneeded: usize,
}

impl Shelf {
    const fn new(total: &'static AtomicUsize) -> Self {
        Self {
            buffers: Vec::new(),
            total,
            unneeded: 0,
        }
    }

    fn take(&mut self, capacity: usize) -> Option<BytesMut> {
        let fitting = capacity..=capacity.saturating_mul(WASTE);
        let fits = |buffer: &BytesMut| fitting.contains(&buffer.capacity());
        let buffer = self.buffers.remove(self.buffers.iter().rposition(fits)?);
        self.total.fetch_sub(buffer.capacity(), Relaxed);
        self.unneeded = self.unneeded.min(self.buffers.len());
        Some(buffer)
    }

    /// Returns the buffer if the shelves are full.
    fn put(&mut self, buffer: BytesMut) -> Option<BytesMut> {
        let capacity = buffer.capacity();
        if self.total.fetch_add(capacity, Relaxed) + capacity > KEPT {
            self.total.fetch_sub(capacity, Relaxed);
            return Some(buffer);
        }
        self.buffers.push(buffer);
        None
    }

    fn tidy(&mut self) -> Vec<BytesMut> {
        let unneeded = self.unneeded.min(self.buffers.len());
        let freed = self.free(unneeded);
        self.unneeded = self.buffers.len();
        freed
    }

    /// Frees the buffers that have not been used for longest, until they make up for `bytes` new bytes.
    fn make_up(&mut self, bytes: usize) -> Vec<BytesMut> {
        let mut found = 0;
        let smaller = |buffer: &&BytesMut| {
            let goes_on = found < bytes;
            found += buffer.capacity();
            goes_on
        };
        let count = self.buffers.iter().take_while(smaller).count();
        self.free(count)
    }

    fn free(&mut self, count: usize) -> Vec<BytesMut> {
        let freed: Vec<_> = self.buffers.drain(..count).collect();
        let bytes = freed.iter().map(BytesMut::capacity).sum();
        self.total.fetch_sub(bytes, Relaxed);
        self.unneeded = self.unneeded.min(self.buffers.len());
        freed
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        let bytes = self.buffers.iter().map(BytesMut::capacity).sum();
        self.total.fetch_sub(bytes, Relaxed);
    }
}

/// Uses the shelf of this thread. `None` while the thread ends, or while the thread uses the shelf already.
fn with_shelf<R>(work: impl FnOnce(&mut Shelf) -> R) -> Option<R> {
    let shelf = |shelf: &RefCell<Shelf>| {
        shelf
            .try_borrow_mut()
            .ok()
            .map(|mut shelf| work(&mut shelf))
    };
    SHELF.try_with(shelf).ok().flatten()
}

/// Frees the buffers on this thread's shelf that were not needed since the last call. Two calls without a large message between them empty
/// the shelf.
pub(crate) fn tidy() {
    drop(with_shelf(Shelf::tidy));
}

/// The length in bytes up to which the buffer of a message grows in small steps: a stream's first window by default.
const SMALL_STEPS: usize = 64 << 10;

/// A buffer grows by this number of bytes at least.
const LEAST_STEP: usize = 8;

/// How much a buffer that has `len` bytes grows for a chunk of `chunk` bytes. A short buffer gets a quarter more, so that a peer that sends
/// a part of many messages makes the server hold a quarter more than the peer has sent. A long one doubles, and is copied less often.
pub(crate) fn growth(len: usize, chunk: usize) -> usize {
    let more = if len < SMALL_STEPS { len / 4 } else { len };
    chunk.max(more).max(LEAST_STEP)
}

/// Makes room for `additional` bytes and no more. `BytesMut` has no such function, and its `reserve` doubles the capacity.
fn reserve_exact(buffer: &mut BytesMut, additional: usize) {
    let old = std::mem::take(buffer);
    if old.is_empty() {
        drop(old);
        *buffer = BytesMut::with_capacity(additional);
        return;
    }
    // Neither conversion copies the bytes.
    let mut bytes = Vec::from(old);
    bytes.reserve_exact(additional);
    *buffer = BytesMut::from(Bytes::from(bytes));
}

/// Appends `chunk` to `buffer`. From 16 KiB on the bytes move into a kept buffer, if there is one. Otherwise the capacity is a quarter more
/// than the length at most, while the length is below 64 KiB.
pub(crate) fn append(buffer: &mut Buffer, chunk: &[u8]) {
    let len = buffer.len() + chunk.len();
    if buffer.capacity() < len {
        let kept = (len >= SMALLEST).then(|| Buffer::from_shelf(len.max(SMALL_STEPS)));
        if let Some(mut kept) = kept.flatten() {
            kept.extend_from_slice(buffer);
            *buffer = kept;
        } else {
            buffer.grow(growth(buffer.len(), chunk.len()));
        }
    }
    buffer.extend_from_slice(chunk);
}

const fn is_kept(capacity: usize) -> bool {
    SMALLEST <= capacity && capacity <= LARGEST
}

/// A buffer for a message. A buffer of 16 KiB to 1 MiB comes from the shelf and returns to the shelf.
#[derive(Debug, Default)]
pub(crate) struct Buffer(BytesMut);

impl Buffer {
    /// Makes an empty buffer of at least this capacity in bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self::from_shelf(capacity).unwrap_or_else(|| {
            let mut new = Self::default();
            new.grow(capacity);
            new
        })
    }

    /// Makes room for `additional` bytes. Kept buffers, which evidently do not fit, make up for the new bytes: buffers in use and kept
    /// buffers together are never more than the buffers that have been in use at once.
    pub(crate) fn grow(&mut self, additional: usize) {
        if self.0.capacity() - self.0.len() >= additional {
            return;
        }
        if additional >= SMALLEST {
            drop(with_shelf(|shelf| shelf.make_up(additional)));
        }
        reserve_exact(&mut self.0, additional);
    }

    /// Takes an empty buffer of at least this capacity off the shelf. `None` if the shelf has none.
    pub(crate) fn from_shelf(capacity: usize) -> Option<Self> {
        if !is_kept(capacity) {
            return None;
        }
        with_shelf(|shelf| shelf.take(capacity)).flatten().map(Self)
    }

    /// Makes the content immutable. The buffer returns to the shelf when the last clone and the last slice are dropped.
    pub(crate) fn freeze(mut self) -> Bytes {
        if is_kept(self.0.capacity()) {
            return Bytes::from_owner(self);
        }
        std::mem::take(&mut self.0).freeze()
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        if is_kept(self.0.capacity()) {
            put_back(std::mem::take(&mut self.0));
        }
    }
}

#[cold]
fn put_back(mut buffer: BytesMut) {
    buffer.clear();
    drop(with_shelf(|shelf| shelf.put(buffer)));
}

impl Deref for Buffer {
    type Target = BytesMut;

    fn deref(&self) -> &BytesMut {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut BytesMut {
        &mut self.0
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shelf that shares its bound with no other.
    fn shelf() -> Shelf {
        Shelf::new(Box::leak(Box::default()))
    }

    fn bytes(shelf: &Shelf) -> usize {
        shelf.total.load(Relaxed)
    }

    fn buffer(capacity: usize) -> BytesMut {
        BytesMut::with_capacity(capacity)
    }

    #[test]
    fn the_buffer_that_was_used_last_comes_first_and_fits() {
        let mut shelf = shelf();
        for capacity in [LARGEST, 4 * SMALLEST, 2 * SMALLEST] {
            assert_eq!(shelf.put(buffer(capacity)), None);
        }
        let capacity = |buffer: Option<BytesMut>| buffer.map(|buffer| buffer.capacity());
        assert_eq!(capacity(shelf.take(SMALLEST)), Some(2 * SMALLEST));
        assert_eq!(capacity(shelf.take(SMALLEST)), Some(4 * SMALLEST));
        // The last one has more than four times the capacity.
        assert_eq!(capacity(shelf.take(SMALLEST)), None);
        assert_eq!(capacity(shelf.take(LARGEST / 4 - 1)), None);
        assert_eq!(capacity(shelf.take(LARGEST / 4)), Some(LARGEST));
        assert_eq!(bytes(&shelf), 0);
    }

    #[test]
    fn a_full_shelf_takes_nothing() {
        let mut shelf = shelf();
        for _ in 0..KEPT / LARGEST {
            assert_eq!(shelf.put(buffer(LARGEST)), None);
        }
        let refused = shelf.put(buffer(SMALLEST)).expect("the shelf is full");
        assert_eq!(refused.capacity(), SMALLEST);
        assert_eq!(bytes(&shelf), KEPT);
    }

    #[test]
    fn a_buffer_that_was_not_needed_is_freed_and_others_stay() {
        let mut shelf = shelf();
        for _ in 0..3 {
            shelf.put(buffer(SMALLEST));
        }
        assert_eq!(shelf.tidy().len(), 0);
        // Two were in use at once, so one was not needed.
        let used = [shelf.take(SMALLEST), shelf.take(SMALLEST)];
        for buffer in used.into_iter().flatten() {
            shelf.put(buffer);
        }
        assert_eq!(shelf.tidy().len(), 1);
        assert_eq!(bytes(&shelf), 2 * SMALLEST);
        assert_eq!(shelf.tidy().len(), 2);
        assert_eq!(bytes(&shelf), 0);
    }

    #[test]
    fn the_shelf_of_a_thread_that_ends_makes_room_on_the_others() {
        let mut first = shelf();
        assert_eq!(first.put(buffer(LARGEST)), None);
        let mut second = Shelf::new(first.total);
        for _ in 1..KEPT / LARGEST {
            assert_eq!(second.put(buffer(LARGEST)), None);
        }
        assert!(second.put(buffer(SMALLEST)).is_some());
        drop(first);
        assert!(second.put(buffer(LARGEST)).is_none());
        assert_eq!(bytes(&second), KEPT);
    }

    #[test]
    fn a_new_buffer_takes_the_place_of_kept_ones() {
        let mut shelf = shelf();
        for _ in 0..4 {
            shelf.put(buffer(SMALLEST));
        }
        assert_eq!(shelf.make_up(SMALLEST + 1).len(), 2);
        assert_eq!(bytes(&shelf), 2 * SMALLEST);
        assert_eq!(shelf.make_up(LARGEST).len(), 2);
        assert_eq!(bytes(&shelf), 0);
    }

    #[test]
    fn a_short_buffer_has_a_quarter_more_room_than_bytes_and_loses_none() {
        let mut buffer = Buffer::default();
        let mut expected = Vec::new();
        for len in [1_usize, 7, 100, 16 << 10, 3, 16 << 10, 5_000] {
            let chunk = vec![len as u8; len];
            append(&mut buffer, &chunk);
            expected.extend_from_slice(&chunk);
            assert_eq!(*buffer, expected);
            assert!(buffer.capacity() <= buffer.len() + buffer.len() / 4 + LEAST_STEP);
        }
    }

    #[test]
    fn bytes_move_into_a_kept_buffer_once_they_are_many() {
        drop(Buffer::with_capacity(100_000));
        let mut buffer = Buffer::default();
        append(&mut buffer, &[1; 10_000]);
        assert!(buffer.capacity() < SMALLEST);
        append(&mut buffer, &[2; 10_000]);
        assert_eq!(buffer.capacity(), 100_000);
        assert_eq!(*buffer, [[1; 10_000], [2; 10_000]].concat());
        // The kept buffer was the only one.
        let mut other = Buffer::default();
        append(&mut other, &[3; SMALLEST]);
        assert_eq!(other.capacity(), SMALLEST);
    }

    #[test]
    fn a_message_is_what_was_written_and_its_slices_outlive_it() {
        for len in [0, 1, SMALLEST, LARGEST, LARGEST + 1] {
            let mut buffer = Buffer::with_capacity(len);
            assert!(buffer.is_empty() && buffer.capacity() >= len);
            buffer.resize(len, 7);
            let message = buffer.freeze();
            let slice = message.slice(len / 2..);
            drop(message);
            assert_eq!(slice, vec![7; len - len / 2]);
        }
    }
}
