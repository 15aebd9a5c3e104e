//! Header blocks, by hand.

use super::super::huffman;
use super::*;

/// The block in one piece.
fn read(blocks: &mut Blocks, block: &[u8]) -> Vec<u8> {
    let mut block = block.to_vec();
    let len = block.len();
    assert_eq!(blocks.read(&mut block, 0..len), Ok(()));
    assert_eq!(blocks.end(), Ok(()));
    block
}

fn literal(first: &[u8], value: &[u8]) -> Vec<u8> {
    [first, &[value.len() as u8], value].concat()
}

#[test]
fn the_coded_name_is_the_name() {
    let mut name = Vec::new();
    assert!(huffman::decode(CODED_NAME, |octet| name.push(octet)));
    assert_eq!(name, NAME);
}

#[test]
fn every_way_to_name_it_is_known() {
    let spelled = |first| [&[first, 10], NAME].concat();
    let coded = |first| [&[first, 0x88], CODED_NAME].concat();
    for first in [0x00, 0x10, 0x40] {
        for name in [vec![first | 1], spelled(first), coded(first)] {
            let block = literal(&name, b"a/b");
            let seen = read(&mut Blocks::new(4_096), &block);
            assert_eq!(seen, literal(&name, b"a-b"), "{name:x?}");
        }
    }
    // Other fields do not change: `:path`, a name of the same length, a name that begins with `:authority`.
    for name in [
        &[0x44][..],
        b"\0\x0a:authoritz",
        b"\0\x0b:authority2",
        b"\0\x09:authorit",
        b"\0\0",
    ] {
        let block = literal(name, b"a/b");
        assert_eq!(read(&mut Blocks::new(4_096), &block), block);
    }
}

#[test]
fn a_name_out_of_the_dynamic_table_is_known_wherever_it_has_moved() {
    let mut blocks = Blocks::new(4_096);
    read(&mut blocks, &literal(b"\x40\x0a:authority", b"a"));
    for newer in 0..100 {
        let name = |entry: usize| {
            let rest = 62 + entry - 15;
            match u8::try_from(rest) {
                Ok(rest @ ..=127) => vec![0x0f, rest],
                _ => vec![0x0f, (rest & 0x7f) as u8 | 0x80, (rest >> 7) as u8],
            }
        };
        let block = literal(&name(newer), b"a/b");
        let repaired = literal(&name(newer), b"a-b");
        assert_eq!(read(&mut blocks, &block), repaired);
        let block = literal(&name(newer + 1), b"a/b");
        assert_eq!(read(&mut blocks, &block), block);
        // Fields that are not added to the table do not move its entries.
        read(
            &mut blocks,
            b"\x82\xbe\x00\x01a\x01b\x10\x01a\x01b\x3f\xe1\x1f\x20",
        );
        read(&mut blocks, &literal(&[0x44], b"/"));
    }
    // A literal field whose name is an index adds an entry with the same name.
    read(&mut blocks, &literal(&[0x41], b"a"));
    read(&mut blocks, &literal(&[0x7e], b"b/c"));
    assert_eq!(
        read(&mut blocks, &literal(&[0x7e], b"a/b")),
        literal(&[0x7e], b"a-b")
    );
}

#[test]
fn what_is_no_hpack_is_told() {
    let endless = [0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0];
    let read = |block: &[u8]| {
        let mut blocks = Blocks::new(4_096);
        let len = block.len();
        let read = blocks.read(&mut block.to_vec(), 0..len);
        read.and_then(|()| blocks.end())
    };
    assert_eq!(read(&endless), Err(Malformed));
    assert_eq!(read(b"\x41\x05abc"), Err(Malformed));
    assert_eq!(read(b"\x41"), Err(Malformed));
    assert_eq!(read(b"\x41\x03abc"), Ok(()));
}

/// The places of the octets took 16 bytes for each octet.
#[test]
fn a_value_in_tiny_pieces_needs_one_place() {
    let value = "a/".repeat(50);
    let mut block = literal(b"\x41", value.as_bytes());
    let mut blocks = Blocks::new(4_096);
    for at in 0..block.len() {
        assert_eq!(blocks.read(&mut block, at..at + 1), Ok(()));
        assert!(blocks.pieces.len() <= 1, "{:?}", blocks.pieces);
    }
    assert_eq!(blocks.end(), Ok(()));
    assert_eq!(block, literal(b"\x41", "a-".repeat(50).as_bytes()));
}
