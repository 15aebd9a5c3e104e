//! gzip: a message as a single member of [RFC 1952][gzip], for `grpc-encoding: gzip`. Needs feature `gzip`.
//!
//! See [Compression][spec], and [Compressed-Flag][flag] in PROTOCOL-HTTP2.
//!
//! [gzip]: https://www.rfc-editor.org/rfc/rfc1952#section-2
//! [spec]: https://github.com/grpc/grpc/blob/master/doc/compression.md
//! [flag]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

mod inflater;

use std::cell::Cell;
use std::fmt;

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use super::code::Code;
pub(crate) use inflater::Inflater;

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

/// Decompresses a message of at most `limit` bytes, at once.
///
/// The buffer grows with the decompressed bytes, at most doubling, to no more than `limit` and one byte; a declared length reserves
/// nothing. While the buffer grows, memory may hold the message twice, and some 47 KiB besides. Decompression stops at the first byte over
/// the limit.
///
/// A message must be one member: RFC 1952 allows several, but no gRPC implementation is known to send several, and gRPC C-core refuses
/// them. The member's header must be at most 4 KiB long.
///
/// # Errors
///
/// [`Oversize`](InflateError::Oversize) if the message exceeds the limit, whatever follows. [`Malformed`](InflateError::Malformed) for any
/// other error, wrong lengths and checksums included.
pub fn inflate(compressed: &[u8], limit: usize) -> Result<Bytes, InflateError> {
    let mut inflater = Inflater::new(compressed, limit)?;
    loop {
        if let Some(message) = inflater.step(usize::MAX, usize::MAX)? {
            return Ok(message);
        }
    }
}

/// The end of a member: the message's checksum, and the message's length modulo 2^32.
fn end(crc: u32, len: usize) -> [u8; 8] {
    let [a, b, c, d] = crc.to_le_bytes();
    let [e, f, g, h] = (len as u32).to_le_bytes();
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
    member.extend(end(crc(message), message.len()));
    compressor.reset();
    // Not kept where the thread is ending.
    let _ = COMPRESSOR.try_with(|kept| kept.set(Some(compressor)));
    member.into()
}

#[cfg(test)]
mod tests;
