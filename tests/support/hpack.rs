//! HPACK (RFC 7541), as much as a scripted peer needs.
//!
//! Sending is always "literal without indexing", so that a test's header list is exactly the bytes
//! on the wire. Receiving understands everything an encoder may use.

use bytes::Bytes;
use std::collections::VecDeque;

/// A header list in wire order, pseudo-headers included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(pub(crate) Vec<(String, Bytes)>);

impl Fields {
    /// The one value of `name`, or `None`; panics if there are several.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(n, _)| n == name);
        let value = values
            .next()
            .map(|(_, v)| std::str::from_utf8(v).expect("a UTF-8 value"));
        assert!(values.next().is_none(), "{name} repeated in {self:?}");
        value
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }
}

/// Appends `name: value` to a header block, unindexed and without Huffman coding.
pub(crate) fn encode(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(0);
    for string in [name, value] {
        encode_len(block, string.len());
        block.extend_from_slice(string);
    }
}

fn encode_len(block: &mut Vec<u8>, len: usize) {
    if len < 127 {
        block.push(len as u8);
        return;
    }
    block.push(127);
    let mut rest = len - 127;
    while rest >= 128 {
        block.push((rest % 128) as u8 | 0x80);
        rest /= 128;
    }
    block.push(rest as u8);
}

/// One direction's decoding state: the dynamic table.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// Newest first.
    table: VecDeque<(String, Bytes)>,
    size: usize,
    limit: usize,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self {
            table: VecDeque::new(),
            size: 0,
            limit: 4096,
        }
    }

    /// Decodes one whole header block; panics on an invalid one.
    pub(crate) fn decode(&mut self, mut block: &[u8]) -> Fields {
        let mut fields = Fields::default();
        while let Some(&first) = block.first() {
            if first & 0x80 != 0 {
                let index = integer(&mut block, 7);
                fields.0.push(self.entry(index));
            } else if first & 0xe0 == 0x20 {
                self.limit = integer(&mut block, 5);
                assert!(self.limit <= 4096, "the table limit we never raised");
                self.evict(0);
            } else {
                let indexed = first & 0x40 != 0;
                let index = integer(&mut block, if indexed { 6 } else { 4 });
                let name = if index == 0 {
                    String::from_utf8(string(&mut block)).expect("a UTF-8 name")
                } else {
                    self.entry(index).0
                };
                let field = (name, Bytes::from(string(&mut block)));
                if indexed {
                    self.insert(field.clone());
                }
                fields.0.push(field);
            }
        }
        fields
    }

    fn entry(&self, index: usize) -> (String, Bytes) {
        assert!(index > 0, "index 0 is an error");
        match STATIC.get(index - 1) {
            Some((name, value)) => (name.to_string(), Bytes::from_static(value.as_bytes())),
            None => self.table[index - 1 - STATIC.len()].clone(),
        }
    }

    fn insert(&mut self, field: (String, Bytes)) {
        let size = cost(&field);
        self.evict(size);
        if size <= self.limit {
            self.size += size;
            self.table.push_front(field);
        }
    }

    fn evict(&mut self, incoming: usize) {
        while self.size + incoming > self.limit {
            match self.table.pop_back() {
                Some(field) => self.size -= cost(&field),
                None => break,
            }
        }
    }
}

fn cost((name, value): &(String, Bytes)) -> usize {
    name.len() + value.len() + 32
}

fn take(block: &mut &[u8]) -> u8 {
    let (&byte, rest) = block.split_first().expect("a whole header block");
    *block = rest;
    byte
}

fn integer(block: &mut &[u8], prefix: u32) -> usize {
    let mask = (1 << prefix) - 1;
    let mut value = usize::from(take(block)) & mask;
    if value < mask {
        return value;
    }
    let mut shift = 0;
    loop {
        let byte = take(block);
        value += usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

fn string(block: &mut &[u8]) -> Vec<u8> {
    let huffman = block.first().is_some_and(|byte| byte & 0x80 != 0);
    let len = integer(block, 7);
    let (bytes, rest) = block.split_at(len);
    *block = rest;
    if huffman {
        unhuffman(bytes)
    } else {
        bytes.to_vec()
    }
}

/// The code of RFC 7541 Appendix B is canonical: the number of codes of each length and the symbols
/// in order of code are the whole table.
fn unhuffman(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut code, mut len) = (0u32, 0);
    for bit in bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1))
    {
        code = code << 1 | u32::from(bit);
        len += 1;
        if let Some(symbol) = symbol(code, len) {
            out.push(symbol);
            (code, len) = (0, 0);
        }
    }
    assert!(
        len < 8 && code == (1 << len) - 1,
        "padding is the start of EOS"
    );
    out
}

