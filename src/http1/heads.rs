//! Finds the heads of requests in the bytes of a connection.

use bytes::{Bytes, BytesMut};

/// The bytes that have arrived and are no complete head yet.
#[derive(Debug)]
pub(crate) struct Heads {
    bytes: BytesMut,
    limit: usize,
    /// How many bytes have been looked at.
    scanned: usize,
    /// How many bytes of CR LF CR LF the scanned bytes end with.
    matched: u8,
}

/// What has been found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The head of a request, with the empty line at its end.
    Head(Bytes),
    /// A head over the limit.
    TooLarge(Asked),
    /// A line that does not end in CR LF.
    Malformed(Asked),
}

/// What a request asks for. The answer to a HEAD has no body, also where the answer is an error (RFC 9110, section 9.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    HeadAlone,
    WithBody,
}

impl Asked {
    /// Reads the method with which the bytes of a head begin. httparse ignores empty lines before the method.
    pub(super) fn of(head: &[u8]) -> Self {
        match head.strip_prefix(b"\r\n").unwrap_or(head) {
            [b'H', b'E', b'A', b'D', b' ', ..] => Self::HeadAlone,
            _ => Self::WithBody,
        }
    }
}

impl Heads {
    /// A head may have `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            bytes: BytesMut::new(),
            limit,
            scanned: 0,
            matched: 0,
        }
    }

    /// Whether nothing of a request has arrived. Then the buffer's memory is free.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What the request asks for whose head has begun to arrive.
    pub(crate) fn asked(&self) -> Asked {
        Asked::of(&self.bytes)
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the first complete head. `None` if more bytes are needed.
    pub(crate) fn take(&mut self) -> Option<Found> {
        for &byte in self.bytes.iter().skip(self.scanned) {
            self.scanned += 1;
            self.matched = match (byte, self.matched) {
                (b'\r', 0) => 1,
                (b'\n', 1) => 2,
                (b'\r', 2) => 3,
                (b'\n', 3) => return Some(self.split()),
                // A CR or LF alone: httparse would read an LF as the end of a line.
                (b'\r' | b'\n', _) | (_, 1 | 3) => return Some(Found::Malformed(self.asked())),
                _ => 0,
            };
            if self.scanned > self.limit {
                return Some(Found::TooLarge(self.asked()));
            }
        }
        None
    }

    fn split(&mut self) -> Found {
        let len = std::mem::take(&mut self.scanned);
        self.matched = 0;
        if len > self.limit {
            return Found::TooLarge(self.asked());
        }
        let head = self.bytes.split_to(len.min(self.bytes.len())).freeze();
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
        Found::Head(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8], chunk: usize) -> Vec<Found> {
        let mut heads = Heads::new(40);
        let mut all = Vec::new();
        for chunk in bytes.chunks(chunk) {
            heads.push(chunk);
            while let Some(found) = heads.take() {
                let over = !matches!(found, Found::Head(_));
                all.push(found);
                if over {
                    return all;
                }
            }
        }
        all
    }

    #[test]
    fn heads_are_found_however_their_bytes_arrive() {
        let one = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let two = [&one[..], b"\r\n", one, b"GET"].concat();
        let second = [b"\r\n", &one[..]].concat();
        for chunk in 1..two.len() {
            let expected = [
                Found::Head(Bytes::from_static(one)),
                Found::Head(Bytes::from(second.clone())),
            ];
            assert_eq!(found(&two, chunk), expected, "{chunk}");
        }
    }

    #[test]
    fn lines_without_cr_lf_and_heads_over_the_limit_are_refused() {
        let cases: [&[u8]; 5] = [
            b"GET / HTTP/1.1\n\n",
            b"GET / HTTP/1.1\r\na: b\n\r\n",
            b"GET / HTTP/1.1\ra: b\r\n\r\n",
            b"GET / HTTP/1.1\r\n\rX",
            b"\n",
        ];
        for (case, chunk) in cases.iter().flat_map(|case| [(case, 1), (case, 99)]) {
            assert_eq!(
                found(case, chunk),
                [Found::Malformed(Asked::WithBody)],
                "{case:?}"
            );
        }
        for len in [36, 37, 200] {
            let head = [vec![b'a'; len], b"\r\n\r\n".to_vec()].concat();
            let large = matches!(found(&head, 7)[..], [Found::TooLarge(Asked::WithBody)]);
            assert_eq!(large, len > 36, "{len}");
        }
        let large = [&b"HEAD /"[..], &[b'a'; 40]].concat();
        assert_eq!(found(&large, 7), [Found::TooLarge(Asked::HeadAlone)]);
        let malformed = b"\r\nHEAD / HTTP/1.1\n";
        assert_eq!(found(malformed, 1), [Found::Malformed(Asked::HeadAlone)]);
    }
}
