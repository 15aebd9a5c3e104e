//! RFC 7541: the forms of a field, and blocks that are none.

use crate::case::{Case, case};
use crate::connection::COMPRESSION_ERROR;
use crate::side::Side;
use crate::support::frame;
use crate::support::hpack::encode;

#[rustfmt::skip]
pub(crate) fn cases(side: Side) -> Vec<Case> {
    let block = side.block();
    let served = |extra: &[u8]| [frame::headers(1, false, &[&block, extra].concat()), side.body(1)].concat();
    let broken = |extra: &[u8]| side.with_block(&[&block, extra].concat());
    let updated = |extra: &[u8]| [frame::headers(1, false, &[extra, &block].concat()), side.body(1)].concat();
    let mut named = vec![0x40];
    encode(&mut named, b"x-test", b"ok");
    // The form of the first byte is what is to be tried, not that of `encode`.
    named.remove(1);
    let form = |first: u8| [&[first][..], &named[1..]].concat();
    vec![
        case("HPACK 6.1", "a field of the static table", served(&[0x90])).gets_an_answer(),
        case("HPACK 6.2.1", "a new field that is added to the table", served(&form(0x40))).gets_an_answer(),
        case("HPACK 6.2.1", "and is found there", served(&[&form(0x40)[..], &[0xbe]].concat())).gets_an_answer(),
        case("HPACK 6.2.1", "a known name with a value that is added", served(&[0x53, 2, b'o', b'k'])).gets_an_answer(),
        case("HPACK 6.2.2", "a new field that is not added", served(&form(0x00))).gets_an_answer(),
        case("HPACK 6.2.2", "a known name with a value that is not", served(&[0x0f, 4, 2, b'o', b'k'])).gets_an_answer(),
        case("HPACK 6.2.3", "a new field that is never added", served(&form(0x10))).gets_an_answer(),
        case("HPACK 6.2.3", "a known name with a value that never is", served(&[0x1f, 4, 2, b'o', b'k'])).gets_an_answer(),
        case("HPACK 6.3", "a smaller table", updated(&[0x20])).gets_an_answer(),
        case("HPACK 6.3", "a table of the largest size", updated(&[0x3f, 0xe1, 0x1f])).gets_an_answer(),
        case("HPACK 5.2", "Huffman coding", served(&[0x0f, 4, 0x82, 0x3e, 0x7f])).gets_an_answer(),

        case("HPACK 2.3.3", "an index of no field", broken(&[0xff, 0xff, 0x03])).ends_with(COMPRESSION_ERROR).but_h2_has_no_code(),
        case("HPACK 2.3.3", "a name of no field", broken(&[0x7f, 0xff, 0x03, 2, b'o', b'k']))
            .ends_with(COMPRESSION_ERROR).but_h2_has_no_code(),
        case("HPACK 4.2", "a new size at the end of a block", broken(&[0x20])).ends_with(COMPRESSION_ERROR).but_h2_has_no_code(),
        case("HPACK 5.1", "a number without an end", broken(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))
            .ends_with(COMPRESSION_ERROR).but_h2_has_no_code(),
        case("HPACK 5.2", "Huffman padding of 8 bits", broken(&[0x0f, 4, 0x83, 0x3e, 0x7f, 0xff]))
            .ends_with(COMPRESSION_ERROR).but_h2_has_no_code(),
        case("HPACK 5.2", "Huffman padding of zeroes", broken(&[0x0f, 4, 0x82, 0x3e, 0x70]))
            .ends_with(COMPRESSION_ERROR).but_h2_has_no_code(),
        case("HPACK 5.2", "Huffman coding with its end of strings",
            broken(&[0x0f, 4, 0x84, 0xff, 0xff, 0xff, 0xff])).ends_with(COMPRESSION_ERROR).but_h2_has_no_code(),
        case("HPACK 5.2", "a string longer than its block", broken(&[0x0f, 4, 0x70, b'o', b'k']))
            .ends_with(COMPRESSION_ERROR).but_h2_has_no_code(),
        case("HPACK 6.1", "the index 0", broken(&[0x80])).ends_with(COMPRESSION_ERROR).but_h2_has_no_code(),
        case("HPACK 6.3", "a table over the limit", side.with_block(&[&[0x3f, 0xe2, 0x1f], &block[..]].concat()))
            .ends_with(COMPRESSION_ERROR).but_h2_has_no_code(),
    ]
}
