//! Gathers frames, so that the socket takes many frames at once.
//!
//! h2 writes each large DATA frame with a system call of its own, and the replies to the last request whenever the connection asks for the
//! next request. Each such write goes through the whole of TCP. Copying the frames together costs less.

use std::io::IoSlice;

use bytes::BufMut;

use crate::buffers::Buffer;

/// A write of at least this many bytes is worth gathering.
const LARGE: usize = 4 << 10;
/// The capacity of a buffer for small writes in bytes, at first: the smallest that is kept for the next turn.
const FEW: usize = 16 << 10;
/// How many bytes are gathered at most: a reply of 64 KiB with its head, its trailers and the heads of its frames.
const MOST: usize = 80 << 10;

/// The bytes that h2 has written and the socket has not been given.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    buffer: Buffer,
    /// How many bytes of the buffer the socket has taken. Nothing is gathered before the socket has taken all.
    taken: usize,
}

impl Gathered {
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Takes all bytes of a write, and returns their number. `None` if there is no room, or if the write is small and the first one, unless
    /// `all` writes are gathered.
    #[inline]
    pub(super) fn take(&mut self, bufs: &[IoSlice<'_>], all: bool) -> Option<usize> {
        let len = bufs.iter().map(|buf| buf.len()).sum();
        if len < LARGE && self.is_empty() && !all {
            return None;
        }
        self.put(bufs, len)
    }

    #[inline(never)]
    fn put(&mut self, bufs: &[IoSlice<'_>], len: usize) -> Option<usize> {
        let have = self.buffer.len();
        if len > MOST - have.min(MOST) {
            return None;
        }
        if self.buffer.capacity() - have < len {
            self.hold(if len < LARGE && have == 0 { FEW } else { MOST });
        }
        for buf in bufs {
            self.buffer.put_slice(buf);
        }
        Some(len)
    }

    /// The bytes that the socket has to be given next.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    /// Called when the socket has taken `n` of the bytes.
    pub(super) fn wrote(&mut self, n: usize) {
        self.taken += n;
        if self.taken >= self.buffer.len() {
            *self = Self::default();
        }
    }

    /// Gives the buffer back if the bytes need little of it. Called when the socket takes no bytes, since the bytes may then stay for long.
    #[cold]
    pub(super) fn fit(&mut self) {
        let left = self.bytes().len();
        if left < LARGE {
            self.hold(left);
        }
    }

    /// Moves the bytes into a buffer of this capacity.
    fn hold(&mut self, capacity: usize) {
        let mut buffer = Buffer::with_capacity(capacity);
        buffer.put_slice(self.bytes());
        *self = Self { buffer, taken: 0 };
    }

    /// The buffer's capacity in bytes.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.buffer.capacity()
    }
}
