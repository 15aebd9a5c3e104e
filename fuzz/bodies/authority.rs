//! A connection's bytes on their way to h2: every `:authority` that can be one is one in the end, what was one stays as it was, and so
//! does every other octet, in any pieces.
//!
//! Input: the number of piece sizes, the piece sizes, and a program. With an odd number the program is what follows the preface, as
//! it is. Otherwise it is made of fields: a first byte that says what kind (the lower 4 bits) and what is special (the upper),
//! a length, and so many bytes.

use grpc_health::__internals::{huffman_decoded, huffman_encoded, repaired};
use http::uri::Authority;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const NAME: &[u8] = b":authority";

pub fn run(data: &[u8]) {
    let [count, rest @ ..] = data else {
        return;
    };
    let (sizes, program) = rest.split_at(rest.len().min(usize::from(*count)));
    if count % 2 == 1 {
        let bytes = [PREFACE, program].concat();
        let whole = repaired([&bytes[..]]);
        assert_eq!(whole.len(), bytes.len());
        assert_eq!(repaired(cut(&bytes, sizes)), whole);
        assert_eq!(repaired(bytes.chunks(1)), whole);
        return;
    }
    let connection = Connection::of(program);
    let whole = repaired([&connection.bytes[..]]);
    connection.assert_seen(&whole);
    assert_eq!(repaired(cut(&connection.bytes, sizes)), whole);
    assert_eq!(repaired(connection.bytes.chunks(1)), whole);
}

/// The bytes in pieces of these sizes, over and over; none: whole.
fn cut<'a>(mut bytes: &'a [u8], sizes: &[u8]) -> Vec<&'a [u8]> {
    let mut sizes = sizes.iter().cycle();
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let size = sizes.next().map_or(usize::MAX, |size| usize::from(*size));
        let (piece, rest) = bytes.split_at(bytes.len().min(size.max(1)));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// What is sent, and where the values of `:authority` are in it.
#[derive(Default)]
struct Connection {
    bytes: Vec<u8>,
    /// Of each byte: the value it belongs to.
    owners: Vec<Option<usize>>,
    /// Of each value: whether it is in Huffman code.
    coded: Vec<bool>,
    /// The header block that is not framed yet.
    block: Vec<(u8, Option<usize>)>,
    /// Whether frames of this block have gone before.
    open: bool,
    /// The dynamic table, oldest first: whether an entry is named `:authority`.
    table: Vec<bool>,
}

impl Connection {
    fn of(mut program: &[u8]) -> Self {
        let mut this = Self::default();
        this.push(PREFACE);
        while let [what, len, rest @ ..] = program {
            let (value, rest) = rest.split_at(rest.len().min(usize::from(*len)));
            this.step(what & 0xf, what >> 4, value);
            program = rest;
        }
        this.frame(true, None);
        this
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        self.owners.resize(self.bytes.len(), None);
    }

    fn add(&mut self, bytes: &[u8]) {
        self.block.extend(bytes.iter().map(|byte| (*byte, None)));
    }

    fn step(&mut self, what: u8, how: u8, value: &[u8]) {
        let added = how & 1 != 0;
        let first = if added { 0x40 } else { how & 0x10 };
        match what {
            // A literal by its name in the static table, spelled out, spelled out in code.
            0..=2 => {
                self.name(first, 1, added);
                self.value(value, how & 2 != 0, true);
            }
            3 | 4 => {
                self.add(&[first]);
                self.string(NAME, how & 4 != 0);
                self.named(true, added);
                self.value(value, how & 2 != 0, true);
            }
            // By a name in the dynamic table, whatever that is.
            5 | 6 if !self.table.is_empty() => {
                let entry = usize::from(how >> 1) % self.table.len();
                let wanted = self.table[self.table.len() - 1 - entry];
                self.integer(first, if added { 0x3f } else { 0x0f }, 62 + entry);
                self.named(wanted, added);
                self.value(value, how & 2 != 0, wanted);
            }
            // Others.
            7 => {
                self.name(first, 2 + usize::from(how), added);
                self.value(value, how & 2 != 0, false);
            }
            8 => {
                self.add(&[first]);
                let name = value.get(..value.len().min(12)).unwrap_or_default();
                self.string(name, how & 4 != 0);
                self.named(name == NAME, added);
                self.value(value, how & 2 != 0, name == NAME);
            }
            // Whole fields, and sizes of the table.
            9 => self.integer(0x80, 0x7f, 1 + value.len()),
            10 => self.integer(0x20, 0x1f, value.len()),
            // As many octets as the value has, in a frame; all.
            11 if !self.block.is_empty() => {
                let rest = self.block.split_off(self.block.len().min(value.len()));
                self.frame(false, (how & 1 != 0).then_some(how));
                self.block = rest;
            }
            12 | 13 => self.frame(true, (how & 1 != 0).then_some(how)),
            _ if !self.open && self.block.is_empty() => {
                let len = u32::try_from(value.len()).unwrap();
                self.push(&len.to_be_bytes()[1..]);
                self.push(&[0, how, 0, 0, 0, 1]);
                self.push(value);
            }
            _ => {}
        }
    }

