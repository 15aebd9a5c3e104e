//! Header blocks that are long, are never complete, or are more than they look.

use grpc_health::Server;

use crate::arena::{Arena, MIB, SECOND, count, goaway};
use crate::memory::Memory;
use crate::support::frame::{self, ENHANCE_YOUR_CALM, NO_ERROR};
use crate::support::grpc::{
    CHECK, DEADLINE_EXCEEDED, Request, SERVING, UNIMPLEMENTED, health_request,
};

#[tokio::test(start_paused = true)]
async fn a04_the_sixth_continuation_that_ends_nothing_ends_the_connection() {
    let (arena, mut neighbour) = Arena::new().await;
    let block = Request::new(CHECK).encode();
    let part = |kind, flags, bytes: &[u8]| frame::raw(kind, flags, 1, bytes);
    let first = part(frame::HEADERS, 0, &block[..16]);
    let more = |n: usize| part(frame::CONTINUATION, 0, &block[16 + n..17 + n]);

    let mut peer = arena.connect().await;
    let stream = peer.open();
    let mut served = first.clone();
    (0..5).for_each(|n| served.extend(more(n)));
    served.extend(part(frame::CONTINUATION, frame::END_HEADERS, &block[21..]));
    peer.send(&served).await;
    peer.send_data(stream, true, &health_request("")).await;
    assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    drop(peer);

    let mut peer = arena.connect().await;
    let mut six = first.clone();
    (0..6).for_each(|n| six.extend(more(n)));
    peer.send(&six).await;
    let sent = peer.recv_to_end().await;
    assert_eq!(goaway(&sent), (ENHANCE_YOUR_CALM, "too_many_continuations"));

    let mut peer = arena.connect().await;
    let flood = [first, more(0).repeat(count(10_000, 1_000_000))].concat();
    let memory = Memory::mark();
    let sent = neighbour.beside(peer.flood(&flood)).await;
    assert_eq!(goaway(&sent), (ENHANCE_YOUR_CALM, "too_many_continuations"));
    memory.assert_peak_below(MIB);
    arena.end(neighbour).await;
}

/// Fields of the table, referred to again and again: a byte each to send, 33 at least in the list. 483 of them are what the list may hold
/// before the call is refused, 260 what takes most memory for its bytes: a `HeaderMap` doubles its room. 983 are what h2 lets through.
#[tokio::test(start_paused = true)]
async fn a06_lists_that_unfold_from_single_bytes_are_not_kept() {
    for fields in [130, 235, 260, 483] {
        bombs(fields, false).await;
    }
}

/// A reset of a stream that is over, after each list, must not let more lists in.
#[tokio::test(start_paused = true)]
async fn a06_resets_of_a_finished_stream_let_no_more_lists_in() {
    bombs(260, true).await;
}

async fn bombs(fields: usize, with_resets: bool) {
    let (arena, mut neighbour) = Arena::new().await;
    let mut peer = arena.connect().await;
    // h2's buffer grows for a large frame, and so might what one read brings.
    let large = peer.start_call(&Request::new(CHECK)).await;
    peer.send_data(large, true, &[0; 16_384]).await;
    peer.expect_trailers_only(large, UNIMPLEMENTED).await;

    let mut bombs = Vec::new();
    let mut streams = Vec::new();
    for _ in 0..256 {
        let stream = peer.open();
        // POST and http; the rest into the table for the first, and from it for all.
        let mut bomb = vec![0x83, 0x86];
        if streams.is_empty() {
            bomb.extend([&[0x44, CHECK.len() as u8], CHECK.as_bytes()].concat());
            bomb.extend(b"\x40\x02te\x08trailers\x5f\x10application/grpc\x40\x01a\0");
        } else {
            bomb.extend([65, 64, 63, 62].map(|index| 0x80 | index));
        }
        bomb.resize(bomb.len() + fields - 1, 0x80 | 62);
        bombs.extend(frame::headers(stream, false, &bomb));
        if with_resets {
            bombs.extend(frame::reset(large, frame::CANCEL));
        }
        streams.push(stream);
    }
    let memory = Memory::mark();
    let attack = async {
        peer.send(&bombs).await;
        peer.ping().await;
        assert_eq!(arena.server.stats().calls_waiting, 256);
        // All that a poll reads is decoded before any of it is looked at; then it is dropped.
        memory.assert_peak_below(3 * MIB);
        memory.assert_below(MIB);
        // Their requests never come.
        for stream in streams {
            peer.expect_trailers_only(stream, DEADLINE_EXCEEDED).await;
            peer.expect_reset(stream, NO_ERROR).await;
        }
        peer.expect_alive().await;
        drop(peer);
    };
    neighbour.beside(attack).await;
    arena.end(neighbour).await;
}

/// As many as h2 has room for in a list of 16 MiB, its default; the HTTP library has room for fewer.
#[tokio::test(start_paused = true)]
async fn a07_more_fields_than_a_header_map_holds_are_no_panic() {
    let builder = Server::builder().max_header_list_size(16 << 20);
    let (arena, mut neighbour) = Arena::with(builder).await;
    let mut peer = arena.connect().await;
    let mut request = Request::new(CHECK);
    for n in 0..40_000 {
        request = request.with(&format!("x{n}"), "");
    }
    let attack = async {
        let stream = peer.call(&request, &health_request("")).await;
        let refused = peer.expect_headers(stream, true).await;
        assert_eq!(refused.get(":status"), Some("431"));
        peer.expect_alive().await;
        drop(peer);
    };
    neighbour.beside(attack).await;
    arena.end(neighbour).await;
}

#[tokio::test(start_paused = true)]
async fn a12_fields_without_a_value_are_counted() {
    let (arena, mut neighbour) = Arena::new().await;
    let request =
        |fields| (0..fields).fold(Request::new(CHECK), |request, _| request.with("a", ""));
    let memory = Memory::mark();
    let mut peer = arena.connect().await;
    let attack = async {
        let stream = peer.call_without_body(&request(1_000)).await;
        let refused = peer.expect_headers(stream, true).await;
        assert_eq!(refused.get(":status"), Some("431"));
        peer.expect_alive().await;
        peer.call_without_body(&request(4_000)).await;
        let sent = peer.recv_to_end().await;
        assert_eq!(
            goaway(&sent),
            (ENHANCE_YOUR_CALM, "header_list_way_too_large")
        );
    };
    neighbour.beside(attack).await;
    memory.assert_peak_below(MIB);
    tokio::time::advance(SECOND).await;
    arena.end(neighbour).await;
}
