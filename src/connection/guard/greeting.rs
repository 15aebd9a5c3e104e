//! Changes the server's SETTINGS on their way to the peer.

use super::frames::{self, HEAD, Head};

const MAX_HEADER_LIST_SIZE: [u8; 2] = 6_u16.to_be_bytes();
/// The length of a setting, in bytes: a number and a value (RFC 9113, section 6.5.1).
const SETTING: usize = 6;

/// The server's first frame, with another `SETTINGS_MAX_HEADER_LIST_SIZE` than h2's. h2 tells the peer the limit at which h2 itself
/// answers, without a gRPC status; the server's own limit is lower.
#[derive(Debug)]
pub(super) struct Greeting {
    max_header_list_size: u32,
    /// The bytes that are left to write; `None` until h2 has offered the frame.
    left: Option<Vec<u8>>,
    over: bool,
}

impl Greeting {
    pub(super) const fn new(max_header_list_size: u32) -> Self {
        Self {
            max_header_list_size,
            left: None,
            over: false,
        }
    }

    /// Returns the bytes to write when h2 offers `buf`.
    pub(super) fn bytes<'a>(&'a mut self, buf: &'a [u8]) -> &'a [u8] {
        if self.left.is_none() {
            self.left = self.changed(buf);
        }
        match &self.left {
            Some(left) => left,
            // h2's first write is a whole SETTINGS frame. Any other first write passes unchanged.
            None => buf,
        }
    }

    fn changed(&self, buf: &[u8]) -> Option<Vec<u8>> {
        let (head, rest) = buf.split_first_chunk::<HEAD>()?;
        let parsed = Head::parse(head);
        let payload = rest.get(..usize::try_from(parsed.len).ok()?)?;
        if parsed.kind != frames::SETTINGS {
            return None;
        }
        let mut changed = head.to_vec();
        for setting in payload.chunks(SETTING) {
            if setting.starts_with(&MAX_HEADER_LIST_SIZE) {
                changed.extend(MAX_HEADER_LIST_SIZE);
                changed.extend(self.max_header_list_size.to_be_bytes());
            } else {
                changed.extend_from_slice(setting);
            }
        }
        Some(changed)
    }

    /// Called when `n` bytes have been written.
    pub(super) fn wrote(&mut self, n: usize) {
        match &mut self.left {
            Some(left) => {
                left.drain(..n.min(left.len()));
                self.over = left.is_empty();
            }
            None => self.over = true,
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        self.over
    }
}
