//! Tests of gzip.

use std::io::Read;

use proptest::collection::vec;
use proptest::prelude::*;

use super::InflateError::{Malformed, Oversize};
use super::inflater::grow;
use super::*;

/// By Python's gzip.
const EMPTY: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\x03\0\0\0\0\0\0\0\0\0";
const ABC: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03KLJ\x06\0\xc2A$5\x03\0\0\0";
/// With everything that a header can have, its checksum included.
const FULL: &[u8] = b"\x1f\x8b\x08\x1f\x01\x02\x03\x04\0\x03\x05\0extraname\0comment\0\
    36KLJ\x06\0\xc2A$5\x03\0\0\0";
/// Two blocks that are not compressed, the second of them empty.
const STORED: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\0\x03\0\xfc\xffabc\x01\0\0\xff\xff\
    \xc2A$5\x03\0\0\0";

fn zeros(len: usize) -> Bytes {
    vec![0; len].into()
}

/// What another implementation makes of a member.
fn read(member: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(member);
    decoder.read_to_end(&mut message).unwrap();
    message
}

#[test]
fn vectors() {
    let abc = |member| (member, &b"abc"[..]);
    for (member, message) in [(EMPTY, &b""[..]), abc(ABC), abc(FULL), abc(STORED)] {
        for limit in [message.len(), 100, usize::MAX] {
            assert_eq!(inflate(member, limit).unwrap(), message);
        }
    }
}

#[test]
fn the_limit_is_of_the_message() {
    for member in [ABC, FULL, STORED] {
        for limit in 0..3 {
            assert_eq!(inflate(member, limit), Err(Oversize { limit }));
        }
    }
    for len in [1, 63, 64, 65, 4_096, 32_768, 32_769, 100_000] {
        let member = deflate(&zeros(len));
        assert_eq!(inflate(&member, len).unwrap(), zeros(len));
        let limit = len - 1;
        assert_eq!(inflate(&member, limit), Err(Oversize { limit }));
    }
}

#[test]
fn what_is_cut_short_is_malformed() {
    for member in [EMPTY, ABC, FULL, STORED] {
        for len in 0..member.len() {
            assert_eq!(inflate(&member[..len], 100), Err(Malformed), "{len}");
        }
    }
}

#[test]
fn what_is_behind_the_end_is_malformed() {
    for behind in [b"\0", &b"garbage"[..], ABC] {
        assert_eq!(inflate(&[ABC, behind].concat(), 100), Err(Malformed));
    }
}

#[test]
fn no_bit_changes_the_message() {
    let header = FULL.len() - ABC[10..].len();
    for place in 0..FULL.len() * 8 {
        let mut member = FULL.to_vec();
        member[place / 8] ^= 1 << (place % 8);
        // The last bits of DEFLATE, up to a whole byte, mean nothing.
        if let Ok(message) = inflate(&member, 10_000) {
            assert!(message == "abc" && place / 8 > header, "{place}");
        }
    }
}

#[test]
fn other_formats_are_malformed() {
    let with = |place: usize, byte| {
        let mut member = ABC.to_vec();
        member[place] = byte;
        member
    };
    let cases = [
        with(0, 0x1e),
        with(1, 0x8c),
        // Another method, and flags that are reserved.
        with(2, 7),
        with(3, 1 << 5),
        with(3, 1 << 6),
        with(3, 1 << 7),
        // The checksum, the length.
        with(ABC.len() - 8, 0),
        with(ABC.len() - 4, 2),
        // DEFLATE bare, in zlib's wrapping, and no compression at all.
        b"KLJ\x06\0".to_vec(),
        b"x\x9cKLJ\x06\0\x02M\x01'".to_vec(),
        b"abc".to_vec(),
    ];
    for member in cases {
        assert_eq!(inflate(&member, 100), Err(Malformed), "{member:?}");
    }
}

#[test]
fn a_copy_from_before_the_message_is_malformed() {
    let far = b"\x1f\x8b\x08\0\0\0\0\0\0\xffK\x04B\0\x9c\x158\xde\x04\0\0\0";
    assert_eq!(inflate(far, 100), Err(Malformed));
}

#[test]
fn a_bomb_is_over_the_limit_whatever_it_ends_with() {
    let mut bomb = deflate(&zeros(10 << 20)).to_vec();
    assert!(bomb.len() < 128 << 10);
    let oversize = Err(Oversize { limit: 4_096 });
    assert_eq!(inflate(&bomb, 4_096), oversize);
    bomb.pop();
    assert_eq!(inflate(&bomb, 4_096), oversize);
}