    fn name(&mut self, first: u8, index: usize, added: bool) {
        self.integer(first, if added { 0x3f } else { 0x0f }, index);
        self.named(index == 1, added);
    }

    fn named(&mut self, wanted: bool, added: bool) {
        if added {
            self.table.push(wanted);
        }
    }

    fn integer(&mut self, first: u8, mask: u8, value: usize) {
        let Some(mut rest) = value.checked_sub(mask.into()) else {
            return self.add(&[first | u8::try_from(value).unwrap()]);
        };
        self.add(&[first | mask]);
        while rest >= 128 {
            self.add(&[(rest % 128) as u8 | 0x80]);
            rest /= 128;
        }
        self.add(&[rest as u8]);
    }

    fn string(&mut self, string: &[u8], coded: bool) {
        if coded {
            let string = huffman_encoded(string);
            self.integer(0x80, 0x7f, string.len());
            self.add(&string);
        } else {
            self.integer(0, 0x7f, string.len());
            self.add(string);
        }
    }

    fn value(&mut self, value: &[u8], coded: bool, wanted: bool) {
        let before = self.block.len();
        self.string(value, coded);
        let octets = if coded {
            huffman_encoded(value).len()
        } else {
            value.len()
        };
        if wanted {
            let owner = self.coded.len();
            self.coded.push(coded);
            let start = self.block.len() - octets;
            assert!(start >= before);
            for (_, place) in &mut self.block[start..] {
                *place = Some(owner);
            }
        }
    }

    /// Puts what there is of the block into a frame.
    fn frame(&mut self, ends: bool, padding: Option<u8>) {
        let block = std::mem::take(&mut self.block);
        let kind = if self.open { 9 } else { 1 };
        let padding = padding.filter(|_| !self.open);
        let more = padding.map_or(0, |n| 1 + usize::from(n));
        let len = u32::try_from(block.len() + more).unwrap();
        self.push(&len.to_be_bytes()[1..]);
        let flags = if ends { 4 } else { 0 } | if padding.is_some() { 8 } else { 0 };
        self.push(&[kind, flags, 0, 0, 0, 1]);
        if let Some(n) = padding {
            self.push(&[n]);
        }
        for (byte, owner) in block {
            self.bytes.push(byte);
            self.owners.push(owner);
        }
        self.push(&vec![0; padding.unwrap_or(0).into()]);
        self.open = !ends;
    }

    /// The two equations.
    fn assert_seen(&self, seen: &[u8]) {
        assert_eq!(seen.len(), self.bytes.len());
        let mut values = vec![(Vec::new(), Vec::new()); self.coded.len()];
        for ((sent, seen), owner) in self.bytes.iter().zip(seen).zip(&self.owners) {
            match owner {
                None => assert_eq!(sent, seen),
                Some(owner) => {
                    values[*owner].0.push(*sent);
                    values[*owner].1.push(*seen);
                }
            }
        }
        for ((sent, seen), coded) in values.iter().zip(&self.coded) {
            let decode = |value: &Vec<u8>| match coded {
                true => huffman_decoded(value).expect("a string"),
                false => value.clone(),
            };
            let (before, after) = (decode(sent), decode(seen));
            if parses(&before) || is_beyond_repair(&before, sent.len()) {
                assert_eq!(sent, seen);
            } else {
                assert!(parses(&after), "{before:?}: {after:?}");
                assert_eq!(before.len(), after.len());
            }
        }
    }
}

fn parses(value: &[u8]) -> bool {
    Authority::try_from(value).is_ok()
}

fn is_beyond_repair(value: &[u8], octets: usize) -> bool {
    let is_blank = |octet: Option<&u8>| octet.is_none_or(|octet| *octet == b' ');
    is_blank(value.first())
        || is_blank(value.last())
        || value.iter().any(u8::is_ascii_control)
        || octets * 8 >= 13 * value.len() + 8
}
