//! The same bytes give the same envelopes in any chunking, and what was taken, encoded again,
//! followed by the rest, is the input.
//!
//! Input: the limit (255: none), the number of chunk sizes, the chunk sizes, the stream.

use bytes::{Bytes, BytesMut};
use grpc_health::wire::envelope::{Decoder, Envelope, EnvelopeError, PREFIX_LEN, encode};

pub fn run(data: &[u8]) {
    let [limit, count, rest @ ..] = data else {
        return;
    };
    let limit = if *limit == 255 {
        usize::MAX
    } else {
        usize::from(*limit)
    };
    let (sizes, stream) = rest.split_at(rest.len().min(usize::from(*count)));

    let whole = read([Bytes::copy_from_slice(stream)], limit);
    let chunked = read(cut(stream, sizes), limit);
    assert_eq!(whole, chunked);

    let (envelopes, taken, end) = whole;
    let mut wire = BytesMut::new();
    for Envelope {
        compressed,
        message,
    } in &envelopes
    {
        assert!(message.len() <= limit);
        encode(&mut wire, *compressed, message.len(), |dst| {
            dst.extend_from_slice(message)
        });
    }
    let (read, rest) = stream.split_at(wire.len());
    assert_eq!(wire, read);

    match end {
        Ok(()) => assert!(rest.is_empty()),
        Err(EnvelopeError::Truncated) => {
            assert!(!rest.is_empty());
            assert!(declared(rest).is_none_or(|len| rest.len() - PREFIX_LEN < len as usize));
        }
        Err(EnvelopeError::Oversize {
            declared: len,
            limit: max,
        }) => {
            assert_eq!((declared(rest), max), (Some(len), limit));
            assert!(len as usize > limit);
            assert_eq!(taken, wire.len() + PREFIX_LEN);
        }
        Err(EnvelopeError::Flag(flag)) => {
            assert_eq!(flag, rest[0]);
            assert!(flag > 1 && declared(rest).is_some_and(|len| len as usize <= limit));
            assert_eq!(taken, wire.len() + PREFIX_LEN);
        }
        Err(error) => panic!("{error}"),
    }
}

/// Every envelope of the chunks, the number of bytes taken, and how it ended.
fn read(
    chunks: impl IntoIterator<Item = Bytes>,
    limit: usize,
) -> (Vec<Envelope>, usize, Result<(), EnvelopeError>) {
    let mut decoder = Decoder::new(limit);
    let mut envelopes = Vec::new();
    let mut taken = 0;
    for mut chunk in chunks {
        let len = chunk.len();
        let outcome = loop {
            match decoder.decode(&mut chunk) {
                Ok(Some(envelope)) => envelopes.push(envelope),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        taken += len - chunk.len();
        if outcome.is_err() {
            assert_eq!(decoder.decode(&mut chunk).map(drop), outcome);
            assert_eq!(decoder.finish(), outcome);
            return (envelopes, taken, outcome);
        }
        assert!(chunk.is_empty());
    }
    (envelopes, taken, decoder.finish())
}

/// Chunks of these sizes, over and over; a size of 0 is an empty chunk before one of one byte.
fn cut(stream: &[u8], sizes: &[u8]) -> Vec<Bytes> {
    let mut chunks = Vec::new();
    let mut stream = Bytes::copy_from_slice(stream);
    for size in sizes.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        if *size == 0 {
            chunks.push(Bytes::new());
        }
        chunks.push(stream.split_to(stream.len().min(usize::from(*size).max(1))));
    }
    chunks.push(stream);
    chunks
}

/// The length in the prefix at the front of `bytes`, if it is whole.
fn declared(bytes: &[u8]) -> Option<u32> {
    match bytes {
        [_, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}