/// Decompresses in steps of `input` and `output` bytes, and returns the number of steps, too.
fn in_steps(
    member: &[u8],
    limit: usize,
    input: usize,
    output: usize,
) -> (Result<Bytes, InflateError>, usize) {
    let mut inflater = match Inflater::new(member, limit) {
        Ok(inflater) => inflater,
        Err(error) => return (Err(error), 0),
    };
    let mut steps = 1;
    loop {
        match inflater.step(input, output).transpose() {
            Some(result) => return (result, steps),
            None => steps += 1,
        }
    }
}

#[test]
fn a_step_reads_and_writes_no_more_than_it_may() {
    let member = deflate(&zeros(100_000));
    let (message, steps) = in_steps(&member, 100_000, usize::MAX, 1_000);
    assert_eq!(message.unwrap(), zeros(100_000));
    assert!((100..=101).contains(&steps), "{steps}");
    let (message, steps) = in_steps(&member, 100_000, 10, usize::MAX);
    assert_eq!(message.unwrap(), zeros(100_000));
    let compressed = member.len() - HEADER.len() - 8;
    assert_eq!(steps, compressed.div_ceil(10));
}

#[test]
fn a_header_of_more_than_4_kib_is_malformed() {
    let with = |name: usize| {
        let mut member = ABC[..10].to_vec();
        member[3] = NAME;
        member.extend(vec![b'a'; name]);
        member.push(0);
        member.extend(&ABC[10..]);
        member
    };
    assert_eq!(inflate(&with(4_096 - 11), 3).unwrap(), "abc");
    assert_eq!(inflate(&with(4_096 - 10), 3), Err(Malformed));
}

#[test]
fn room_at_most_doubles_and_ends_a_byte_over_the_limit() {
    for (first, limit) in [(0, 0), (0, 1_000), (300, 1_000), (5_000, 1_000)] {
        let mut message = Vec::new();
        while message.len() <= limit {
            let before = message.len();
            grow(&mut message, first, limit);
            message.resize(message.capacity(), 0);
            assert!(message.len() > before && message.len() <= limit + 1);
            assert!(message.len() <= (2 * before).max(before + first.max(64)));
        }
        assert!(message.capacity() <= limit + 1);
    }
}

#[test]
fn deflate_keeps_nothing_from_one_message_to_the_next() {
    let other = deflate(b"abcabcabc");
    let first = deflate(b"abc");
    assert_eq!(deflate(b"abc"), first);
    assert_eq!(deflate(b"abcabcabc"), other);
    let elsewhere = std::thread::spawn(|| deflate(b"abc")).join().unwrap();
    assert_eq!(elsewhere, first);
}

#[test]
fn what_cannot_be_compressed_grows_by_little() {
    let mut state = 1u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for len in [0, 1, 1_000, 32_768, 100_000] {
        let noise: Vec<u8> = (0..len).map(|_| byte()).collect();
        let member = deflate(&noise);
        assert!(member.len() <= len + 32 + len / 16, "{len}");
        assert_eq!(read(&member), noise);
    }
}

proptest! {
    #[test]
    fn round_trip(
        alphabet in 1u8..=255,
        bytes in vec(any::<u8>(), 0..500),
        times in 1usize..20,
    ) {
        let message: Vec<u8> = bytes.iter().map(|byte| byte % alphabet).collect();
        let message = message.repeat(times);
        let member = deflate(&message);
        prop_assert_eq!(&read(&member), &message);
        prop_assert_eq!(&inflate(&member, message.len()).unwrap(), &message);
        if let Some(limit) = message.len().checked_sub(1) {
            prop_assert_eq!(inflate(&member, limit), Err(Oversize { limit }));
        }
    }

    #[test]
    fn steps_change_nothing(
        bytes in vec(any::<u8>(), 0..300),
        times in 1usize..20,
        flip in any::<proptest::sample::Index>(),
        input in 1usize..50,
        output in 1usize..50,
        limit in 0usize..3_000,
    ) {
        let mut member = deflate(&bytes.repeat(times)).to_vec();
        prop_assert_eq!(in_steps(&member, limit, input, output).0, inflate(&member, limit));
        let place = flip.index(member.len());
        member[place] ^= 1;
        prop_assert_eq!(in_steps(&member, limit, input, output).0, inflate(&member, limit));
    }

    #[test]
    fn inflating_is_total(
        bytes in vec(any::<u8>(), 0..300),
        flags in 0u8..32,
        limit in 0usize..1_000,
    ) {
        let mut member = HEADER.to_vec();
        member[3] = flags;
        member.extend(bytes);
        if let Ok(message) = inflate(&member, limit) {
            prop_assert!(message.len() <= limit);
        }
    }
}
