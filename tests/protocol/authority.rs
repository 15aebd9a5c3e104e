//! `:authority` as gRPC clients and proxies send it, which is more than the authority of a URI.

use std::time::Duration;

use tokio::io::DuplexStream;

use crate::fixture::{Fixture, connect};
use crate::support::frame::{self, END_HEADERS, END_STREAM, HEADERS, PROTOCOL_ERROR};
use crate::support::grpc::{CHECK, Request, SERVING, health_request};
use crate::support::hpack;
use crate::support::peer::Peer;

/// What is sent, as it is and in HPACK's Huffman code.
const VALUES: [(&str, &str); 5] = [
    (
        "outbound|50051||shop.default.svc.cluster.local",
        "3da98cf6d527fc6c006c3ff3fe2273d6bc859476d095d1dc8b928b5092d8bd0720e8",
    ),
    (
        "httproute/shop/cart/rule/0",
        "9d29aec3da92b089cf5b041d8962cb682b00",
    ),
    ("default/shop/50051/x", "90b28eda12c2273d6c360036163cff"),
    (
        "127.0.0.1:1,127.0.0.1:2",
        "089d5c0b8170dc0fd044eae05c0b86e0bf",
    ),
    ("[::1]:1,[::1]:2", "ffddcb81ffe5c0fd7feee5c0fff2e0bf"),
];

/// What only C-core and grpc-java send, over Unix sockets, and they do not use the code.
const PATHS: [&str; 3] = ["tmp%2Fhealth.sock", "/run/x.sock", "%2Ftmp%2Fx.sock"];

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
        .collect()
}

/// The block of a Check with this field in place of `:authority`.
fn block(authority: &[u8]) -> Vec<u8> {
    // POST and http, by their indexes in the static table.
    let mut block = vec![0x83, 0x86];
    block.extend(authority);
    hpack::encode(&mut block, b":path", CHECK.as_bytes());
    hpack::encode(&mut block, b"te", b"trailers");
    hpack::encode(&mut block, b"content-type", b"application/grpc");
    block
}

/// A literal field: how it begins, and its value, coded or not.
fn field(first: &[u8], value: &[u8], coded: bool) -> Vec<u8> {
    let len = u8::try_from(value.len()).unwrap();
    assert!(len < 127);
    [first, &[len | if coded { 0x80 } else { 0 }], value].concat()
}

/// How clients begin it: by its place in the static table, or as C-core does.
const INDEXED: &[u8] = b"\x41";
const SPELLED: &[u8] = b"\x40\x0a:authority";

async fn expect_served(peer: &mut Peer<DuplexStream>, block: &[u8]) {
    let stream = peer.open();
    peer.send(&frame::headers(stream, false, block)).await;
    peer.send_data(stream, true, &health_request("up")).await;
    assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
}

#[tokio::test(start_paused = true)]
async fn row_16_authorities_of_uds_clients_are_served() {
    let fixture = Fixture::new();
    for trickling in [false, true] {
        let mut peer = match trickling {
            true => fixture.connect_trickling().await,
            false => fixture.connect().await,
        };
        for path in PATHS {
            for first in [SPELLED, INDEXED, b"\x01", b"\x10\x0a:authority"] {
                expect_served(&mut peer, &block(&field(first, path.as_bytes(), false))).await;
            }
        }
    }
    assert_eq!(fixture.server.stats().streams_malformed, 0);
}

#[tokio::test(start_paused = true)]
async fn row_16_authorities_of_proxies_and_lists_of_addresses_are_served() {
    let fixture = Fixture::new();
    for trickling in [false, true] {
        let mut peer = match trickling {
            true => fixture.connect_trickling().await,
            false => fixture.connect().await,
        };
        for (value, code) in VALUES {
            for first in [SPELLED, INDEXED] {
                expect_served(&mut peer, &block(&field(first, value.as_bytes(), false))).await;
                expect_served(&mut peer, &block(&field(first, &bytes(code), true))).await;
            }
        }
    }
}

