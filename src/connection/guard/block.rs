//! Finds the values of `:authority` in a header block (RFC 7541, section 6).
//!
//! Only integers are decoded. Strings are skipped by their length. Of the dynamic table only this is known: which of its entries are named
//! `:authority`.

use std::ops::Range;

use super::authority::{LONGEST, repair, repair_coded};
use super::named::Named;

const NAME: &[u8] = b":authority";
/// `:authority` in HPACK's Huffman code.
const CODED_NAME: &[u8] = &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f];

/// The number of entries of the static table. The first entry is named `:authority`.
const STATIC: usize = 61;

/// The length of the longest block that is remembered, in bytes.
const REMEMBERED: usize = 96;

/// The block is not valid HPACK. h2 ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// What an integer of a header block stands for.
#[derive(Debug, Clone, Copy)]
enum Integer {
    /// The index of a whole field, or the size of the dynamic table.
    Nothing,
    /// The index of a literal field's name; `added` if the field is added to the dynamic table.
    Name { added: bool },
    /// The length of a literal name.
    NameLen { added: bool, coded: bool },
    /// The length of a value.
    ValueLen { wanted: bool, coded: bool },
}

/// The part of a field that comes next.
#[derive(Debug, Clone, Copy)]
enum Step {
    Field,
    /// More octets of an integer: its value so far, and the position of the next seven bits.
    Integer(Integer, usize, u32),
    NameLen {
        added: bool,
    },
    /// Octets of a name, of which `left` are missing. `matched` octets have arrived, if the name may still be `:authority`.
    Name {
        added: bool,
        coded: bool,
        left: usize,
        matched: Option<usize>,
    },
    ValueLen {
        wanted: bool,
    },
    /// Octets to skip.
    Skip(usize),
    /// Octets of a value of `:authority`.
    Value {
        coded: bool,
        left: usize,
    },
}

/// The header blocks of a connection, one after the other.
#[derive(Debug)]
pub(super) struct Blocks {
    step: Step,
    /// The places in the buffer of the octets of an incomplete value.
    pieces: Vec<Range<usize>>,
    named: Named,
    /// The last whole block without a literal `:authority` and without an addition to the table.
    last: [u8; REMEMBERED],
    last_len: usize,
}

impl Blocks {
    /// For a dynamic table of at most `table` bytes.
    pub(super) fn new(table: u32) -> Self {
        Self {
            step: Step::Field,
            pieces: Vec::new(),
            named: Named::new(table),
            last: [0; REMEMBERED],
            last_len: 0,
        }
    }

    /// The place in the buffer of the first octet of an incomplete value.
    pub(super) fn open_since(&self) -> Option<usize> {
        self.pieces.first().map(|piece| piece.start)
    }

    /// Called when the first `n` octets of the buffer are removed.
    pub(super) fn shift(&mut self, n: usize) {
        for piece in &mut self.pieces {
            *piece = piece.start - n..piece.end - n;
        }
    }

    /// Lets an incomplete value pass without a repair.
    #[cold]
    pub(super) fn give_up(&mut self) {
        self.pieces.clear();
        if let Step::Value { left, .. } = self.step {
            self.step = Step::Skip(left);
        }
    }

    /// Called at the block's end.
    pub(super) const fn end(&self) -> Result<(), Malformed> {
        match self.step {
            Step::Field => Ok(()),
            _ => Err(Malformed),
        }
    }

