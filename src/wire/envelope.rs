//! The envelope: a message behind a 5-byte prefix, as gRPC writes messages into HTTP/2 DATA frames.
//!
//! ```text
//! | compressed: 1 byte, 0 or 1 | length: 4 bytes, big endian | message: length bytes |
//! ```
//!
//! See [Length-Prefixed-Message][spec] in PROTOCOL-HTTP2.
//!
//! [spec]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::code::Code;
use crate::buffers::{Buffer, growth};

/// The length of an envelope's prefix, in bytes.
pub const PREFIX_LEN: usize = 5;

/// One message as read off the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Whether the message is compressed with the call's `grpc-encoding`.
    pub compressed: bool,
    /// The message, still compressed if `compressed` is set.
    pub message: Bytes,
}

/// Why a byte stream is not a sequence of envelopes. The error is always the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The prefix declares a message over the limit. The decoder has read nothing of the message.
    Oversize {
        /// The declared length, in bytes.
        declared: u32,
        /// The longest message accepted, in bytes.
        limit: usize,
    },
    /// The first byte of the prefix is neither 0 nor 1.
    Flag(u8),
    /// The stream ended inside a prefix or a message.
    Truncated,
}

impl EnvelopeError {
    /// The code with which this error ends a call.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Oversize { .. } => Code::RESOURCE_EXHAUSTED,
            Self::Flag(_) | Self::Truncated => Code::INTERNAL,
        }
    }
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oversize { declared, limit } => {
                write!(
                    f,
                    "received message larger than max ({declared} vs. {limit})"
                )
            }
            Self::Flag(flag) => write!(f, "received unexpected payload format {flag}"),
            Self::Truncated => f.write_str("unexpected EOF"),
        }
    }
}

impl std::error::Error for EnvelopeError {}

/// Reads envelopes out of a byte stream that arrives in chunks of any size.
///
/// A message that lies in one chunk is a slice of that chunk. A message that spans chunks is copied once, into a buffer that an earlier
/// message has used. Without such a buffer the decoder allocates one, which grows with the bytes received and not with the declared length.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The first bytes of a prefix and their number, less than `PREFIX_LEN`.
    Prefix([u8; PREFIX_LEN], usize),
    /// Whether the message is compressed, the message's length, and the message's first bytes: never all.
    Message(bool, usize, Buffer),
    Failed(EnvelopeError),
}

impl State {
    const START: Self = Self::Prefix([0; PREFIX_LEN], 0);
}

impl Decoder {
    /// Makes a decoder that refuses messages of more than `limit` bytes, compressed or not.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let state = State::START;
        Self { limit, state }
    }

    /// Takes the next envelope off the front of `chunk`.
    ///
    /// `Ok(None)` means that the decoder needs more bytes; `chunk` is then empty, and keeps no memory. After an envelope, `chunk` holds the
    /// bytes behind the envelope: call `decode` again until it returns `Ok(None)`.
    ///
    /// # Errors
    ///
    /// [`Oversize`](EnvelopeError::Oversize) and [`Flag`](EnvelopeError::Flag), checked in that order, as soon as the five bytes of a
    /// prefix are there. An error is final: every later call returns the same error and leaves its chunk as it is.
    #[inline]
    pub fn decode(&mut self, chunk: &mut Bytes) -> Result<Option<Envelope>, EnvelopeError> {
        if let State::Prefix(bytes, have) = &mut self.state {
            let Some(prefix) = fill(bytes, have, chunk) else {
                *chunk = Bytes::new();
                return Ok(None);
            };
            self.state = judge(prefix, self.limit).unwrap_or_else(State::Failed);
        }
        let (compressed, len, buf) = match &mut self.state {
            State::Message(compressed, len, buf) => (*compressed, *len, buf),
            State::Failed(error) => return Err(*error),
            State::Prefix(..) => return Ok(None),
        };
        let missing = len - buf.len();
        if chunk.len() < missing {
            gather(buf, chunk, missing);
            *chunk = Bytes::new();
            return Ok(None);
        }
        let message = if buf.is_empty() {
            chunk.split_to(missing)
        } else {
            gather(buf, &mut chunk.split_to(missing), missing);
            std::mem::take(buf).freeze()
        };
        self.state = State::START;
        Ok(Some(Envelope {
            compressed,
            message,
        }))
    }

    /// How many bytes of the message under way have arrived, and how many bytes the message has. `None` outside a message.
    #[must_use]
    pub fn partial(&self) -> Option<(usize, usize)> {
        match &self.state {
            State::Message(_, len, buf) => Some((buf.len(), *len)),
            State::Prefix(..) | State::Failed(_) => None,
        }
    }

    /// Checks that the stream may end here: not inside an envelope.
    ///
    /// # Errors
    ///
    /// [`Truncated`](EnvelopeError::Truncated) inside an envelope, or the error that [`decode`](Self::decode) returned.
    pub fn finish(&self) -> Result<(), EnvelopeError> {
        match &self.state {
            State::Prefix(_, 0) => Ok(()),
            State::Prefix(..) | State::Message(..) => Err(EnvelopeError::Truncated),
            State::Failed(error) => Err(*error),
        }
    }
}

