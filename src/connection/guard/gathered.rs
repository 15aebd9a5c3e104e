//! Gathers frames, so that the socket takes many frames at once.
//!
//! h2 writes each large DATA frame with a system call of its own, and the replies to the last request whenever the connection asks for the
//! next request. Each such write goes through the whole of TCP. Copying the frames together costs less.

use std::io::IoSlice;

use bytes::{Buf, BufMut};

use crate::buffers::Buffer;

/// A write of at least this many bytes is worth gathering.
const LARGE: usize = 4 << 10;
/// The first capacity of a buffer for small writes, in bytes.
const FEW: usize = 16 << 10;
/// How many bytes are gathered at most: a reply of 64 KiB with its head, its trailers and the heads of its frames.
const MOST: usize = 80 << 10;

/// The bytes that h2 has written and the socket has not been given.
#[derive(Debug, Default)]
pub(super) struct Gathered(Buffer);

impl Gathered {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
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
        if len > MOST - self.0.len().min(MOST) {
            return None;
        }
        if self.0.capacity() == 0 {
            self.0 = Buffer::with_capacity(if len < LARGE { FEW } else { MOST });
        }
        self.0.grow(len);
        for buf in bufs {
            self.0.put_slice(buf);
        }
        Some(len)
    }

    /// The bytes that the socket has to be given next.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Gives back the room that the bytes do not need. Called when the socket takes no bytes, since the bytes may stay for long.
    #[cold]
    pub(super) fn fit(&mut self) {
        let mut fitting = Buffer::default();
        fitting.grow(self.0.len());
        fitting.put_slice(&self.0);
        self.0 = fitting;
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