    /// Reads the octets `part` of `buf`, and repairs the values of `:authority` that end there.
    pub(super) fn read(&mut self, buf: &mut [u8], part: Range<usize>) -> Result<(), Malformed> {
        let Range { start: mut at, end } = part;
        while at < end {
            if matches!(self.step, Step::Field) {
                let passed = pass(buf.get(at..end).unwrap_or_default());
                self.named.add_others(passed.added);
                at += passed.read;
                if at == end {
                    break;
                }
            }
            match self.step {
                Step::Skip(left) => at += self.skip(left, end - at),
                Step::Value { coded, left } => at += self.value(buf, at, end, coded, left),
                Step::Name {
                    added,
                    coded,
                    left,
                    matched: None,
                } => {
                    let n = left.min(end - at);
                    at += n;
                    if n == left {
                        self.name(added, false);
                    } else {
                        self.step = Step::Name {
                            added,
                            coded,
                            left: left - n,
                            matched: None,
                        };
                    }
                }
                _ => {
                    let Some(&octet) = buf.get(at) else {
                        break;
                    };
                    at += 1;
                    self.octet(octet)?;
                }
            }
        }
        Ok(())
    }

    /// Reads a whole block, and repairs the values of `:authority` in the block.
    #[inline]
    pub(super) fn read_whole(&mut self, block: &mut [u8]) -> Result<(), Malformed> {
        if block == self.last.get(..self.last_len).unwrap_or_default() {
            return Ok(());
        }
        self.read_new(block)
    }

    /// Reads a whole block that differs from the last. Remembers a block that needs no second look, since many clients send the same block
    /// over and over.
    #[inline(never)]
    fn read_new(&mut self, block: &mut [u8]) -> Result<(), Malformed> {
        let passed = pass(block);
        if passed.read == block.len() {
            self.named.add_others(passed.added);
            if let Some(last) = self
                .last
                .get_mut(..block.len())
                .filter(|_| passed.added == 0)
            {
                last.copy_from_slice(block);
                self.last_len = block.len();
            }
            return Ok(());
        }
        self.read(block, 0..block.len())?;
        self.end()
    }

    fn octet(&mut self, octet: u8) -> Result<(), Malformed> {
        match self.step {
            Step::Field => self.field(octet),
            Step::Integer(integer, value, shift) => {
                // h2 does not accept more octets either.
                if shift > 21 {
                    return Err(Malformed);
                }
                let value = value + (usize::from(octet & 0x7f) << shift);
                if octet & 0x80 == 0 {
                    self.integer(integer, value);
                } else {
                    self.step = Step::Integer(integer, value, shift + 7);
                }
            }
            Step::NameLen { added } => {
                let coded = octet & 0x80 != 0;
                self.prefix(Integer::NameLen { added, coded }, octet, 0x7f);
            }
            Step::ValueLen { wanted } => {
                let coded = octet & 0x80 != 0;
                self.prefix(Integer::ValueLen { wanted, coded }, octet, 0x7f);
            }
            Step::Name {
                added,
                coded,
                left,
                matched,
            } => {
                let name = if coded { CODED_NAME } else { NAME };
                let matched = matched.filter(|at| name.get(*at) == Some(&octet));
                let matched = matched.map(|at| at + 1);
                if left > 1 {
                    self.step = Step::Name {
                        added,
                        coded,
                        left: left - 1,
                        matched,
                    };
                } else {
                    self.name(added, matched == Some(name.len()));
                }
            }
            Step::Skip(_) | Step::Value { .. } => {}
        }
        Ok(())
    }

    /// Reads the first octet of a field.
    fn field(&mut self, octet: u8) {
        match octet {
            0x80.. => self.prefix(Integer::Nothing, octet, 0x7f),
            0x40.. => self.prefix(Integer::Name { added: true }, octet, 0x3f),
            0x20.. => self.prefix(Integer::Nothing, octet, 0x1f),
            _ => self.prefix(Integer::Name { added: false }, octet, 0x0f),
        }
    }

    /// Reads the first octet of an integer (RFC 7541, section 5.1).
    fn prefix(&mut self, integer: Integer, octet: u8, mask: u8) {
        let value = octet & mask;
        if value < mask {
            self.integer(integer, value.into());
        } else {
            self.step = Step::Integer(integer, value.into(), 0);
        }
    }

