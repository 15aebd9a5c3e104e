//! Envelopes off and onto the wire, sizes × chunkings: `wire::envelope` beside tonic's codec.
//!
//! Each iteration is one call, as a server has it: a new decoder (or encoder), then every message
//! of the call. Neither side parses the message: both hand over its bytes.
//!
//! `envelope/parse` has prost parse the message, too, from one buffer, as this crate does, and from
//! the chunks as they are.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark has nobody to report an error to"
)]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use grpc_health::wire::envelope::{self, PREFIX_LEN};
use http_body::{Body, Frame};
use tokio_stream::Stream;
use tonic::Status;
use tonic::codec::{self, DecodeBuf, EncodeBody, EncodeBuf, Streaming};

const LIMIT: usize = 4 * 1024 * 1024;

/// Messages in the call, bytes in each, bytes in a chunk.
const DECODE: [(usize, usize, usize); 8] = [
    (1, 0, PREFIX_LEN),
    (1, 64, usize::MAX),
    (1, 64, 7),
    (1, 16 * 1024, usize::MAX),
    (1, 16 * 1024, 1024),
    (1, 1024 * 1024, usize::MAX),
    (1, 1024 * 1024, 16 * 1024),
    (100, 64, usize::MAX),
];

/// Messages in the call, bytes in each.
const ENCODE: [(usize, usize); 5] = [(1, 2), (1, 64), (1, 16 * 1024), (1, 1024 * 1024), (100, 64)];

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("envelope/decode");
    for (messages, size, chunk) in DECODE {
        let wire = wire(messages, size);
        let chunks: VecDeque<Bytes> = wire
            .chunks(chunk.min(wire.len()))
            .map(Bytes::copy_from_slice)
            .collect();
        let name = format!("{messages}x{size}B in {} chunks", chunks.len());
        group.throughput(Throughput::Elements(messages as u64));
        group.bench_function(BenchmarkId::new("ours", &name), |bencher| {
            bencher.iter_batched(
                || chunks.clone(),
                |chunks| assert_eq!(decode_ours(chunks), messages),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("tonic", &name), |bencher| {
            bencher.iter_batched(
                || chunks.clone(),
                |chunks| assert_eq!(decode_tonic(chunks), messages),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// A message whose field shares the buffer of the message.
#[derive(Clone, PartialEq, prost::Message)]
struct Shared {
    #[prost(bytes = "bytes", tag = "1")]
    body: Bytes,
}

/// A message whose field is a copy.
#[derive(Clone, PartialEq, prost::Message)]
struct Copied {
    #[prost(bytes = "vec", tag = "1")]
    body: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    body: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Row {
    #[prost(uint64, tag = "1")]
    number: u64,
    #[prost(string, tag = "2")]
    name: String,
}

/// A message of many small fields.
#[derive(Clone, PartialEq, prost::Message)]
struct Rows {
    #[prost(message, repeated, tag = "1")]
    rows: Vec<Row>,
}

fn parse(criterion: &mut Criterion) {
    for size in [64 << 10, 1 << 20] {
        let body = vec![b'x'; size - 8];
        parse_one(
            criterion,
            size,
            "bytes",
            &Shared {
                body: Bytes::from(body.clone()),
            },
        );
        parse_one(criterion, size, "Vec<u8>", &Copied { body: body.clone() });
        parse_one(
            criterion,
            size,
            "String",
            &Text {
                body: String::from_utf8(body).unwrap(),
            },
        );
        let row = |number| Row {
            number,
            name: "a name of some 40 bytes, as they often are".to_owned(),
        };
        let rows = (0..size as u64 / 50).map(row).collect();
        parse_one(criterion, size, "rows", &Rows { rows });
    }
}

fn parse_one<M: prost::Message + Default + PartialEq>(
    criterion: &mut Criterion,
    size: usize,
    kind: &str,
    message: &M,
) {
    let mut wire = BytesMut::new();
    envelope::encode(&mut wire, false, size, |dst| message.encode(dst).unwrap());
    let chunks: VecDeque<Bytes> = wire.chunks(16 << 10).map(Bytes::copy_from_slice).collect();
    let mut group = criterion.benchmark_group("envelope/parse");
    let name = format!("{} KiB of {kind}", size >> 10);
    group.bench_function(BenchmarkId::new("one buffer", &name), |bencher| {
        bencher.iter_batched(
            || chunks.clone(),
            |chunks| {
                let mut decoder = envelope::Decoder::new(LIMIT);
                let mut parsed = None;
                for mut chunk in chunks {
                    if let Some(envelope) = decoder.decode(&mut chunk).unwrap() {
                        parsed = Some(M::decode(envelope.message).unwrap());
                    }
                }
                parsed.unwrap()
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function(BenchmarkId::new("chunks", &name), |bencher| {
        bencher.iter_batched(
            || chunks.clone(),
            |mut chunks| {
                chunks.front_mut().unwrap().advance(PREFIX_LEN);
                M::decode(Queue(chunks)).unwrap()
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// The chunks of one message, one after the other.
struct Queue(VecDeque<Bytes>);

impl Buf for Queue {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |chunk| chunk)
    }

    fn advance(&mut self, mut n: usize) {
        while let Some(first) = self.0.front_mut() {
            if n < first.len() {
                first.advance(n);
                return;
            }
            n -= first.len();
            self.0.pop_front();
        }
    }

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        if let Some(first) = self.0.front_mut().filter(|first| first.len() >= len) {
            return first.split_to(len);
        }
        let mut bytes = BytesMut::with_capacity(len);
        bytes.put(self.take(len));
        bytes.freeze()
    }
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("envelope/encode");
    for (messages, size) in ENCODE {
        let message = Bytes::from(vec![7; size]);
        let bytes = messages * (PREFIX_LEN + size);
        let name = format!("{messages}x{size}B");
        group.throughput(Throughput::Elements(messages as u64));
        group.bench_function(BenchmarkId::new("ours", &name), |bencher| {
            bencher.iter(|| assert_eq!(encode_ours(messages, black_box(&message)), bytes));
        });
        group.bench_function(BenchmarkId::new("tonic", &name), |bencher| {
            bencher.iter(|| assert_eq!(encode_tonic(messages, black_box(&message)), bytes));
        });
    }
    group.finish();
}

fn wire(messages: usize, size: usize) -> Bytes {
    let mut wire = BytesMut::new();
    for _ in 0..messages {
        envelope::encode(&mut wire, false, size, |dst| dst.put_bytes(7, size));
    }
    wire.freeze()
}

fn decode_ours(chunks: VecDeque<Bytes>) -> usize {
    let mut decoder = envelope::Decoder::new(LIMIT);
    let mut messages = 0;
    for mut chunk in chunks {
        while let Some(envelope) = decoder.decode(&mut chunk).unwrap() {
            black_box(envelope.message);
            messages += 1;
        }
    }
    decoder.finish().unwrap();
    messages
}

fn decode_tonic(chunks: VecDeque<Bytes>) -> usize {
    let mut stream = Streaming::new_request(Raw, Chunks(chunks), None, Some(LIMIT));
    let mut messages = 0;
    while let Some(message) = next(Pin::new(&mut stream)) {
        black_box(message.unwrap());
        messages += 1;
    }
    messages
}

fn encode_ours(messages: usize, message: &Bytes) -> usize {
    let mut dst = BytesMut::new();
    for _ in 0..messages {
        envelope::encode(&mut dst, false, message.len(), |dst| dst.put_slice(message));
    }
    black_box(dst.freeze()).len()
}

fn encode_tonic(messages: usize, message: &Bytes) -> usize {
    let source = tokio_stream::iter((0..messages).map(|_| Ok::<_, Status>(message.clone())));
    let mut body = std::pin::pin!(EncodeBody::new_client(Raw, source, None, Some(LIMIT)));
    let mut cx = Context::from_waker(Waker::noop());
    let mut bytes = 0;
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut cx) {
        bytes += black_box(frame.unwrap()).data_ref().map_or(0, Bytes::len);
    }
    bytes
}

/// The next item of a stream that is always ready.
fn next<S: Stream>(stream: Pin<&mut S>) -> Option<S::Item> {
    match stream.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(item) => item,
        Poll::Pending => None,
    }
}

/// tonic's side of the bargain: a codec that takes and gives bytes.
struct Raw;

impl codec::Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(src.copy_to_bytes(src.remaining())))
    }
}

impl codec::Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.put(message);
        Ok(())
    }
}

struct Chunks(VecDeque<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }
}

criterion_group!(benches, decode, parse, encode);
criterion_main!(benches);
