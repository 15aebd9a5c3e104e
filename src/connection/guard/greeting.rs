//! The server's SETTINGS, as the peer gets them.

use super::frames::{self, HEAD, Head};

const MAX_HEADER_LIST_SIZE: [u8; 2] = 6_u16.to_be_bytes();
/// The bytes of a setting: its number and its value (RFC 9113, section 6.5.1).
const SETTING: usize = 6;

/// The first frame that h2 writes, with another limit of header lists than its own: h2 has one value for what it tells the peer and what
/// it refuses by itself, without a word of gRPC.
#[derive(Debug)]
pub(super) struct Greeting {
    max_header_list_size: u32,
    /// What is left to be written; `None` before h2 has said it.
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

    /// What is to be written of the greeting, if h2 has `buf` to write.
    pub(super) fn bytes<'a>(&'a mut self, buf: &'a [u8]) -> &'a [u8] {
        if self.left.is_none() {
            self.left = self.changed(buf);
        }
        match &self.left {
            Some(left) => left,
            // h2 begins with SETTINGS, whole; whatever else it says is its own.
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

    /// So many bytes of it have been written.
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
