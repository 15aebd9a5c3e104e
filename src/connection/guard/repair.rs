//! Repairs the values of `:authority` in a connection's bytes on their way to h2, so that h2 accepts the values.
//!
//! A value can be judged only when the value is whole. Nearly every value is whole in the read that brings its first byte, and is repaired
//! in place. Of any other value, the bytes so far and all bytes after them are kept from h2, until the rest of the value arrives or
//! [`MOST_KEPT`] bytes are kept. `header_block_timeout` limits the time of a header block, whether or not h2 has seen the block's
//! beginning.

use tokio::io::ReadBuf;

use super::block::{Blocks, Malformed};
use super::frames;

/// The lengths of the connection's preface and of a frame's head, in bytes.
const PREFACE: usize = 24;
const HEAD: usize = 9;

/// How many bytes are kept from h2 at most. Only a client that sends tiny frames needs more for a value of the greatest length.
const MOST_KEPT: usize = 16 << 10;

/// The repairer of one connection.
#[derive(Debug)]
pub(super) struct Repairer {
    blocks: Blocks,
    /// The first bytes of an incomplete frame head, and their number.
    head: [u8; HEAD],
    have: usize,
    frame: Part,
    /// How many bytes to skip before anything else.
    skip: usize,
    /// Whether a header block is under way, and whether the block ends with the current frame.
    open: bool,
    ends: bool,
    /// The bytes are not HTTP/2. h2 ends the connection, and all bytes pass unchanged.
    lost: bool,
    /// Whether a frame's head comes next, and nothing is kept.
    idle: bool,
    /// The bytes kept from h2. The first `free` bytes may go to h2.
    kept: Vec<u8>,
    free: usize,
}

/// The rest of a frame with a part of a header block, after the bytes to skip.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// The length of the padding, then `priority` bytes, then `rest` bytes.
    Padded { priority: usize, rest: usize },
    /// Bytes of the block, then padding.
    Block { block: usize, padding: usize },
    /// Nothing: a frame's head comes next.
    None,
}

impl Repairer {
    /// For a connection whose HPACK table has at most `table` bytes.
    pub(super) fn new(table: u32) -> Self {
        Self {
            blocks: Blocks::new(table),
            head: [0; HEAD],
            have: 0,
            frame: Part::None,
            skip: PREFACE,
            open: false,
            ends: false,
            lost: false,
            idle: false,
            kept: Vec::new(),
            free: 0,
        }
    }

    /// Reads bytes of the peer, and repairs them. Returns how many bytes may go to h2 now. The repairer copies the others, and
    /// [`give`](Self::give) returns them later. Must not be called while `give` has bytes to return.
    #[inline]
    pub(super) fn read(&mut self, bytes: &mut [u8]) -> usize {
        let mut passed = 0;
        if self.idle {
            match self.pass(bytes) {
                Ok(all) if all == bytes.len() => return all,
                Ok(some) => passed = some,
                Err(Malformed) => self.lost = true,
            }
        }
        self.read_slowly(bytes, passed)
    }

    #[inline(never)]
    fn read_slowly(&mut self, bytes: &mut [u8], at: usize) -> usize {
        if !self.kept.is_empty() {
            self.keep(bytes);
            return 0;
        }
        let free = self.go_through(bytes, at);
        if let Some(rest) = bytes.get(free..).filter(|rest| !rest.is_empty()) {
            self.kept.extend_from_slice(rest);
        }
        self.idle = self.have == 0
            && self.skip == 0
            && matches!(self.frame, Part::None)
            && !self.open
            && !self.lost;
        free
    }

    #[cold]
    fn keep(&mut self, bytes: &[u8]) {
        let mut kept = std::mem::take(&mut self.kept);
        let from = kept.len();
        kept.extend_from_slice(bytes);
        self.free = self.go_through(&mut kept, from);
        self.kept = kept;
    }

    /// Whether bytes are kept from h2.
    #[inline]
    pub(super) fn keeps(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Moves kept bytes that may go to h2 into `buf`, as far as `buf` has room. Returns false if there are none.
    pub(super) fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if self.free == 0 {
            return false;
        }
        let n = self.free.min(buf.remaining());
        buf.put_slice(self.kept.get(..n).unwrap_or_default());
        self.free -= n;
        self.kept.drain(..n);
        if self.kept.is_empty() {
            self.kept = Vec::new();
        }
        true
    }

    /// Called at the end of the input: all kept bytes may go to h2.
    pub(super) fn finish(&mut self) {
        self.blocks.give_up();
        self.lost = true;
        self.idle = false;
        self.free = self.kept.len();
    }

    /// Reads `buf`, whose bytes from `at` on are new. Returns how many bytes of `buf` may go to h2.
    fn go_through(&mut self, buf: &mut [u8], at: usize) -> usize {
        if !self.lost && self.read_frames(buf, at).is_err() {
            self.blocks.give_up();
            self.lost = true;
        }
        let Some(free) = self.blocks.open_since() else {
            return buf.len();
        };
        if buf.len() - free > MOST_KEPT {
            self.blocks.give_up();
            return buf.len();
        }
        self.blocks.shift(free);
        free
    }

