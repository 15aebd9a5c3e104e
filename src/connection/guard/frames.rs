//! Finds frame heads (RFC 9113, section 4.1) in a stream of bytes in any pieces. Payloads are skipped.

/// The length of a frame's head, in bytes.
pub(super) const HEAD: usize = 9;

pub(super) const DATA: u8 = 0x0;
pub(super) const HEADERS: u8 = 0x1;
pub(super) const PRIORITY: u8 = 0x2;
pub(super) const RST_STREAM: u8 = 0x3;
pub(super) const SETTINGS: u8 = 0x4;
pub(super) const PING: u8 = 0x6;
pub(super) const GOAWAY: u8 = 0x7;
pub(super) const WINDOW_UPDATE: u8 = 0x8;
pub(super) const CONTINUATION: u8 = 0x9;

pub(super) const ACK: u8 = 0x1;
pub(super) const END_STREAM: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
/// The flag of a HEADERS frame that has the fields of PRIORITY.
pub(super) const PRIORITY_FLAG: u8 = 0x20;

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// The length of the frame's payload, in bytes.
    pub(super) len: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// The frame's stream; 0 is the connection.
    pub(super) stream: u32,
}

impl Head {
    pub(super) const fn parse(&[a, b, c, kind, flags, d, e, f, g]: &[u8; HEAD]) -> Self {
        Self {
            len: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            // The first bit is reserved (RFC 9113, section 4.1).
            stream: u32::from_be_bytes([d & 0x7f, e, f, g]),
        }
    }

    pub(super) const fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Finds the heads of a stream of frames.
#[derive(Debug, Clone)]
pub(super) struct Heads {
    /// The first bytes of an incomplete head, and their number.
    partial: [u8; HEAD],
    have: usize,
    /// How many bytes of the current frame's payload have not arrived.
    payload: u32,
    /// The current frame's type.
    kind: u8,
}

impl Heads {
    pub(super) const fn new() -> Self {
        Self {
            partial: [0; HEAD],
            have: 0,
            payload: 0,
            kind: DATA,
        }
    }

    /// Returns the next head. `None` when all of `bytes` has been read.
    // Out of line a Check takes some 150 instructions more.
    #[inline(always)]
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Head> {
        if self.payload > 0 {
            let skipped = bytes
                .len()
                .min(usize::try_from(self.payload).unwrap_or(usize::MAX));
            *bytes = bytes.get(skipped..).unwrap_or_default();
            self.payload -= u32::try_from(skipped).unwrap_or(self.payload);
        }
        let head = if self.have == 0 {
            if let Some((head, rest)) = bytes.split_first_chunk() {
                *bytes = rest;
                Head::parse(head)
            } else {
                self.collect(bytes)?
            }
        } else {
            self.collect(bytes)?
        };
        self.payload = head.len;
        self.kind = head.kind;
        Some(head)
    }

    /// Collects a head that arrives in pieces.
    #[cold]
    fn collect(&mut self, bytes: &mut &[u8]) -> Option<Head> {
        while let Some((byte, rest)) = bytes.split_first() {
            if let Some(place) = self.partial.get_mut(self.have) {
                *place = *byte;
            }
            *bytes = rest;
            self.have += 1;
            if self.have == HEAD {
                self.have = 0;
                return Some(Head::parse(&self.partial));
            }
        }
        None
    }

    /// How many bytes of an incomplete next head have arrived: at most all but one.
    pub(super) const fn partial(&self) -> usize {
        self.have
    }

    /// How many bytes of the current frame have not arrived, if the frame is DATA; otherwise 0.
    pub(super) const fn data_left(&self) -> u32 {
        if self.kind == DATA { self.payload } else { 0 }
    }

    /// Whether all of the current frame's payload has arrived.
    pub(super) const fn is_whole(&self) -> bool {
        self.payload == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(heads: &mut Heads, mut bytes: &[u8]) -> Vec<Head> {
        let mut found = Vec::new();
        while let Some(head) = heads.next(&mut bytes) {
            found.push(head);
        }
        assert!(bytes.is_empty());
        found
    }

    #[test]
    fn heads_are_found_in_any_pieces_and_payloads_are_skipped() {
        let mut bytes = vec![0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0];
        bytes.extend([0, 1, 2, DATA, 0xff, 0, 0, 0, 3]);
        bytes.extend([9; 258]);
        bytes.extend([0, 0, 1, 0xee, 0, 0, 0, 0, 0, 7]);
        let head = |len, kind, flags, stream| Head {
            len,
            kind,
            flags,
            stream,
        };
        let expected = [
            head(0, SETTINGS, ACK, 0),
            head(258, DATA, 0xff, 3),
            head(1, 0xee, 0, 0),
        ];
        for size in 1..=bytes.len() {
            let mut parser = Heads::new();
            let found: Vec<_> = bytes
                .chunks(size)
                .flat_map(|chunk| heads(&mut parser, chunk))
                .collect();
            assert_eq!(found, expected, "in pieces of {size}");
            assert!(parser.is_whole());
        }
        let mut parser = Heads::new();
        assert_eq!(heads(&mut parser, &bytes[..20]).len(), 2);
        assert!(!parser.is_whole());
    }
}
