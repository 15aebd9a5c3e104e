//! HPACK's Huffman code (RFC 7541, appendix B).

/// The number of bits of each octet's code.
///
/// The code is canonical: codes in ascending order have ascending lengths, and the codes of one length are in the order of their octets. So
/// the lengths define the code. The end-of-string symbol has the last code.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
     6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,
     5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
    13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
     7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
    15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,
     6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// The codes of one length.
#[derive(Debug, Clone, Copy)]
struct Group {
    bits: u32,
    /// The first code.
    first: u32,
    /// The first 32 bits after all codes of this length.
    end: u64,
    /// The index of the first code's octet in [`Code::octets`].
    place: u32,
}

/// The code, computed from the lengths.
#[derive(Debug)]
struct Code {
    codes: [u32; 256],
    /// The octets, in the order of their codes.
    octets: [u8; 256],
    /// The groups, by ascending length. A length without codes has an empty group.
    groups: [Group; 31],
}

static CODE: Code = code();

#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler"
)]
const fn code() -> Code {
    const NONE: Group = Group {
        bits: 0,
        first: 0,
        end: 0,
        place: 0,
    };
    let mut made = Code {
        codes: [0; 256],
        octets: [0; 256],
        groups: [NONE; 31],
    };
    let (mut next, mut place, mut bits) = (0_u32, 0, 1);
    while bits <= 30 {
        next <<= 1;
        made.groups[bits].bits = bits as u32;
        made.groups[bits].first = next;
        made.groups[bits].place = place as u32;
        let mut octet = 0;
        while octet < 256 {
            if LENGTHS[octet] as usize == bits {
                made.codes[octet] = next;
                made.octets[place] = octet as u8;
                next += 1;
                place += 1;
            }
            octet += 1;
        }
        made.groups[bits].end = (next as u64) << (32 - bits);
        bits += 1;
    }
    made
}

/// Returns the number of bits of an octet's code.
pub(super) fn bits(octet: u8) -> usize {
    LENGTHS.get(usize::from(octet)).map_or(0, |n| (*n).into())
}

/// Calls `each` with every octet of a string. Returns false if the string ends with neither a code nor padding.
pub(super) fn decode(coded: &[u8], mut each: impl FnMut(u8)) -> bool {
    let mut rest = coded.iter();
    // The next bits, in the upper end of a word.
    let (mut window, mut have) = (0_u64, 0);
    loop {
        while have <= 56 {
            let Some(octet) = rest.next() else {
                break;
            };
            window |= u64::from(*octet) << (56 - have);
            have += 8;
        }
        if have < 8 && window == !(u64::MAX >> have) {
            return true;
        }
        let top = window >> 32;
        let Some(group) = CODE.groups.iter().find(|group| top < group.end) else {
            // The end-of-string symbol.
            return false;
        };
        if group.bits > have {
            return false;
        }
        let code = u32::try_from(top >> (32 - group.bits)).unwrap_or(u32::MAX);
        let place = group.place + (code - group.first);
        let Some(octet) = CODE.octets.get(place as usize) else {
            return false;
        };
        each(*octet);
        window <<= group.bits;
        have -= group.bits;
    }
}

/// Encodes `octets` into `coded`, whose length is exactly the encoded length.
pub(super) fn encode(octets: &[u8], coded: &mut [u8]) {
    let mut places = coded.iter_mut();
    let (mut window, mut have) = (0_u64, 0);
    for &octet in octets {
        let code = CODE.codes.get(usize::from(octet)).copied().unwrap_or(0);
        let bits = bits(octet);
        window |= u64::from(code) << (64 - bits - have);
        have += bits;
        while have >= 8 {
            write_top(&mut places, window);
            window <<= 8;
            have -= 8;
        }
    }
    if have > 0 {
        write_top(&mut places, window | u64::MAX >> have);
    }
}

fn write_top<'a>(places: &mut impl Iterator<Item = &'a mut u8>, window: u64) {
    if let (Some(place), [top, ..]) = (places.next(), window.to_be_bytes()) {
        *place = top;
    }
}

/// Encodes a string. For the fuzz target.
#[cfg(any(test, feature = "__internals"))]
#[allow(unreachable_pub, reason = "the fuzz target is another crate")]
#[must_use]
pub fn encoded(octets: &[u8]) -> Vec<u8> {
    let total: usize = octets.iter().map(|octet| bits(*octet)).sum();
    let mut coded = vec![0; total.div_ceil(8)];
    encode(octets, &mut coded);
    coded
}

/// Decodes a string, if the string is valid. For the fuzz target.
#[cfg(any(test, feature = "__internals"))]
#[allow(unreachable_pub, reason = "the fuzz target is another crate")]
#[must_use]
pub fn decoded(coded: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    decode(coded, |octet| octets.push(octet)).then_some(octets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 7541, appendix C.4 and C.6.
    #[test]
    fn the_examples_of_the_specification() {
        let examples: [(&[u8], &[u8]); 4] = [
            (
                b"www.example.com",
                &[
                    0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
                ],
            ),
            (b"no-cache", &[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]),
            (
                b"custom-value",
                &[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf],
            ),
            (
                b"https://www.example.com",
                &[
                    0x9d, 0x29, 0xad, 0x17, 0x18, 0x63, 0xc7, 0x8f, 0x0b, 0x97, 0xc8, 0xe9, 0xae,
                    0x82, 0xae, 0x43, 0xd3,
                ],
            ),
        ];
        for (octets, coded) in examples {
            assert_eq!(encoded(octets), coded);
            assert_eq!(decoded(coded).as_deref(), Some(octets));
        }
    }

    #[test]
    fn the_code_is_complete() {
        // With the end-of-string symbol, which has 30 bits, every string of bits begins with a code.
        let shares: u64 = (0..=255).map(|octet| 1 << (30 - bits(octet))).sum();
        assert_eq!(shares + 1, 1 << 30);
        // A few of the table, from each end.
        assert_eq!(CODE.codes[usize::from(b'0')], 0);
        assert_eq!(CODE.codes[usize::from(b'|')], 0x7fc);
        assert_eq!(CODE.codes[249], 0xfff_fffe);
        assert_eq!(CODE.codes[22], 0x3fff_fffe);
    }

    #[test]
    fn what_is_no_string_is_refused() {
        // Padding of zeros, a whole octet of padding, the end-of-string symbol, a code that is cut.
        for coded in [&[0x18][..], &[0x1f, 0xff], &[0xff; 4], &[0xfe]] {
            assert_eq!(decoded(coded), None, "{coded:x?}");
        }
        assert_eq!(decoded(&[]), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(octets in any::<Vec<u8>>()) {
            prop_assert_eq!(decoded(&encoded(&octets)), Some(octets));
        }

        #[test]
        fn encoding_undoes_decoding(coded in any::<Vec<u8>>()) {
            if let Some(octets) = decoded(&coded) {
                prop_assert_eq!(encoded(&octets), coded);
            }
        }
    }
}
