use proptest::collection::vec;
use proptest::prelude::*;

use std::sync::Arc;

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
            State::Message(_, _, buf) => assert!(buf.capacity() <= received + received / 4),
            state => panic!("{state:?}"),
        }
    }
}

#[test]
fn a_message_in_chunks_of_one_byte_takes_little_more_than_its_bytes() {
    let mut decoder = Decoder::new(usize::MAX);
    // Too short for a kept buffer.
    let mut head = Bytes::from_static(b"\0\0\0\x20\0");
    assert_eq!(decoder.decode(&mut head), Ok(None));
    for received in 1..=1000 {
        // Each chunk is a byte of a block of its own, which the decoder must not keep.
        let chunk = Bytes::from(vec![7; 16 << 10]).slice(..1);
        assert_eq!(decoder.decode(&mut chunk.clone()), Ok(None));
        assert!(chunk.is_unique());
        match &decoder.state {
            State::Message(_, _, buf) => assert!(buf.capacity() <= received + received / 4 + 8),
            state => panic!("{state:?}"),
        }
    }
}

#[test]
fn the_buffer_of_a_long_message_has_the_declared_length_at_most() {
    for (len, chunk) in [(100_000_u32, 16_384), (150_000, 1_000), (1 << 21, 16_384)] {
        let mut decoder = Decoder::new(usize::MAX);
        let mut head = Bytes::from([&[0][..], &len.to_be_bytes()].concat());
        assert_eq!(decoder.decode(&mut head), Ok(None));
        let len = len as usize;
        for received in (chunk..len).step_by(chunk) {
            let mut chunk = Bytes::from(vec![7; chunk]);
            assert_eq!(decoder.decode(&mut chunk), Ok(None));
            match &decoder.state {
                State::Message(_, _, buf) if received <= 64 << 10 => {
                    assert!(buf.capacity() <= received + received / 4);
                }
                State::Message(_, _, buf) => assert!(buf.capacity() <= len.min(2 * received)),
                state => panic!("{state:?}"),
            }
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
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// Messages for which the decoder needs a buffer, in frames as peers send them and in others.
    #[test]
    fn round_trip_of_large_messages_in_any_chunking(
        lengths in vec(10_000usize..200_000, 1..4),
        sizes in vec(prop_oneof![Just(16_384usize), 1usize..40_000], 1..20),
    ) {
        let mut wire = BytesMut::new();
        let bytes = |seed: usize, len: usize| (0..len).map(move |i| (i * 31 + seed) as u8);
        for (seed, &len) in lengths.iter().enumerate() {
            encode(&mut wire, false, len, |dst| dst.extend(bytes(seed, len)));
        }
        let (mut wire, mut sizes) = (wire.freeze(), sizes.into_iter().cycle());
        let (mut decoder, mut read) = (Decoder::new(200_000), 0);
        while !wire.is_empty() {
            let mut chunk = wire.split_to(wire.len().min(sizes.next().unwrap()));
            while let Some(envelope) = decoder.decode(&mut chunk).unwrap() {
                let expected = bytes(read, lengths[read]);
                prop_assert!(envelope.message.iter().copied().eq(expected));
                read += 1;
            }
        }
        prop_assert_eq!(read, lengths.len());
        prop_assert_eq!(decoder.finish(), Ok(()));
    }

}

/// A chunk is a part of a read buffer, and an empty rest of the chunk would keep the buffer until the next chunk of the stream.
#[test]
fn a_chunk_that_was_taken_keeps_no_memory() {
    struct Owner {
        bytes: Vec<u8>,
        _buffer: Arc<()>,
    }
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }
    let mut decoder = Decoder::new(1_000);
    for piece in [&[0, 0, 0][..], &[3, 232], &[7; 500], &[7; 499], &[7]] {
        let buffer = Arc::new(());
        let mut chunk = Bytes::from_owner(Owner {
            bytes: piece.to_vec(),
            _buffer: Arc::clone(&buffer),
        });
        let decoded = decoder.decode(&mut chunk).unwrap();
        assert_eq!((chunk.len(), Arc::strong_count(&buffer)), (0, 1));
        assert_eq!(decoded.is_some(), piece.len() == 1);
    }
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
