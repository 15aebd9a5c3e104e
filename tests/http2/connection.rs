//! RFC 9113 §3.4 to §4.3 and §5.5: how a connection begins, and what a frame is.

use crate::case::{Case, case};
use crate::side::Side;
use crate::support::frame::{
    self, END_HEADERS, END_STREAM, Frame, PADDED, PRIORITY as PRIORITY_FLAG, PROTOCOL_ERROR, raw,
};
use crate::support::peer::Peer;

pub(crate) const PRIORITY: u8 = 0x2;
pub(crate) const PUSH_PROMISE: u8 = 0x5;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 0x3;
pub(crate) const FRAME_SIZE_ERROR: u32 = 0x6;
pub(crate) const COMPRESSION_ERROR: u32 = 0x9;
/// A type that no RFC has.
pub(crate) const UNKNOWN: u8 = 0xfa;

/// A block of HPACK that no decoder takes: the index of no field.
pub(crate) const NO_FIELD: [u8; 3] = [0xff, 0xff, 0x03];

#[rustfmt::skip]
pub(crate) fn cases(side: Side) -> Vec<Case> {
    let block = side.block();
    let rest = |flags, block: &[u8]| raw(frame::CONTINUATION, flags, 1, block);
    let (first, second) = block.split_at(10);
    let begun = || side.headers(0, first);
    vec![
        case("3.4", "a request right behind the handshake", side.whole(1)).gets_an_answer(),

        case("4.1", "a frame of an unknown type", raw(UNKNOWN, 0, 0, &[0; 8])).has_no_effect(),
        case("4.1", "one of an idle stream", raw(UNKNOWN, 0, 1, &[0; 8])).has_no_effect(),
        case("4.1", "flags that PING does not have", raw(frame::PING, 0xfe, 0, &[7; 8]))
            .shows(|frames| frames.contains(&Frame::Ping { ack: true, payload: [7; 8] })),
        case("4.1", "the reserved bit of a stream's number", raw(frame::PING, 0, 1 << 31, &[7; 8]))
            .shows(|frames| frames.contains(&Frame::Ping { ack: true, payload: [7; 8] })),
        case("4.1", "flags that HEADERS does not have",
            [side.headers(END_HEADERS | 0x92, &block), side.body(1)].concat()).gets_an_answer(),

        case("4.2", "DATA of 16,384 bytes",
            [side.open(1), frame::data(1, true, &[&[0, 0, 0, 0x3f, 0xfb, 0x0a, 0xf7, 0x7f][..], &[b'x'; 16_376]].concat())].concat())
            .shows(|frames| frames.iter().any(|frame| matches!(frame, Frame::Headers { stream: 1, .. }))),
        case("4.2", "DATA of 16,385 bytes", [side.open(1), frame::data(1, true, &[0; 16_385])].concat())
            .resets_with(FRAME_SIZE_ERROR),
        case("4.2", "HEADERS of 16,385 bytes", side.headers(END_HEADERS | END_STREAM, &[0; 16_385]))
            .ends_with(FRAME_SIZE_ERROR),
        case("4.2", "SETTINGS of 16,386 bytes", raw(frame::SETTINGS, 0, 0, &[0xff; 16_386]))
            .ends_with(FRAME_SIZE_ERROR),

        case("4.3", "a block that HPACK does not know", side.headers(END_HEADERS, &NO_FIELD))
            .ends_with(COMPRESSION_ERROR).but_h2_has_no_code(),
        case("4.3", "a block in two frames",
            [begun(), rest(END_HEADERS, second), side.body(1)].concat()).gets_an_answer(),
        case("4.3", "PRIORITY within a block", [begun(), raw(PRIORITY, 0, 1, &[0, 0, 0, 0, 9])].concat())
            .ends_with(PROTOCOL_ERROR),
        case("4.3", "HEADERS of another stream within a block", [begun(), side.open(3)].concat())
            .ends_with(PROTOCOL_ERROR),
        case("4.3", "PING within a block", [begun(), frame::ping([0; 8])].concat()).ends_with(PROTOCOL_ERROR),

        case("5.4.1", "nothing is heard after an error of the connection",
            [raw(frame::PING, 0, 1, &[0; 8]), frame::ping([7; 8]), side.whole(1)].concat())
            .ends_with(PROTOCOL_ERROR),

        case("5.5", "an unknown frame on an open stream",
            [side.open(1), raw(UNKNOWN, 0xff, 1, &[0; 8]), side.body(1)].concat()).gets_an_answer(),
        case("5.5", "an unknown frame within a block",
            [begun(), raw(UNKNOWN, 0, 1, &[]), rest(END_HEADERS, second)].concat()).ends_with(PROTOCOL_ERROR),
        case("5.5", "a setting that is unknown", frame::settings(&[(0xff, 1)]))
            .shows(|frames| frames.iter().any(|frame| matches!(frame, Frame::Settings { ack: true, .. }))),

        case("6.2", "HEADERS with padding and a priority",
            [side.headers(END_HEADERS | PADDED | PRIORITY_FLAG, &[&[4, 0, 0, 0, 0, 15][..], &block, &[0; 4]].concat()), side.body(1)]
                .concat())
            .gets_an_answer(),
    ]
}

/// §3.4: what is no preface gets no answer but the end, with or without GOAWAY.
async fn hangs_up(side: Side) {
    let attempts: [&[u8]; 2] = [
        b"INVALID CONNECTION PREFACE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ];
    for attempt in attempts {
        let mut peer = Peer::new(side.dial());
        peer.send(attempt).await;
        for frame in peer.recv_to_end().await {
            let ours = matches!(
                frame,
                Frame::Settings { .. } | Frame::WindowUpdate { stream: 0, .. }
            );
            let error = matches!(
                frame,
                Frame::GoAway {
                    code: PROTOCOL_ERROR,
                    ..
                }
            );
            assert!(ours || error, "{frame:?}");
        }
    }
}

#[cfg(feature = "__internals")]
#[tokio::test(start_paused = true)]
async fn the_bare_server_hangs_up_on_other_prefaces() {
    hangs_up(Side::Bare).await;
}

#[tokio::test(start_paused = true)]
async fn the_grpc_server_hangs_up_on_other_prefaces() {
    hangs_up(Side::Grpc).await;
}