fn symbol(code: u32, len: usize) -> Option<u8> {
    let (mut first, mut offset, mut shorter) = (0, 0, 0);
    for (bits, count) in CODES {
        first <<= bits - shorter;
        if bits == len {
            let index = code.checked_sub(first)?;
            return (index < count).then(|| SYMBOLS[(offset + index) as usize]);
        }
        first += count;
        offset += count;
        shorter = bits;
    }
    assert!(len < 30, "EOS inside a string");
    None
}

/// (length in bits, how many symbols have a code of that length); EOS left out.
#[rustfmt::skip]
const CODES: [(usize, u32); 21] = [
    (5, 10), (6, 26), (7, 32), (8, 6), (10, 5), (11, 3), (12, 2), (13, 6), (14, 2), (15, 3), (19, 3),
    (20, 8), (21, 13), (22, 26), (23, 29), (24, 12), (25, 4), (26, 15), (27, 19), (28, 29), (30, 3),
];

/// Symbols by length of code, then by value.
#[rustfmt::skip]
const SYMBOLS: [u8; 256] = [
    48, 49, 50, 97, 99, 101, 105, 111, 115, 116, 32, 37, 45, 46, 47, 51, 52, 53, 54, 55, 56, 57,
    61, 65, 95, 98, 100, 102, 103, 104, 108, 109, 110, 112, 114, 117, 58, 66, 67, 68, 69, 70, 71,
    72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 89, 106, 107, 113, 118, 119,
    120, 121, 122, 38, 42, 44, 59, 88, 90, 33, 34, 40, 41, 63, 39, 43, 124, 35, 62, 0, 36, 64, 91,
    93, 126, 94, 125, 60, 96, 123, 92, 195, 208, 128, 130, 131, 162, 184, 194, 224, 226, 153, 161,
    167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230, 129, 132, 133, 134, 136, 146, 154, 156,
    160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232, 233, 1,
    135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174,
    175, 180, 182, 183, 188, 191, 197, 231, 239, 9, 142, 144, 145, 148, 159, 171, 206, 215, 225,
    236, 237, 199, 207, 234, 235, 192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242,
    243, 255, 203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252,
    253, 254, 2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28,
    29, 30, 31, 127, 220, 249, 10, 13, 22,
];

#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"),
    (":path", "/index.html"), (":scheme", "http"), (":scheme", "https"), (":status", "200"),
    (":status", "204"), (":status", "206"), (":status", "304"), (":status", "400"),
    (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""),
    ("accept", ""), ("access-control-allow-origin", ""), ("age", ""), ("allow", ""),
    ("authorization", ""), ("cache-control", ""), ("content-disposition", ""),
    ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""),
    ("date", ""), ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""),
    ("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""),
    ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""),
    ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""),
    ("via", ""), ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
        digits
            .chunks(2)
            .map(|pair| (pair[0] << 4 | pair[1]) as u8)
            .collect()
    }

    fn fields(list: &[(&str, &str)]) -> Fields {
        let owned = |(n, v): &(&str, &str)| (n.to_string(), Bytes::copy_from_slice(v.as_bytes()));
        Fields(list.iter().map(owned).collect())
    }

    /// RFC 7541 Appendix C.6: Huffman, indexing and eviction from a table of 256 bytes.
    #[test]
    fn decodes_the_rfc_responses() {
        let mut decoder = Decoder {
            limit: 256,
            ..Decoder::new()
        };
        let first = decoder.decode(&hex(
            "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad17186\
             3c78f0b97c8e9ae82ae43d3",
        ));
        let expected = [
            (":status", "302"),
            ("cache-control", "private"),
            ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("location", "https://www.example.com"),
        ];
        assert_eq!(first, fields(&expected));
        let second = decoder.decode(&hex("4883640effc1c0bf"));
        assert_eq!(second.get(":status"), Some("307"));
        assert_eq!(
            second.0[1..].to_vec(),
            [1, 2, 3].map(|i| first.0[i].clone())
        );
        let third = decoder.decode(&hex(
            "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7\
             b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        ));
        let expected = [
            (":status", "200"),
            ("cache-control", "private"),
            ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
            ("location", "https://www.example.com"),
            ("content-encoding", "gzip"),
            (
                "set-cookie",
                "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            ),
        ];
        assert_eq!(third, fields(&expected));
        assert_eq!(decoder.size, 215);
    }

    #[test]
    fn decodes_what_it_encodes() {
        let long = "v".repeat(20_000);
        let list = [(":path", "/a/b"), ("x", ""), ("long", long.as_str())];
        let mut block = Vec::new();
        for (name, value) in list {
            encode(&mut block, name.as_bytes(), value.as_bytes());
        }
        assert_eq!(Decoder::new().decode(&block), fields(&list));
    }
}
