//! What a peer sees when it hits a limit of the connection. Those of streams, headers, messages, names and lists are rows of the protocol.

use grpc_health::server::{Builder, NoService};
use grpc_health::{HealthService, Registry, Server};

use crate::fixture::connect;
use crate::support::frame::{self, ENHANCE_YOUR_CALM, Frame, STREAM_CLOSED};
use crate::support::grpc::{
    CHECK, RESOURCE_EXHAUSTED, Request, SERVICE_UNKNOWN, SERVING, UNIMPLEMENTED, WATCH, envelope,
    health_request,
};
use crate::support::host;
use crate::support::peer::{PIPE, Peer};

const FRAME_SIZE_ERROR: u32 = 0x6;

pub(crate) async fn connect_to(builder: Builder<NoService>) -> Peer {
    let server = builder.service(HealthService::new(Registry::new())).build();
    let (ours, theirs) = tokio::io::duplex(PIPE);
    host::spawn(server.serve_connection(theirs));
    Peer::handshake(ours, &[]).await
}

pub(crate) fn builder() -> Builder<NoService> {
    Server::builder()
}

/// A request that h2 resets.
fn malformed() -> Request {
    Request::new(CHECK).set("te", "gzip")
}

#[tokio::test(start_paused = true)]
async fn the_limits_that_http2_can_tell_are_told() {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let server = builder()
        .service(HealthService::new(Registry::new()))
        .build();
    host::spawn(server.serve_connection(theirs));
    let mut peer = Peer::new(ours);
    let Frame::Settings { ack: false, values } = peer.recv().await else {
        panic!("SETTINGS come first, before the client has said anything");
    };
    let told = |id: u16| {
        values
            .iter()
            .find(|(told, _)| *told == id)
            .map(|(_, value)| *value)
    };
    let expected = [(1, 4_096), (3, 256), (4, 65_536), (5, 16_384), (6, 16_384)];
    assert_eq!(
        expected.map(|(id, _)| told(id)),
        expected.map(|(_, value)| Some(value))
    );
    // Four streams' windows. The connection's window can only be opened from the 65,535 that it has to begin with.
    let mut hello = frame::PREFACE.to_vec();
    hello.extend(frame::settings(&[]));
    peer.send(&hello).await;
    let update = peer
        .skip_to(|frame| matches!(frame, Frame::WindowUpdate { .. }))
        .await;
    let opened = 4 * 65_536 - 65_535;
    assert!(
        matches!(update, Frame::WindowUpdate { stream: 0, increment } if increment == opened),
        "{update:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_frame_over_16_kib_is_an_error_of_the_connection() {
    let mut peer = connect().await;
    let stream = peer.start_call(&Request::new(CHECK)).await;
    let frame = frame::data(stream, true, &[0; 16_385]);
    peer.send(&frame).await;
    peer.expect_goaway(FRAME_SIZE_ERROR).await;
}

#[tokio::test(start_paused = true)]
async fn a_header_block_in_too_many_parts_ends_the_connection() {
    let mut peer = connect().await;
    let stream = peer.open();
    let mut flood = frame::raw(frame::HEADERS, 0, stream, &Request::new(CHECK).encode());
    for _ in 0..7 {
        flood.extend(frame::raw(frame::CONTINUATION, 0, stream, b""));
    }
    peer.send(&flood).await;
    peer.expect_goaway(ENHANCE_YOUR_CALM).await;
}

#[tokio::test(start_paused = true)]
async fn a_header_table_over_4_kib_is_an_error_of_the_connection() {
    let mut peer = connect().await;
    let stream = peer.open();
    // RFC 7541, 6.3: a table of 4,097 bytes.
    let mut block = vec![0x3f, 0xe2, 0x1f];
    block.extend(Request::new(CHECK).encode());
    peer.send(&frame::headers(stream, false, &block)).await;
    // The RFC would have COMPRESSION_ERROR.
    peer.expect_goaway(frame::PROTOCOL_ERROR).await;
}

/// A call whose answer comes before its body.
pub(crate) async fn refused(peer: &mut Peer) -> u32 {
    let refused = peer.start_call(&Request::new("/no.Service/Method")).await;
    peer.expect_trailers_only(refused, UNIMPLEMENTED).await;
    peer.expect_reset(refused, frame::NO_ERROR).await;
    refused
}

#[tokio::test(start_paused = true)]
async fn frames_for_streams_that_are_not_remembered_are_errors() {
    let mut peer = connect_to(builder().max_concurrent_reset_streams(0)).await;
    let stream = refused(&mut peer).await;
    peer.send_data(stream, false, &envelope(0, b"")).await;
    peer.expect_reset(stream, STREAM_CLOSED).await;
    let trailers = frame::headers(stream, true, &[]);
    peer.send(&trailers).await;
    peer.expect_goaway(frame::PROTOCOL_ERROR).await;
}

/// `streams` requests, each reset at once, in one write.
async fn reset_rapidly(peer: &mut Peer, streams: usize) {
    let block = Request::new(CHECK).encode();
    let mut attack = Vec::new();
    for _ in 0..streams {
        let stream = peer.open();
        attack.extend(frame::headers(stream, false, &block));
        attack.extend(frame::reset(stream, frame::CANCEL));
    }
    peer.send(&attack).await;
}

#[tokio::test(start_paused = true)]
async fn more_than_256_streams_reset_before_they_were_seen_end_the_connection() {
    let mut peer = connect().await;
    reset_rapidly(&mut peer, 100).await;
    peer.expect_alive().await;
    let mut peer = connect_to(builder().max_pending_accept_reset_streams(3)).await;
    reset_rapidly(&mut peer, 100).await;
    peer.expect_goaway(ENHANCE_YOUR_CALM).await;
}

#[tokio::test(start_paused = true)]
async fn the_1025th_stream_that_the_server_has_to_reset_ends_the_connection() {
    let mut peer = connect().await;
    for _ in 0..1_024 {
        let stream = peer.call(&malformed(), &health_request("up")).await;
        peer.expect_reset(stream, frame::PROTOCOL_ERROR).await;
    }
    peer.expect_alive().await;
    peer.call_without_body(&malformed()).await;
    peer.expect_goaway(ENHANCE_YOUR_CALM).await;
}

/// One request in so many DATA frames, in one write.
async fn dribble(peer: &mut Peer, frames: usize) {
    let stream = peer.start_call(&Request::new(CHECK)).await;
    let body: Vec<_> = (0..frames)
        .flat_map(|_| frame::data(stream, false, b"\0"))
        .collect();
    peer.send(&body).await;
}

#[tokio::test(start_paused = true)]
async fn too_many_small_unread_frames_end_the_connection() {
    // As many as a health request can have.
    let mut peer = connect().await;
    dribble(&mut peer, 4_000).await;
    peer.expect_alive().await;
    let mut peer = connect_to(builder().data_frame_budget(1_000)).await;
    dribble(&mut peer, 10).await;
    peer.expect_goaway(ENHANCE_YOUR_CALM).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_house_of_small_requests_is_no_flood() {
    let mut peer = connect().await;
    let block = Request::new(CHECK).encode();
    let mut burst = Vec::new();
    for _ in 0..256 {
        let stream = peer.open();
        burst.extend(frame::headers(stream, false, &block));
        burst.extend(frame::data(stream, false, &envelope(0, b"")[..1]));
        burst.extend(frame::data(stream, true, &envelope(0, b"")[1..]));
    }
    peer.send(&burst).await;
    let frames = peer.recv_until_idle().await;
    let served = |frame: &&Frame| matches!(frame, Frame::Data { .. });
    assert_eq!(frames.iter().filter(served).count(), 256);
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_as_many_watches_as_it_may_and_room_for_checks_beside_them() {
    let mut peer = connect_to(
        builder()
            .max_concurrent_streams(4)
            .max_long_lived_streams(3),
    )
    .await;
    let mut watches = Vec::new();
    for _ in 0..2 {
        let watch = peer.watch("").await;
        assert_eq!(peer.expect_data(watch).await, SERVING);
        watches.push(watch);
    }
    // One whose request is on its way is open.
    let slow = peer.start_call(&Request::new(WATCH)).await;
    // The next is refused before its request is there.
    let refused = peer.start_call(&Request::new(WATCH)).await;
    peer.expect_trailers_only(refused, RESOURCE_EXHAUSTED).await;
    peer.expect_reset(refused, frame::NO_ERROR).await;
    assert_eq!(peer.check("").await, SERVING);

    peer.send_data(slow, true, &health_request("nope")).await;
    peer.expect_head(slow).await;
    assert_eq!(peer.expect_data(slow).await, SERVICE_UNKNOWN);
    let refused = peer.call(&Request::new(WATCH), &health_request("")).await;
    peer.expect_trailers_only(refused, RESOURCE_EXHAUSTED).await;

    // One that is given up makes room at once, also in the same write.
    let next = peer.open();
    let request = frame::headers(next, false, &Request::new(WATCH).encode());
    let write = [
        frame::reset(watches[0], frame::CANCEL),
        request,
        frame::data(next, true, &health_request("")),
    ];
    peer.send(&write.concat()).await;
    peer.expect_head(next).await;
    assert_eq!(peer.expect_data(next).await, SERVING);
    let refused = peer.call(&Request::new(WATCH), &health_request("")).await;
    peer.expect_trailers_only(refused, RESOURCE_EXHAUSTED).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_watches_may_be_had() {
    let mut peer = connect_to(builder().max_long_lived_streams(0)).await;
    let refused = peer.call(&Request::new(WATCH), &health_request("")).await;
    peer.expect_trailers_only(refused, RESOURCE_EXHAUSTED).await;
    assert_eq!(peer.check("").await, SERVING);
}
