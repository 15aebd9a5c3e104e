//! Counts the streams that h2 resets because the peer's frames are malformed (RFC 9113, section 8.1.1).

const PROTOCOL_ERROR: u8 = 0x1;

/// Counts the RST_STREAM frames with `PROTOCOL_ERROR` that the server writes. Only h2 writes such frames.
#[derive(Debug)]
pub(super) struct Resets {
    /// How many bytes of an error code are missing.
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

    /// Whether the next bytes written belong to an error code.
    #[inline]
    pub(super) const fn is_open(&self) -> bool {
        self.left > 0
    }

    /// Called when the head of an RST_STREAM frame has been written.
    pub(super) const fn begin(&mut self) {
        self.left = 4;
    }

    /// Reads an error code or a part of one. `bytes` may have more bytes after the code.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.get(self.left.saturating_sub(1)) else {
            self.left -= bytes.len();
            return;
        };
        // The first three bytes of every known code are zero.
        self.malformed += u64::from(*last == PROTOCOL_ERROR);
        self.left = 0;
    }

    /// Returns how many such frames were written since the last call.
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
