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
/// A message that lies in one chunk is a slice of that chunk. A message that spans chunks is copied into a buffer, which grows with the
/// bytes received and not with the declared length.
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
    Message(bool, usize, BytesMut),
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
    /// `Ok(None)` means that the decoder needs more bytes; `chunk` is then empty. After an envelope, `chunk` holds the bytes behind the
    /// envelope: call `decode` again until it returns `Ok(None)`.
    ///
    /// # Errors
    ///
    /// [`Oversize`](EnvelopeError::Oversize) and [`Flag`](EnvelopeError::Flag), checked in that order, as soon as the five bytes of a
    /// prefix are there. An error is final: every later call returns the same error and leaves its chunk as it is.
    #[inline]
    pub fn decode(&mut self, chunk: &mut Bytes) -> Result<Option<Envelope>, EnvelopeError> {
        if let State::Prefix(bytes, have) = &mut self.state {
            let Some(prefix) = fill(bytes, have, chunk) else {
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
    Ok(State::Message(compressed, len, BytesMut::new()))
}

/// Appends all of `chunk`. The buffer at most doubles, and never past the message's end.
fn gather(buf: &mut BytesMut, chunk: &mut Bytes, missing: usize) {
    if buf.capacity() - buf.len() < chunk.len() {
        buf.reserve(buf.len().max(chunk.len()).min(missing));
    }
    buf.put(chunk);
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
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::EnvelopeError::{Flag, Oversize, Truncated};
    use super::*;

    fn envelope(compressed: bool, message: &'static [u8]) -> Envelope {
        Envelope {
            compressed,
            message: Bytes::from_static(message),
        }
    }

    /// Every envelope of `chunks`, then how the stream ends.
    fn read_all(limit: usize, chunks: &[&[u8]]) -> (Vec<Envelope>, Result<(), EnvelopeError>) {
        let mut decoder = Decoder::new(limit);
        let mut envelopes = Vec::new();
        for chunk in chunks {
            let mut chunk = Bytes::copy_from_slice(chunk);
            loop {
                match decoder.decode(&mut chunk) {
                    Ok(Some(envelope)) => envelopes.push(envelope),
                    Ok(None) => break assert!(chunk.is_empty()),
                    Err(error) => return (envelopes, Err(error)),
                }
            }
        }
        (envelopes, decoder.finish())
    }

    #[test]
    fn vectors() {
        let cases: &[(&[u8], Envelope)] = &[
            (b"\0\0\0\0\0", envelope(false, b"")),
            (b"\x01\0\0\0\0", envelope(true, b"")),
            (b"\0\0\0\0\x03abc", envelope(false, b"abc")),
            (b"\x01\0\0\0\x02\0\x01", envelope(true, b"\0\x01")),
        ];
        for (bytes, expected) in cases {
            let one = (vec![expected.clone()], Ok(()));
            assert_eq!(read_all(3, &[bytes]), one);
            let by_byte: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(read_all(3, &by_byte), one);

            let mut dst = BytesMut::new();
            let message = &expected.message;
            encode(&mut dst, expected.compressed, message.len(), |dst| {
                dst.extend_from_slice(message)
            });
            assert_eq!(dst, *bytes);
        }
    }

    #[test]
    fn no_bytes_are_no_envelope() {
        assert_eq!(read_all(10, &[]), (vec![], Ok(())));
        assert_eq!(read_all(10, &[b"", b""]), (vec![], Ok(())));
    }

    #[test]
    fn truncation_inside_prefix_and_message() {
        let whole = b"\0\0\0\0\x03abc";
        for n in 1..whole.len() {
            assert_eq!(read_all(10, &[&whole[..n]]), (vec![], Err(Truncated)));
        }
        assert_eq!(
            read_all(10, &[b"\0\0\0\0\x01a\0"]),
            (vec![envelope(false, b"a")], Err(Truncated))
        );
    }

    #[test]
    fn size_is_judged_before_flag_and_before_the_message() {
        let oversize = |declared, limit| Err(Oversize { declared, limit });
        assert_eq!(read_all(2, &[b"\0\0\0\0\x03"]).1, oversize(3, 2));
        assert_eq!(read_all(2, &[b"\x07\0\0\0\x03"]).1, oversize(3, 2));
        assert_eq!(
            read_all(4096, &[b"\0\xff\xff\xff\xff"]).1,
            oversize(u32::MAX, 4096)
        );
        assert_eq!(read_all(3, &[b"\x02\0\0\0\x03"]).1, Err(Flag(2)));
        assert_eq!(read_all(0, &[b"\xff\0\0\0\0"]).1, Err(Flag(255)));
        assert_eq!(read_all(0, &[b"\0\0\0\0\0"]).1, Ok(()));
        // Four bytes judge nothing yet.
        assert_eq!(read_all(2, &[b"\x07\xff\xff\xff"]).1, Err(Truncated));
    }

    #[test]
    fn an_error_stays_and_takes_nothing_more() {
        let mut decoder = Decoder::new(10);
        let mut chunk = Bytes::from_static(b"\x02\0\0\0\x01a\0\0\0\0\0");
        for _ in 0..2 {
            assert_eq!(decoder.decode(&mut chunk), Err(Flag(2)));
            assert_eq!(chunk, b"a\0\0\0\0\0"[..]);
        }
        assert_eq!(decoder.finish(), Err(Flag(2)));
    }

    #[test]
    fn a_message_in_one_chunk_is_a_slice_of_it() {
        let source = Bytes::from_static(b"\0\0\0\0\x03abc\0\0\0\0\x02de");
        let mut decoder = Decoder::new(10);
        let mut chunk = source.clone();
        let first = decoder.decode(&mut chunk).unwrap().unwrap();
        assert_eq!(first.message.as_ptr(), source[5..].as_ptr());
        // Also when only the prefix came earlier.
        assert_eq!(decoder.decode(&mut chunk.split_to(5)), Ok(None));
        let second = decoder.decode(&mut chunk).unwrap().unwrap();
        assert_eq!(second.message.as_ptr(), source[13..].as_ptr());
        assert!(chunk.is_empty());
    }

    #[test]
    fn the_buffer_grows_with_what_arrives_not_with_what_was_declared() {
        let mut decoder = Decoder::new(usize::MAX);
        let mut chunk = Bytes::from_static(b"\0\xff\xff\xff\xff");
        assert_eq!(decoder.decode(&mut chunk), Ok(None));
        for received in (100..=1000).step_by(100) {
            assert_eq!(decoder.decode(&mut Bytes::from_static(&[0; 100])), Ok(None));
            match &decoder.state {
                State::Message(_, _, buf) => assert!(buf.capacity() <= 2 * received),
                state => panic!("{state:?}"),
            }
        }
    }

    #[test]
    fn encode_appends_and_corrects_a_wrong_length() {
        let mut dst = BytesMut::from(&b"before"[..]);
        encode(&mut dst, true, 1, |dst| dst.extend_from_slice(b"abc"));
        assert_eq!(dst, b"before\x01\0\0\0\x03abc"[..]);
    }

    #[test]
    fn encode_reserves_once() {
        let mut dst = BytesMut::new();
        let mut place = std::ptr::null();
        encode(&mut dst, false, 5000, |dst| {
            place = dst.as_ptr();
            dst.put_bytes(7, 5000);
        });
        assert_eq!(dst.as_ptr(), place);
    }

    proptest! {
        #[test]
        fn round_trip_in_any_chunking(
            messages in vec((any::<bool>(), vec(any::<u8>(), 0..40)), 0..8),
            sizes in vec(1usize..20, 1..20),
        ) {
            let mut wire = BytesMut::new();
            for (compressed, message) in &messages {
                encode(&mut wire, *compressed, message.len(), |dst| dst.extend_from_slice(message));
            }
            let mut chunks = Vec::new();
            let mut rest = &wire[..];
            let mut sizes = sizes.into_iter().cycle();
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(rest.len().min(sizes.next().unwrap()));
                chunks.push(chunk);
                rest = after;
            }
            let (envelopes, end) = read_all(40, &chunks);
            prop_assert_eq!(end, Ok(()));
            let read: Vec<_> =
                envelopes.into_iter().map(|e| (e.compressed, e.message.to_vec())).collect();
            prop_assert_eq!(read, messages);
        }
    }
}