    fn integer(&mut self, integer: Integer, value: usize) {
        match integer {
            Integer::Nothing => self.step = Step::Field,
            Integer::Name { added } if value == 0 => self.step = Step::NameLen { added },
            Integer::Name { added } => {
                let entry = value.checked_sub(STATIC + 1);
                let named = entry.is_some_and(|entry| self.named.has(entry));
                self.name(added, value == 1 || named);
            }
            Integer::NameLen { added, .. } if value == 0 => self.name(added, false),
            Integer::NameLen { added, coded } => {
                let name = if coded { CODED_NAME } else { NAME };
                self.step = Step::Name {
                    added,
                    coded,
                    left: value,
                    matched: (value == name.len()).then_some(0),
                };
            }
            Integer::ValueLen { .. } if value == 0 => self.step = Step::Field,
            Integer::ValueLen {
                wanted: true,
                coded,
            } if value <= LONGEST => self.step = Step::Value { coded, left: value },
            Integer::ValueLen { .. } => self.step = Step::Skip(value),
        }
    }

    /// Called when the name of a literal field is complete.
    fn name(&mut self, added: bool, wanted: bool) {
        if added {
            self.named.add(wanted);
        }
        self.step = Step::ValueLen { wanted };
    }

    fn skip(&mut self, left: usize, here: usize) -> usize {
        if left > here {
            self.step = Step::Skip(left - here);
            here
        } else {
            self.step = Step::Field;
            left
        }
    }

    fn value(&mut self, buf: &mut [u8], at: usize, end: usize, coded: bool, left: usize) -> usize {
        let n = left.min(end - at);
        if n == left && self.pieces.is_empty() {
            if let Some(value) = buf.get_mut(at..at + n) {
                mend(value, coded);
            }
            self.step = Step::Field;
            return n;
        }
        match self.pieces.last_mut() {
            // Reads may be tiny: a place for each would take more memory than the octets.
            Some(last) if last.end == at => last.end += n,
            _ => self.pieces.push(at..at + n),
        }
        self.step = Step::Value {
            coded,
            left: left - n,
        };
        if n == left {
            self.gather(buf, coded);
            self.step = Step::Field;
        }
        n
    }

    /// Repairs a value that arrived in pieces.
    #[cold]
    fn gather(&mut self, buf: &mut [u8], coded: bool) {
        let pieces = std::mem::take(&mut self.pieces);
        let parts = pieces.iter().filter_map(|piece| buf.get(piece.clone()));
        let mut value: Vec<u8> = parts.flatten().copied().collect();
        mend(&mut value, coded);
        let mut value = value.into_iter();
        for piece in pieces {
            for (place, octet) in buf.get_mut(piece).into_iter().flatten().zip(&mut value) {
                *place = octet;
            }
        }
    }
}

/// How many octets of a block were skipped, and how many of their fields are added to the dynamic table.
#[derive(Debug, Clone, Copy)]
struct Passed {
    read: usize,
    added: u32,
}

/// Skips the most frequent fields at the beginning of `block`: indexed fields, and literals with a name from the static table other than
/// `:authority`.
fn pass(block: &[u8]) -> Passed {
    let mut rest = block;
    let mut added = 0;
    while let [octet, after @ ..] = rest {
        if let 0x81..=0xfe = octet {
            rest = after;
            continue;
        }
        let (new, value) = match (octet, after) {
            (0x42..=0x7d, value) => (1, value),
            (0x02..=0x0e | 0x12..=0x1e, value) => (0, value),
            (0x0f | 0x1f, [0..=0x2e, value @ ..]) => (0, value),
            _ => break,
        };
        let [len, value @ ..] = value else {
            break;
        };
        let len = len & 0x7f;
        let Some(next) = value.get(len.into()..).filter(|_| len < 0x7f) else {
            break;
        };
        added += new;
        rest = next;
    }
    Passed {
        read: block.len() - rest.len(),
        added,
    }
}

fn mend(value: &mut [u8], coded: bool) {
    if coded {
        repair_coded(value);
    } else {
        repair(value);
    }
}

#[cfg(test)]
mod tests;
