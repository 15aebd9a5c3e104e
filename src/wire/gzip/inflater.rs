//! Decompression of one message in steps.

use bytes::Bytes;
use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::{COMMENT, EXTRA, HEADER_CRC, InflateError, MAGIC, NAME, RESERVED, crc, end};

/// The longest header of a member, in bytes. No gRPC implementation is known to write a name or a comment into a header.
const MAX_HEADER: usize = 4 << 10;

/// Decompresses one message in steps of a bounded length.
///
/// The cost of a step depends on both bounds of the step. A step of 1 KiB of input takes at most some 120 µs on a server's processor,
/// because a member may consist of blocks that are empty and have Huffman codes of their own.
#[derive(Debug)]
pub(crate) struct Inflater<B> {
    compressed: B,
    /// How many compressed bytes are read.
    read: usize,
    message: Vec<u8>,
    /// How many bytes of `message` are decompressed.
    len: usize,
    limit: usize,
    state: Decompress,
    crc: Crc,
}

impl<B: AsRef<[u8]>> Inflater<B> {
    /// Begins to decompress a message of at most `limit` bytes. Allocates some 47 KiB.
    ///
    /// # Errors
    ///
    /// [`Malformed`](InflateError::Malformed) if the member's header is malformed, or longer than 4 KiB.
    pub(crate) fn new(compressed: B, limit: usize) -> Result<Self, InflateError> {
        let member = compressed.as_ref();
        let header = member.get(..MAX_HEADER).unwrap_or(member);
        let read = header_len(header).ok_or(InflateError::Malformed)?;
        Ok(Self {
            compressed,
            read,
            message: Vec::new(),
            len: 0,
            limit,
            state: Decompress::new(false),
            crc: Crc::new(),
        })
    }

    /// Reads at most `input` bytes, writes at most `output` bytes, and returns the message once the message is complete. Both bounds must
    /// be greater than zero.
    ///
    /// The buffer grows with the decompressed bytes, at most doubling, to no more than the limit and one byte; a declared length reserves
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`InflateError`], as [`inflate`](super::inflate). An error is final.
    pub(crate) fn step(
        &mut self,
        mut input: usize,
        mut output: usize,
    ) -> Result<Option<Bytes>, InflateError> {
        while input > 0 && output > 0 {
            let room = self.room(output);
            let rest = self
                .compressed
                .as_ref()
                .get(self.read..)
                .unwrap_or_default();
            let from = rest.get(..input).unwrap_or(rest);
            let to = self
                .message
                .get_mut(self.len..self.len + room)
                .unwrap_or_default();
            let before = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress(from, to, FlushDecompress::None)
                .map_err(|_| InflateError::Malformed)?;
            let read = (self.state.total_in() - before.0) as usize;
            let written = (self.state.total_out() - before.1) as usize;
            self.crc.update(to.get(..written).unwrap_or_default());
            self.read += read;
            self.len += written;
            input = input.saturating_sub(read);
            output = output.saturating_sub(written);
            if self.len > self.limit {
                let limit = self.limit;
                return Err(InflateError::Oversize { limit });
            }
            match status {
                Status::StreamEnd => return self.finish().map(Some),
                // There was room for output, so the input has ended.
                _ if read == 0 && written == 0 => return Err(InflateError::Malformed),
                _ => {}
            }
        }
        Ok(None)
    }

    fn finish(&mut self) -> Result<Bytes, InflateError> {
        self.message.truncate(self.len);
        let rest = self.compressed.as_ref().get(self.read..);
        if rest != Some(&end(self.crc.sum(), self.len)) {
            return Err(InflateError::Malformed);
        }
        Ok(std::mem::take(&mut self.message).into())
    }

    /// Makes room for at most `output` bytes more, and returns how many bytes have room: at least one, but at most one byte over the limit.
    /// That byte shows that the message exceeds the limit.
    fn room(&mut self, output: usize) -> usize {
        if self.len == self.message.capacity() {
            let compressed = self.compressed.as_ref().len().saturating_sub(self.read);
            grow(&mut self.message, compressed, self.limit);
        }
        let end = self.message.capacity().min(self.len.saturating_add(output));
        // Only the bytes of this step are cleared, since clearing all of the buffer at once would take long.
        if self.message.len() < end {
            self.message.resize(end, 0);
        }
        end.saturating_sub(self.len)
    }
}

/// Reserves room for at least one byte more, for `first` bytes at first.
pub(super) fn grow(message: &mut Vec<u8>, first: usize, limit: usize) {
    let len = message.len();
    let left = limit.saturating_sub(len).saturating_add(1);
    message.reserve_exact(len.max(first).max(64).min(left));
}

/// The length of a member's header, if the header is well-formed.
fn header_len(member: &[u8]) -> Option<usize> {
    let (&[id1, id2, method, flags, ..], mut rest) = member.split_first_chunk::<10>()?;
    if [id1, id2, method] != MAGIC || flags & RESERVED != 0 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (len, extra) = rest.split_first_chunk()?;
        rest = extra.get(usize::from(u16::from_le_bytes(*len))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|&byte| byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & HEADER_CRC != 0 {
        let header = member.get(..member.len() - rest.len())?;
        let (declared, after) = rest.split_first_chunk()?;
        if crc(header) & 0xffff != u32::from(u16::from_le_bytes(*declared)) {
            return None;
        }
        rest = after;
    }
    Some(member.len() - rest.len())
}
