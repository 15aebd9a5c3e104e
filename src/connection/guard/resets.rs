//! The streams that h2 resets because what the peer sent on them is malformed (RFC 9113, section 8.1.1).

const PROTOCOL_ERROR: u8 = 0x1;

/// Counts RST_STREAM frames with `PROTOCOL_ERROR` among what is written. Only h2 writes such.
#[derive(Debug)]
pub(super) struct Resets {
    /// The bytes that are to come of an error code.
    left: usize,
    malformed: u64,
}

impl Resets {
    pub(super) const fn new() -> Self {
        Self {
            left: 0,
            malformed: 0,
        }
    }

    /// Whether the bytes that are written next go on with an error code.
    #[inline]
    pub(super) const fn is_open(&self) -> bool {
        self.left > 0
    }

    /// The head of an RST_STREAM frame is written.
    pub(super) const fn begin(&mut self) {
        self.left = 4;
    }

    /// Takes note of an error code, or of a part of one. `bytes` may have more behind it.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.get(self.left.saturating_sub(1)) else {
            self.left -= bytes.len();
            return;
        };
        // No code that there is has anything in its first three bytes.
        self.malformed += u64::from(*last == PROTOCOL_ERROR);
        self.left = 0;
    }

    /// How many there were since the last time.
    #[inline]
    pub(super) const fn take(&mut self) -> u64 {
        std::mem::replace(&mut self.malformed, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_in_any_pieces() {
        for size in 1..=5 {
            let mut resets = Resets::new();
            for code in [0_u32, 1, 8, 7, 1] {
                resets.begin();
                let bytes = [&code.to_be_bytes()[..], &[1]].concat();
                for piece in bytes.chunks(size) {
                    if resets.is_open() {
                        resets.read(piece);
                    }
                }
                assert!(!resets.is_open());
            }
            assert_eq!((resets.take(), resets.take()), (2, 0));
        }
    }
}