/// A value that may not stand in any field, or is not there at all.
#[tokio::test(start_paused = true)]
async fn row_16_an_authority_beyond_repair_is_reset_and_counted() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let values = ["", " a", "a/b ", "a/\0", "a\r\nb", "\u{7f}"];
    for value in values {
        let request = Request::new(CHECK).set(":authority", value);
        let stream = peer.call_without_body(&request).await;
        peer.expect_reset(stream, PROTOCOL_ERROR).await;
        peer.expect_alive().await;
    }
    // The empty value of the static table.
    let stream = peer.open();
    peer.send(&frame::headers(stream, true, &block(b"\x81")))
        .await;
    peer.expect_reset(stream, PROTOCOL_ERROR).await;
    peer.expect_silence().await;
    let stats = fixture.server.stats();
    assert_eq!(stats.streams_malformed, values.len() as u64 + 1);
    assert_eq!(stats.calls, values.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn an_authority_may_be_cut_by_frames_and_reads_anywhere() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let (value, code) = VALUES[0];
    for authority in [
        field(SPELLED, value.as_bytes(), false),
        field(INDEXED, &bytes(code), true),
    ] {
        let block = block(&authority);
        for at in 0..=2 + authority.len() {
            let (head, tail) = block.split_at(at);
            let stream = peer.open();
            let padded = frame::padded(HEADERS, 0, stream, head, 9);
            peer.send(&padded).await;
            // The server has read all of that before the rest comes.
            tokio::time::sleep(Duration::from_millis(1)).await;
            peer.send(&frame::raw(frame::CONTINUATION, END_HEADERS, stream, tail))
                .await;
            peer.send_data(stream, true, &health_request("up")).await;
            assert_eq!(peer.expect_unary_ok(stream).await, SERVING, "cut at {at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn priority_before_an_authority_is_passed_over() {
    let mut peer = connect().await;
    let block = block(&field(INDEXED, b"/run/x.sock", false));
    for padding in [None, Some(30)] {
        let stream = peer.open();
        // What would be the beginning of an `:authority` if it were looked at.
        let priority = [&[0, 0, 0, 0x41, 0x7f][..], &block].concat();
        let flags = END_HEADERS | 0x20;
        peer.send(&match padding {
            None => frame::raw(HEADERS, flags, stream, &priority),
            Some(n) => frame::padded(HEADERS, flags, stream, &priority, n),
        })
        .await;
        peer.send_data(stream, true, &health_request("up")).await;
        assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    }
}

/// Entries of the dynamic table keep their places and their sizes: what the client refers to later is what it means.
#[tokio::test(start_paused = true)]
async fn later_references_by_index_are_right() {
    let mut peer = connect().await;
    for authority in [
        field(SPELLED, VALUES[1].0.as_bytes(), false),
        field(INDEXED, &bytes(VALUES[1].1), true),
    ] {
        let mut first = vec![0x83, 0x86];
        first.extend(field(b"\x44", CHECK.as_bytes(), false));
        first.extend(&authority);
        first.extend(field(b"\x40\x02te", b"trailers", false));
        first.extend(field(b"\x5f", b"application/grpc", false));
        expect_served(&mut peer, &first).await;
        // The newest is 62.
        let later = [0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe];
        expect_served(&mut peer, &later).await;
        // Another value under a name from the dynamic table, by its index 64: that of the one before.
        let named = field(b"\x7f\x01", b"/another.sock", false);
        let later = [&[0x83, 0x86, 0xc1][..], &named, &[0xc0, 0xbf]].concat();
        expect_served(&mut peer, &later).await;
        expect_served(&mut peer, &[0x83, 0x86, 0xc2, 0xbe, 0xc0, 0xbf]).await;
        // The table is full of others, and emptied: nothing is left that could be taken for an `:authority`.
        let mut full = vec![0x83, 0x86];
        full.extend(field(b"\x04", CHECK.as_bytes(), false));
        for n in 0..100_u8 {
            full.extend(field(b"\x40\x02xy", &[b'/', n % 10 + b'0'], false));
        }
        full.extend(field(b"\x0f\x10", b"application/grpc", false));
        expect_served(&mut peer, &full).await;
        expect_served(
            &mut peer,
            &[b"\x20\x3f\xe1\x1f", &block(&authority)[..]].concat(),
        )
        .await;
    }
}

/// Trailers have no `:authority`, and are header blocks all the same.
#[tokio::test(start_paused = true)]
async fn trailers_keep_the_table_in_step() {
    let mut peer = connect().await;
    expect_served(&mut peer, &block(&field(SPELLED, b"/run/x.sock", false))).await;
    let stream = peer.open();
    peer.send(&frame::headers(stream, false, &block(b"\xbe")))
        .await;
    peer.send_data(stream, false, &health_request("up")).await;
    let trailer = field(b"\x40\x03x-a", b"/b", false);
    peer.send(&frame::raw(
        HEADERS,
        END_HEADERS | END_STREAM,
        stream,
        &trailer,
    ))
    .await;
    assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    expect_served(
        &mut peer,
        &block(&field(b"\x0f\x30", b"/run/y.sock", false)),
    )
    .await;
    expect_served(&mut peer, &block(b"\xbf")).await;
}

/// The part of a value that has come is kept from h2, and the header block's time goes on.
#[tokio::test(start_paused = true)]
async fn a_value_that_is_never_whole_ends_the_connection_after_10_s() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let start = tokio::time::Instant::now();
    let whole = frame::headers(1, true, &block(&field(INDEXED, b"/run/x.sock", false)));
    peer.send(&whole[..18]).await;
    peer.expect_goaway(frame::ENHANCE_YOUR_CALM).await;
    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(fixture.server.stats().connections_timed_out, 1);
    // That of a peer that goes ends with it.
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    peer.send(&whole[..18]).await;
    peer.finish().await;
    peer.recv_to_end().await;
    assert_eq!(fixture.server.stats().connections_open, 0);
}

/// With a larger table than the default, an entry may be further away than 127 others.
#[tokio::test(start_paused = true)]
async fn a_name_is_known_wherever_it_is_in_a_large_table() {
    let builder = crate::limits::builder().header_table_size(64 << 10);
    let mut peer = crate::limits::connect_to(builder).await;
    let serve = async |peer: &mut Peer<DuplexStream>, block: Vec<u8>| {
        let stream = peer.open();
        peer.send(&frame::headers(stream, false, &block)).await;
        peer.send_data(stream, true, &health_request("")).await;
        assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    };
    // The table's size: 64 KiB, as SETTINGS allow.
    let size = [
        &[0x3f, 0xe1, 0xff, 0x03][..],
        &block(&field(SPELLED, b"a", false)),
    ]
    .concat();
    serve(&mut peer, size).await;
    for newer in [100_usize, 27, 1] {
        let mut more = block(&field(b"\x01", b"a", false));
        for _ in 0..newer {
            more.extend(b"\x40\x01x\x01y");
        }
        serve(&mut peer, more).await;
    }
    // The first entry is at 62 + 128.
    let rest = 62 + 128 - 15;
    let name = [0x0f, (rest & 0x7f) as u8 | 0x80, (rest >> 7) as u8];
    serve(&mut peer, block(&field(&name, b"a/b", false))).await;
}
