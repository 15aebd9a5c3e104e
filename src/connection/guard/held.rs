//! Holds an incomplete frame, and passes the frame on when the frame is whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::frames::{HEAD, Head};

/// The beginning of a frame that h2 has not seen.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The frame's bytes, and room for the missing bytes as far as the length is known.
    bytes: Vec<u8>,
    /// How many bytes have arrived, and how many of these have been passed on.
    have: usize,
    passed: usize,
}

impl Held {
    pub(super) const fn is_empty(&self) -> bool {
        self.have == 0
    }

    /// Holds the beginning of a frame.
    pub(super) fn hold(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.have = bytes.len();
    }

    /// The frame's length as far as known: the head's length until the head has arrived. For a payload of more than `largest` bytes the
    /// head's length alone, since h2 refuses such a frame.
    fn len(&self, largest: usize) -> usize {
        match self.bytes.first_chunk() {
            Some(head) if self.have >= HEAD => {
                let payload = usize::try_from(Head::parse(head).len).unwrap_or(usize::MAX);
                HEAD + if payload > largest { 0 } else { payload }
            }
            _ => HEAD,
        }
    }

    pub(super) fn is_whole(&self, largest: usize) -> bool {
        self.have >= self.len(largest)
    }

    /// Reads more of the frame, and no byte after the frame. Returns how many bytes were read; zero at the end of the input.
    pub(super) fn poll_more<T: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut T,
        largest: usize,
    ) -> Poll<io::Result<usize>> {
        self.bytes.resize(self.len(largest), 0);
        let missing = self.bytes.get_mut(self.have..).unwrap_or_default();
        let mut room = ReadBuf::new(missing);
        ready!(Pin::new(io).poll_read(cx, &mut room))?;
        let n = room.filled().len();
        self.have += n;
        Poll::Ready(Ok(n))
    }

    /// The `n` bytes that arrived last.
    pub(super) fn newest(&self, n: usize) -> &[u8] {
        let here = self.bytes.get(..self.have).unwrap_or_default();
        here.get(here.len().saturating_sub(n)..).unwrap_or_default()
    }

    pub(super) fn head(&mut self) -> Option<&mut [u8; HEAD]> {
        self.bytes.first_chunk_mut()
    }

    /// Whether a part of the frame has been passed on.
    pub(super) const fn is_passing(&self) -> bool {
        self.passed > 0
    }

    /// Passes on as many bytes as `buf` has room for.
    pub(super) fn pass(&mut self, buf: &mut ReadBuf<'_>) {
        let rest = self.bytes.get(self.passed..self.have).unwrap_or_default();
        let n = rest.len().min(buf.remaining());
        buf.put_slice(rest.get(..n).unwrap_or_default());
        self.passed += n;
        if self.passed == self.have {
            *self = Self::default();
        }
    }
}