/// Moves bytes from `chunk` into the prefix, and returns the prefix once it is whole.
fn fill(
    bytes: &mut [u8; PREFIX_LEN],
    have: &mut usize,
    chunk: &mut Bytes,
) -> Option<[u8; PREFIX_LEN]> {
    let mut rest = bytes.get_mut(*have..)?;
    let n = rest.len().min(chunk.len());
    rest.put(&mut chunk.take(n));
    *have += n;
    (*have == PREFIX_LEN).then_some(*bytes)
}

/// Reads a prefix. The size is checked first, so that a message is too large under any flag.
fn judge([flag, length @ ..]: [u8; PREFIX_LEN], limit: usize) -> Result<State, EnvelopeError> {
    let declared = u32::from_be_bytes(length);
    let len = usize::try_from(declared).ok().filter(|&len| len <= limit);
    let len = len.ok_or(EnvelopeError::Oversize { declared, limit })?;
    let compressed = match flag {
        0 => false,
        1 => true,
        _ => return Err(EnvelopeError::Flag(flag)),
    };
    Ok(State::Message(compressed, len, Buffer::default()))
}

/// Appends all of `chunk` to a message of which `missing` bytes are missing.
fn gather(buf: &mut Buffer, chunk: &mut Bytes, missing: usize) {
    if buf.capacity() - buf.len() < chunk.len() {
        make_room(buf, chunk.len(), missing);
    }
    buf.put(chunk);
}

/// Makes room for `chunk` more bytes. A message takes a kept buffer if there is one. Otherwise the first chunk gets room for itself, and
/// the buffer [grows](growth) with the bytes that have arrived, never over the message's length.
#[cold]
fn make_room(buf: &mut Buffer, chunk: usize, missing: usize) {
    if buf.is_empty() {
        if let Some(used) = Buffer::from_shelf(missing) {
            *buf = used;
            return;
        }
        buf.grow(chunk);
        return;
    }
    buf.grow(growth(buf.len(), chunk).min(missing));
}

/// Appends an envelope to `dst`: the prefix, and then the bytes that `body` appends.
///
/// `len` is the expected length of the message in bytes: the function reserves room for `len` bytes at once. If `body` appends another
/// number of bytes, the function corrects the prefix.
///
/// # Panics
///
/// If `body` appends 4 GiB or more, which a prefix cannot declare, or removes bytes from `dst`.
pub fn encode(dst: &mut BytesMut, compressed: bool, len: usize, body: impl FnOnce(&mut BytesMut)) {
    dst.reserve(PREFIX_LEN.saturating_add(len));
    let start = dst.len();
    dst.put_u8(u8::from(compressed));
    dst.put_bytes(0, PREFIX_LEN - 1);
    body(dst);
    let written = dst
        .len()
        .checked_sub(start + PREFIX_LEN)
        .and_then(|n| u32::try_from(n).ok());
    assert!(
        written.is_some(),
        "an envelope's body appends less than 4 GiB, and only appends"
    );
    if let (Some(written), Some(length)) = (written, dst.get_mut(start + 1..start + PREFIX_LEN)) {
        length.copy_from_slice(&written.to_be_bytes());
    }
}

#[cfg(test)]
mod tests;
