//! Whole connections, in any pieces.

use proptest::prelude::*;

use super::*;
use crate::connection::guard::frames::{CONTINUATION, DATA, END_HEADERS, HEADERS, PADDED};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PRIORITIZED: u8 = frames::PRIORITY_FLAG;

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags, 0, 0, 0, 1]);
    frame.extend(payload);
    frame
}

fn field(value: &[u8]) -> Vec<u8> {
    [b"\x41", &[value.len() as u8][..], value].concat()
}

/// Returns the bytes that h2 sees if a connection's bytes arrive in pieces of this size.
fn seen(frames: &[Vec<u8>], size: usize) -> Vec<u8> {
    repaired([PREFACE, &frames.concat()].concat().chunks(size))
}

fn assert_seen(sent: &[Vec<u8>], expected: &[Vec<u8>]) {
    let expected = [PREFACE, &expected.concat()].concat();
    for size in (1..60).chain([usize::MAX]) {
        assert_eq!(seen(sent, size), expected, "in pieces of {size}");
    }
}

/// A header block, cut into frames in every way.
#[test]
fn a_value_is_repaired_wherever_it_is_cut() {
    let blocks = |value: &[u8]| [b"\x83\x86", &field(value)[..], b"\x84\x5f\x01a"].concat();
    let (sent, repaired) = (blocks(b"a|b/c"), blocks(b"a+b-c"));
    let cut = |block: &[u8], at: usize, padding: u8| {
        let padded = [&[padding], &block[..at], &vec![0; padding.into()]].concat();
        vec![
            frame(HEADERS, PADDED, &padded),
            frame(CONTINUATION, 0, b""),
            frame(CONTINUATION, END_HEADERS, &block[at..]),
            frame(DATA, 0, &field(b"a/b")),
        ]
    };
    for at in 0..=sent.len() {
        for padding in [0, 1, 200] {
            assert_seen(&cut(&sent, at, padding), &cut(&repaired, at, padding));
        }
    }
}

#[test]
fn padding_and_priority_are_passed_over() {
    let with = |value: &[u8]| {
        let block = field(value);
        let priority = b"\x41\x03a/b";
        let padded = [b"\x07", &priority[..], &block, b"\x41\x03a/b\0\0"].concat();
        vec![
            frame(
                HEADERS,
                END_HEADERS | PRIORITIZED,
                &[&priority[..], &block].concat(),
            ),
            frame(HEADERS, END_HEADERS | PADDED | PRIORITIZED, &padded),
            frame(HEADERS, END_HEADERS, &block),
        ]
    };
    assert_seen(&with(b"/x"), &with(b"-x"));
}

#[test]
fn what_is_no_http2_passes() {
    let block = field(b"/x");
    let beginnings = [
        // A frame between the frames of a block, and a CONTINUATION frame without a block.
        vec![frame(HEADERS, 0, b""), frame(DATA, 0, b"")],
        vec![frame(CONTINUATION, END_HEADERS, b"")],
        vec![frame(HEADERS, 0, b""), frame(HEADERS, END_HEADERS, b"")],
        // More padding than the frame has bytes, no byte for the padding's length, and none for the priority.
        vec![frame(HEADERS, PADDED | END_HEADERS, b"\x02\0")],
        vec![frame(HEADERS, PADDED | END_HEADERS, b"")],
        vec![frame(HEADERS, END_HEADERS | PRIORITIZED, b"\0\0\0\0")],
        // A block that ends within a field.
        vec![frame(HEADERS, END_HEADERS, b"\x41\x05/x")],
    ];
    for beginning in beginnings {
        let sent = [beginning, vec![frame(HEADERS, END_HEADERS, &block)]].concat();
        assert_seen(&sent, &sent);
    }
}

#[test]
fn what_is_too_much_to_keep_passes() {
    let len = 8_000_u16;
    let value = vec![b'/'; len.into()];
    // The length as an integer.
    let rest = len - 127;
    let head = [0x41, 0x7f, (rest & 0x7f) as u8 | 0x80, (rest >> 7) as u8];
    let block = [&head[..], &value].concat();
    let parts = |size| {
        let mut frames = vec![frame(HEADERS, 0, b"")];
        frames.extend(block.chunks(size).map(|part| frame(CONTINUATION, 0, part)));
        frames.push(frame(CONTINUATION, END_HEADERS, &field(b"/x")));
        frames
    };
    let all = |frames: &[Vec<u8>]| [PREFACE, &frames.concat()].concat();
    // The preface has one `/`.
    let count = |seen: &[u8]| seen.iter().filter(|octet| **octet == b'/').count() - 1;
    // In frames of 100 octets the value is kept, and repaired.
    assert_eq!(count(&seen(&parts(100), 1_000)), 0);
    // In frames of one octet the value takes 80 kB.
    assert_eq!(count(&seen(&parts(1), 1_000)), value.len());
    // A value longer than the longest that is repaired. The following values are repaired.
    let long = vec![b'/'; 9_000];
    let head = [
        0x41,
        0x7f,
        ((9_000 - 127) & 0x7f) as u8 | 0x80,
        ((9_000 - 127) >> 7) as u8,
    ];
    let block = [&head[..], &long, &field(b"/x")].concat();
    let frames = [frame(HEADERS, END_HEADERS, &block)];
    for size in [1_000, usize::MAX] {
        let seen = seen(&frames, size);
        assert_eq!(seen.len(), all(&frames).len());
        assert_eq!(count(&seen), long.len());
    }
}

/// At the end of the input, h2 gets all bytes that were kept.
#[test]
fn a_value_that_is_never_whole_comes_out_as_it_is() {
    let sent = [PREFACE, &frame(HEADERS, END_HEADERS, &field(b"/abc"))].concat();
    for end in 0..sent.len() {
        for size in [1, 7, usize::MAX] {
            assert_eq!(repaired(sent[..end].chunks(size)), &sent[..end]);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_seen_the_same_in_any_pieces(
        bytes in prop::collection::vec(prop_oneof![
            any::<u8>(),
            prop::sample::select(b"\0\0\0\x01\x04\x09\x41\x40\x0a/:".as_slice()),
        ], 0..300),
        size in 1..50_usize,
    ) {
        let bytes = [PREFACE, &bytes].concat();
        let whole = repaired([&bytes[..]]);
        prop_assert_eq!(whole.len(), bytes.len());
        prop_assert_eq!(repaired(bytes.chunks(size)), whole);
    }
}