    fn read_frames(&mut self, buf: &mut [u8], mut at: usize) -> Result<(), Malformed> {
        loop {
            let here = buf.len() - at;
            if self.skip > here {
                self.skip -= here;
                return Ok(());
            }
            at += std::mem::take(&mut self.skip);
            let here = buf.len() - at;
            match self.frame {
                Part::None => {
                    if self.have == 0 && !self.open {
                        at += self.pass(buf.get_mut(at..).unwrap_or_default())?;
                    }
                    let Some(head) = self.head(buf.get(at..).unwrap_or_default(), &mut at) else {
                        return Ok(());
                    };
                    self.begin(head)?;
                }
                Part::Padded { priority, rest } => {
                    let Some(&padding) = buf.get(at) else {
                        return Ok(());
                    };
                    at += 1;
                    let padding = usize::from(padding);
                    let block = rest.checked_sub(padding).ok_or(Malformed)?;
                    self.skip = priority;
                    self.frame = Part::Block { block, padding };
                }
                Part::Block { block, padding } if block > here => {
                    self.blocks.read(buf, at..at + here)?;
                    self.frame = Part::Block {
                        block: block - here,
                        padding,
                    };
                    return Ok(());
                }
                Part::Block { block, padding } => {
                    self.blocks.read(buf, at..at + block)?;
                    at += block;
                    self.skip = padding;
                    self.frame = Part::None;
                    if self.ends {
                        self.open = false;
                        self.blocks.end()?;
                    }
                }
            }
        }
    }

    /// Reads whole frames of the most frequent kinds. Returns how many bytes these frames have.
    #[inline]
    fn pass(&mut self, bytes: &mut [u8]) -> Result<usize, Malformed> {
        let len = bytes.len();
        let mut rest = bytes;
        loop {
            let left = rest.len();
            let Some((&mut [a, b, c, kind, flags, ..], after)) =
                rest.split_first_chunk_mut::<HEAD>()
            else {
                return Ok(len - left);
            };
            let payload = u32::from_be_bytes([0, a, b, c]) as usize;
            let Some((payload, next)) = after.split_at_mut_checked(payload) else {
                return Ok(len - left);
            };
            if kind == frames::HEADERS
                && flags & (frames::END_HEADERS | frames::PADDED) == frames::END_HEADERS
            {
                let priority = if flags & frames::PRIORITY_FLAG == 0 {
                    0
                } else {
                    5
                };
                let block = payload.get_mut(priority..).ok_or(Malformed)?;
                self.blocks.read_whole(block)?;
            } else if kind == frames::HEADERS || kind == frames::CONTINUATION {
                return Ok(len - left);
            }
            rest = next;
        }
    }

    /// Returns the next frame's head, if the head is whole.
    #[inline]
    fn head(&mut self, bytes: &[u8], at: &mut usize) -> Option<[u8; HEAD]> {
        if self.have == 0 {
            if let Some(head) = bytes.first_chunk() {
                *at += HEAD;
                return Some(*head);
            }
        }
        for (place, byte) in self.head.iter_mut().skip(self.have).zip(bytes) {
            *place = *byte;
            self.have += 1;
            *at += 1;
        }
        if self.have < HEAD {
            return None;
        }
        self.have = 0;
        Some(self.head)
    }

    fn begin(&mut self, [a, b, c, kind, flags, ..]: [u8; HEAD]) -> Result<(), Malformed> {
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        let has = |flag| flags & flag != 0;
        if kind != frames::HEADERS && kind != frames::CONTINUATION {
            self.skip = len;
            // No other frame may come between the frames of a block (RFC 9113, section 4.3).
            return if self.open { Err(Malformed) } else { Ok(()) };
        }
        if self.open != (kind == frames::CONTINUATION) {
            return Err(Malformed);
        }
        self.open = true;
        self.ends = has(frames::END_HEADERS);
        let (padded, prioritized) = match kind {
            frames::HEADERS => (has(frames::PADDED), has(frames::PRIORITY_FLAG)),
            _ => (false, false),
        };
        let priority = if prioritized { 5 } else { 0 };
        let rest = len.checked_sub(priority).ok_or(Malformed)?;
        self.frame = if padded {
            let rest = rest.checked_sub(1).ok_or(Malformed)?;
            Part::Padded { priority, rest }
        } else {
            self.skip = priority;
            let padding = 0;
            let block = rest;
            Part::Block { block, padding }
        };
        Ok(())
    }
}

/// Returns the bytes that h2 sees of a connection's bytes in these pieces, preface included. For the fuzz target.
#[cfg(any(test, feature = "__internals"))]
#[allow(unreachable_pub, reason = "the fuzz target is another crate")]
pub fn repaired<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut repairer = Repairer::new(4_096);
    let mut seen = Vec::new();
    for piece in pieces {
        let mut piece = piece.to_vec();
        let free = repairer.read(&mut piece);
        seen.extend_from_slice(piece.get(..free).unwrap_or_default());
        seen.extend(repairer.kept.drain(..repairer.free));
        repairer.free = 0;
        assert!(repairer.kept.len() <= MOST_KEPT, "too much is kept");
    }
    repairer.finish();
    seen.extend(repairer.kept);
    seen
}

#[cfg(test)]
mod tests;
