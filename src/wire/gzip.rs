//! gzip: a message as a single member of [RFC 1952][gzip], for `grpc-encoding: gzip`. Needs feature `gzip`.
//!
//! See [Compression][spec], and [Compressed-Flag][flag] in PROTOCOL-HTTP2.
//!
//! [gzip]: https://www.rfc-editor.org/rfc/rfc1952#section-2
//! [spec]: https://github.com/grpc/grpc/blob/master/doc/compression.md
//! [flag]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

use std::cell::Cell;
use std::fmt;

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};

use super::code::Code;

/// The first bytes of a member: the two bytes of the format, and DEFLATE as the method.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// The header of every member that this crate writes: no flags, no time, fastest level, unknown file system.
const HEADER: [u8; 10] = [MAGIC[0], MAGIC[1], MAGIC[2], 0, 0, 0, 0, 0, 4, 255];

/// The flags of a header. The first flag (the message is text) has no effect.
const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// Why a message cannot be decompressed. The error is always the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InflateError {
    /// The message is longer than the limit. The bytes behind the limit were not read.
    Oversize {
        /// The longest message accepted, in bytes.
        limit: usize,
    },
    /// The bytes are not one whole member: another format, cut short, corrupt, or followed by more bytes.
    Malformed,
}

impl InflateError {
    /// The code with which this error ends a call.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Oversize { .. } => Code::RESOURCE_EXHAUSTED,
            Self::Malformed => Code::INTERNAL,
        }
    }
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oversize { limit } => {
                write!(f, "message larger than max after decompression ({limit})")
            }
            Self::Malformed => f.write_str("the compressed message is not gzip"),
        }
    }
}

impl std::error::Error for InflateError {}

/// Decompresses a message of at most `limit` bytes.
///
/// The buffer grows with the decompressed bytes, at most doubling, to no more than `limit` and one byte; a declared length reserves
/// nothing. While the buffer grows, memory may hold the message twice, and some 47 KiB besides. Decompression stops at the first byte over
/// the limit.
///
/// A message must be one member: RFC 1952 allows several, but no gRPC implementation is known to send several, and gRPC C-core refuses
/// them.
///
/// # Errors
///
/// [`Oversize`](InflateError::Oversize) if the message exceeds the limit, whatever follows. [`Malformed`](InflateError::Malformed) for any
/// other error, wrong lengths and checksums included.
pub fn inflate(compressed: &[u8], limit: usize) -> Result<Bytes, InflateError> {
    let mut rest = body(compressed).ok_or(InflateError::Malformed)?;
    let mut message = Vec::new();
    let mut len = 0;
    let mut inflater = Decompress::new(false);
    loop {
        if len == message.len() {
            grow(&mut message, rest.len(), limit);
        }
        let room = message.get_mut(len..).unwrap_or_default();
        let before = (inflater.total_in(), inflater.total_out());
        let status = inflater
            .decompress(rest, room, FlushDecompress::None)
            .map_err(|_| InflateError::Malformed)?;
        let read = (inflater.total_in() - before.0) as usize;
        let written = (inflater.total_out() - before.1) as usize;
        rest = rest.get(read..).unwrap_or_default();
        len += written;
        if len > limit {
            return Err(InflateError::Oversize { limit });
        }
        match status {
            Status::StreamEnd => break,
            // There was room for output, so the input has ended.
            _ if read == 0 && written == 0 => return Err(InflateError::Malformed),
            _ => {}
        }
    }
    message.truncate(len);
    if rest != trailer(&message) {
        return Err(InflateError::Malformed);
    }
    Ok(message.into())
}

/// Makes room for at least one byte more, `first` bytes at first, but at most for one byte over the limit: that byte shows that the message
/// exceeds the limit.
fn grow(message: &mut Vec<u8>, first: usize, limit: usize) {
    let len = message.len();
    let left = limit.saturating_sub(len).saturating_add(1);
    let more = len.max(first).max(64).min(left);
    message.reserve_exact(more);
    message.resize(len + more, 0);
}

/// The bytes behind a member's header, if the header is well-formed.
fn body(member: &[u8]) -> Option<&[u8]> {
    let (&[id1, id2, method, flags, ..], mut rest) = member.split_first_chunk::<10>()?;
    if [id1, id2, method] != MAGIC || flags & RESERVED != 0 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (len, extra) = rest.split_first_chunk()?;
        rest = extra.get(usize::from(u16::from_le_bytes(*len))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|&byte| byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & HEADER_CRC != 0 {
        let header = member.get(..member.len() - rest.len())?;
        let (declared, after) = rest.split_first_chunk()?;
        if crc(header) & 0xffff != u32::from(u16::from_le_bytes(*declared)) {
            return None;
        }
        rest = after;
    }
    Some(rest)
}

/// The end of a member: the message's checksum, and the message's length modulo 2^32.
fn trailer(message: &[u8]) -> [u8; 8] {
    let [a, b, c, d] = crc(message).to_le_bytes();
    let [e, f, g, h] = (message.len() as u32).to_le_bytes();
    [a, b, c, d, e, f, g, h]
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

thread_local! {
    /// A compressor is some 370 KiB, and making it costs more than a short message does. A thread
    /// that has compressed keeps it, empty.
    static COMPRESSOR: Cell<Option<Compress>> = const { Cell::new(None) };
}

/// Compresses a message at the fastest level.
///
/// A message that cannot be compressed gets longer: by some 32 bytes, and at most by a sixteenth.
pub fn deflate(message: &[u8]) -> Bytes {
    let kept = COMPRESSOR.try_with(Cell::take).ok().flatten();
    let mut compressor = kept.unwrap_or_else(|| Compress::new(Compression::fast(), false));
    let mut member = Vec::with_capacity(64 + message.len() / 2);
    member.extend(HEADER);
    loop {
        let read = compressor.total_in() as usize;
        let rest = message.get(read..).unwrap_or_default();
        let status = compressor.compress_vec(rest, &mut member, FlushCompress::Finish);
        // Writing over the end would be the only error; the check keeps this loop finite.
        assert!(status.is_ok(), "DEFLATE can express any message");
        if matches!(status, Ok(Status::StreamEnd)) {
            break;
        }
        member.reserve(member.len());
    }
    member.extend(trailer(message));
    compressor.reset();
    // Not kept where the thread is ending.
    let _ = COMPRESSOR.try_with(|kept| kept.set(Some(compressor)));
    member.into()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::InflateError::{Malformed, Oversize};
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

    #[test]
    fn room_at_most_doubles_and_ends_a_byte_over_the_limit() {
        for (first, limit) in [(0, 0), (0, 1_000), (300, 1_000), (5_000, 1_000)] {
            let mut message = Vec::new();
            while message.len() <= limit {
                let before = message.len();
                grow(&mut message, first, limit);
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
}
