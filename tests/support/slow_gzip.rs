//! Compressed messages that take long to decompress.

/// A gzip member of at least `len` bytes that decompresses to nothing: blocks that are empty, and have Huffman codes of their own.
pub(crate) fn empty_blocks(len: usize) -> Vec<u8> {
    let mut member = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    let (mut bits, mut count) = (0u64, 0);
    let mut put = |value: u64, n: u32, member: &mut Vec<u8>| {
        bits |= value << count;
        count += n;
        while count >= 8 {
            member.push(bits as u8);
            bits >>= 8;
            count -= 8;
        }
    };
    while member.len() < len || (member.len() - 10) % 45 != 0 {
        // Not the last block; codes of its own; 257 literals, 1 distance, 18 lengths of codes.
        put(0b100, 3, &mut member);
        put(0, 10, &mut member);
        put(14, 4, &mut member);
        // The lengths of the codes of the lengths 16, 17, 18, 0, ..., 1: 18 and 1 have one bit.
        for at in 0..18 {
            put(u64::from(at == 2 || at == 17), 3, &mut member);
        }
        // 138 and 118 codes without a length, one bit for the end of the block, and one for the distance.
        for (code, n) in [(1, 1), (127, 7), (1, 1), (107, 7), (0, 1), (0, 1), (0, 1)] {
            put(code, n, &mut member);
        }
    }
    // The last block: empty, and with the fixed codes.
    put(0b011, 3, &mut member);
    put(0, 13, &mut member);
    member.extend([0; 8]);
    member
}
