//! What was on its way when the server reset its stream is ignored (RFC 9113, section 5.1), however often that happens.

use crate::fixture::{Fixture, connect};
use crate::limits::{builder, connect_to, refused};
use crate::support::frame::{self, CANCEL, ENHANCE_YOUR_CALM, Frame, NO_ERROR, STREAM_CLOSED};
use crate::support::grpc::{
    CHECK, RESOURCE_EXHAUSTED, Request, SERVING, UNIMPLEMENTED, WATCH, envelope, health_request,
};

/// h2's own limit is 1,024 for the life of a connection.
const MANY: usize = 100_000;

/// Refuses `calls` calls whose bodies come late, while a Watch and Checks go on.
async fn refuse(calls: usize, late: impl Fn(u32) -> Vec<u8>) {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let watch = peer.watch("up").await;
    assert_eq!(peer.expect_data(watch).await, SERVING);
    for call in 0..calls {
        let refused = refused(&mut peer).await;
        peer.send(&late(refused)).await;
        if call % 1_000 == 0 {
            assert_eq!(peer.check("up").await, SERVING);
        }
    }
    fixture.set("up", grpc_health::ServingStatus::NotServing);
    assert_eq!(
        peer.expect_data(watch).await,
        crate::support::grpc::NOT_SERVING
    );
    peer.expect_alive().await;
    peer.expect_silence().await;
    let stats = fixture.server.stats();
    assert_eq!((stats.floods, stats.connection_errors), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn uploads_to_calls_that_were_refused_may_arrive_late_100_000_times() {
    refuse(MANY, |stream| frame::data(stream, true, &envelope(0, b""))).await;
}

/// h2 would have STREAM_CLOSED for the first, an error of the connection for trailers, and a budget for small frames that end nothing.
#[tokio::test(start_paused = true)]
async fn small_messages_and_trailers_may_arrive_late() {
    let small = |stream| frame::data(stream, false, &envelope(0, b"")).repeat(3);
    refuse(40_000, small).await;
    let block = b"\x40\x01a\x01b";
    let trailers = |stream| {
        let head = frame::raw(frame::HEADERS, frame::END_STREAM, stream, &block[..2]);
        let rest = frame::raw(frame::CONTINUATION, frame::END_HEADERS, stream, &block[2..]);
        [frame::data(stream, false, b"\0"), head, rest].concat()
    };
    refuse(2_000, trailers).await;
}

/// Trailers are decoded: the peer refers to their fields later.
#[tokio::test(start_paused = true)]
async fn the_header_table_stays_in_step() {
    let mut peer = connect().await;
    for _ in 0..20 {
        refused(&mut peer).await;
    }
    let late = refused(&mut peer).await;
    let field = [&[0x40, 12][..], b"grpc-timeout", &[2], b"1n"].concat();
    peer.send(&frame::headers(late, true, &field)).await;
    let stream = peer.open();
    let mut block = Request::new(CHECK).encode();
    block.push(0x80 | 62);
    peer.send(&frame::headers(stream, false, &block)).await;
    let deadline = crate::support::grpc::DEADLINE_EXCEEDED;
    peer.expect_trailers_only(stream, deadline).await;
}

/// The connection's window is given back: 64 KiB of each stream, 16 MiB of the connection.
#[tokio::test(start_paused = true)]
async fn full_windows_may_arrive_late() {
    let mut peer = connect().await;
    for _ in 0..2_000 {
        let stream = refused(&mut peer).await;
        for _ in 0..3 {
            peer.send_data(stream, false, &[0; 16_384]).await;
        }
        peer.send_data(stream, true, &[0; 16_384]).await;
    }
    assert_eq!(peer.check("up").await, SERVING);
}

/// All at once, as many as may be open; their resets are read only when all have been sent. Their heads come in any pieces.
#[tokio::test(start_paused = true)]
async fn a_full_house_may_arrive_late_in_pieces() {
    for trickling in [false, true] {
        let fixture = Fixture::new();
        let mut peer = match trickling {
            false => fixture.connect().await,
            true => fixture.connect_trickling().await,
        };
        let rounds = if trickling { 8 } else { 100 };
        for _ in 0..rounds {
            let mut streams = Vec::new();
            let block = Request::new("/no.Service/Method").encode();
            let mut heads = Vec::new();
            for _ in 0..256 {
                let stream = peer.open();
                heads.extend(frame::headers(stream, false, &block));
                streams.push(stream);
            }
            peer.send(&heads).await;
            for stream in &streams {
                peer.expect_trailers_only(*stream, UNIMPLEMENTED).await;
                peer.expect_reset(*stream, NO_ERROR).await;
            }
            let late = streams.iter().flat_map(|stream| {
                let data = frame::data(*stream, false, &envelope(0, b"late"));
                [data, frame::data(*stream, true, b"")].concat()
            });
            peer.send(&late.collect::<Vec<_>>()).await;
        }
        assert_eq!(peer.check("up").await, SERVING);
        assert_eq!(peer.unread().find(is_reset), None);
    }
}

fn is_reset(frame: &&Frame) -> bool {
    matches!(frame, Frame::Reset { .. })
}

/// Every kind of early answer and of reset, in one connection, the late frames of each.
#[tokio::test(start_paused = true)]
async fn early_answers_of_every_kind_may_be_followed_by_late_frames() {
    let mut peer = connect_to(builder().max_long_lived_streams(1)).await;
    let watch = peer.watch("").await;
    assert_eq!(peer.expect_data(watch).await, SERVING);
    for _ in 0..600 {
        // The prefix of a message over the limit; a foreign content-type; one Watch too many; a request that h2 resets.
        let oversize = peer.start_call(&Request::new(CHECK)).await;
        peer.send_data(oversize, false, &[0, 0, 1, 0, 0]).await;
        peer.expect_trailers_only(oversize, RESOURCE_EXHAUSTED)
            .await;
        peer.expect_reset(oversize, NO_ERROR).await;
        let crowded = peer.start_call(&Request::new(WATCH)).await;
        peer.expect_trailers_only(crowded, RESOURCE_EXHAUSTED).await;
        peer.expect_reset(crowded, NO_ERROR).await;
        let http = Request::new(CHECK).set("content-type", "text/plain");
        let http = peer.start_call(&http).await;
        peer.expect_headers(http, true).await;
        peer.expect_reset(http, NO_ERROR).await;
        for late in [oversize, crowded, http] {
            peer.send_data(late, false, &[0; 1_000]).await;
            peer.send_data(late, true, b"").await;
            // A client that gives the call up at the same time.
            peer.send(&frame::reset(late, CANCEL)).await;
        }
    }
    assert_eq!(peer.check("").await, SERVING);
    peer.expect_silence().await;
}

/// As grpcio's uploads do: the answer overtakes a frame of which the server has the first half.
#[tokio::test(start_paused = true)]
async fn a_stream_may_be_reset_in_the_middle_of_a_frame() {
    let mut peer = connect().await;
    for round in 0..3_000 {
        let stream = peer.open();
        let block = Request::new("/no.Service/Method").encode();
        let data = frame::data(stream, true, &[0; 40]);
        let (here, late) = data.split_at(1 + round % 48);
        let head = frame::headers(stream, false, &block);
        peer.send(&[&head, here].concat()).await;
        peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
        peer.expect_reset(stream, NO_ERROR).await;
        peer.send(late).await;
    }
    assert_eq!(peer.check("up").await, SERVING);
    peer.expect_silence().await;
}

/// grpcio's uploads: a window in four frames behind the HEADERS, a little more than the server reads at once.
#[tokio::test(start_paused = true)]
async fn a_window_may_be_on_its_way_when_its_stream_is_refused() {
    let mut peer = connect().await;
    for _ in 0..3_000 {
        let stream = peer.open();
        let block = Request::new("/no.Service/Method").encode();
        peer.send(&frame::headers(stream, false, &block)).await;
        for _ in 0..4 {
            peer.send_data(stream, false, &[0; 16_384]).await;
        }
        peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
        peer.expect_reset(stream, NO_ERROR).await;
    }
    assert_eq!(peer.check("up").await, SERVING);
    peer.expect_silence().await;
}

/// A server that has not got rid of its answers has reset the streams all the same.
#[tokio::test(start_paused = true)]
async fn frames_are_late_for_resets_that_the_peer_has_not_read() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect_with(256, &[]).await;
    let block = Request::new("/no.Service/Method").encode();
    let mut streams = Vec::new();
    for _ in 0..100 {
        let stream = peer.open();
        peer.send(&frame::headers(stream, false, &block)).await;
        streams.push(stream);
    }
    for _ in 0..20 {
        for stream in &streams {
            let late = frame::data(*stream, false, &envelope(0, b""));
            peer.send(&late).await;
        }
    }
    for stream in streams {
        peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
        peer.expect_reset(stream, NO_ERROR).await;
    }
    assert_eq!(peer.check("up").await, SERVING);
    peer.expect_silence().await;
}

/// No peer may send more than the stream's window after a reset. What comes beyond is for h2 to count.
#[tokio::test(start_paused = true)]
async fn what_no_window_had_room_for_is_no_late_frame() {
    let mut peer = connect().await;
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(refused(&mut peer).await);
    }
    let frames = 100 * 65_536 / 16_384;
    for _ in 0..frames {
        peer.send_data(streams[99], false, &[0; 16_384]).await;
    }
    peer.expect_alive().await;
    peer.send_data(streams[99], false, &[0; 16_384]).await;
    peer.expect_reset(streams[99], STREAM_CLOSED).await;
}

/// Closed by both sides is not reset by one: that is as before.
#[tokio::test(start_paused = true)]
async fn data_behind_a_complete_call_still_counts() {
    let mut peer = connect().await;
    refused(&mut peer).await;
    for _ in 0..1_024 {
        let stream = peer.call(&Request::new(CHECK), &health_request("up")).await;
        assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
        peer.send_data(stream, false, b"\0").await;
        peer.expect_reset(stream, STREAM_CLOSED).await;
    }
    let stream = peer.call(&Request::new(CHECK), &health_request("up")).await;
    assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    peer.send_data(stream, false, b"\0").await;
    peer.expect_goaway(ENHANCE_YOUR_CALM).await;
}
