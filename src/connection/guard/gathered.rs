//! Gathers the frames of large replies, so that the socket takes many frames at once.
//!
//! h2 writes each large DATA frame with a system call of its own, and each such write goes through the whole of TCP. Copying the frames
//! together costs less.

use std::io::IoSlice;

use bytes::{Buf, BufMut};

use crate::buffers::Buffer;

/// A write of at least this many bytes is worth gathering.
const LARGE: usize = 4 << 10;
/// How many bytes are gathered at most: a reply of 64 KiB with its head, its trailers and the heads of its frames.
const MOST: usize = 80 << 10;

/// The bytes that h2 has written and the socket has not been given.
#[derive(Debug, Default)]
pub(super) struct Gathered(Buffer);

impl Gathered {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes all bytes of a write, and returns their number. `None` if the write is small, or if there is no room.
    #[inline]
    pub(super) fn take(&mut self, bufs: &[IoSlice<'_>]) -> Option<usize> {
        let len = bufs.iter().map(|buf| buf.len()).sum();
        if len < LARGE && self.is_empty() {
            return None;
        }
        self.put(bufs, len)
    }

    #[inline(never)]
    fn put(&mut self, bufs: &[IoSlice<'_>], len: usize) -> Option<usize> {
        if len > MOST - self.0.len().min(MOST) {
            return None;
        }
        if self.0.capacity() == 0 {
            self.0 = Buffer::with_capacity(MOST);
        }
        for buf in bufs {
            self.0.put_slice(buf);
        }
        Some(len)
    }

    /// The bytes that the socket has to be given next.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Called when the socket has taken `n` of the bytes.
    pub(super) fn wrote(&mut self, n: usize) {
        let all = self.0.len();
        if n >= all {
            self.0 = Buffer::default();
        } else {
            self.0.advance(n);
        }
    }
}
