//! RFC 9113 §6 and §7: each type of frame.

use crate::case::{Case, case, data};
use crate::connection::{FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PRIORITY, PUSH_PROMISE};
use crate::side::Side;
use crate::support::frame::{
    self, ACK, CANCEL, END_HEADERS, END_STREAM, Frame, PADDED, PROTOCOL_ERROR,
    SETTINGS_INITIAL_WINDOW_SIZE, STREAM_CLOSED, raw,
};
use crate::support::grpc::health_request;

const ENABLE_PUSH: u16 = 0x2;
const MAX_FRAME_SIZE: u16 = 0x5;
/// The largest window there is.
const FULL: u32 = (1 << 31) - 1;

fn window(size: u32) -> Vec<u8> {
    frame::settings(&[(SETTINGS_INITIAL_WINDOW_SIZE, size)])
}

fn is_ack(frame: &Frame) -> bool {
    matches!(frame, Frame::Settings { ack: true, .. })
}

#[rustfmt::skip]
pub(crate) fn cases(side: Side) -> Vec<Case> {
    let block = side.block();
    let body = health_request("");
    let (first, second) = block.split_at(10);
    let (second, third) = second.split_at(10);
    let rest = |flags, stream, block: &[u8]| raw(frame::CONTINUATION, flags, stream, block);
    let begun = || side.headers(0, first);
    let pieces: Vec<u8> = body.iter().flat_map(|byte| frame::data(1, false, &[*byte])).collect();
    vec![
        case("6.1", "DATA in one frame", side.whole(1)).gets_an_answer(),
        case("6.1", "DATA in many", [side.open(1), pieces, frame::data(1, true, &[])].concat()).gets_an_answer(),
        case("6.1", "padded DATA",
            [side.open(1), frame::padded(frame::DATA, END_STREAM, 1, &body, 200)].concat()).gets_an_answer(),
        case("6.1", "DATA on stream 0", frame::data(0, true, b"x")).ends_with(PROTOCOL_ERROR),
        case("6.1", "DATA on a stream that has ended", side.held()).then(frame::data(1, true, b"x"))
            .resets_with(STREAM_CLOSED).but_h2_has_no_code(),
        case("6.1", "padding as long as the frame",
            [side.open(1), raw(frame::DATA, PADDED, 1, &[6, 0, 0, 0, 0, 0])].concat()).ends_with(PROTOCOL_ERROR),
        case("6.1", "a padded frame without a length of padding",
            [side.open(1), raw(frame::DATA, PADDED, 1, &[])].concat())
            .ends_with(FRAME_SIZE_ERROR).ends_with(PROTOCOL_ERROR),

        case("6.2", "padded HEADERS",
            [frame::padded(frame::HEADERS, END_HEADERS, 1, &block, 9), side.body(1)].concat()).gets_an_answer(),
        case("6.2", "HEADERS on stream 0", raw(frame::HEADERS, END_HEADERS | END_STREAM, 0, &block))
            .ends_with(PROTOCOL_ERROR),
        case("6.2", "padding longer than the frame", side.headers(END_HEADERS | PADDED, &[200, 0x82]))
            .ends_with(PROTOCOL_ERROR),
        case("6.2", "HEADERS too short for a priority", side.headers(END_HEADERS | frame::PRIORITY, &[0; 4]))
            .ends_with(FRAME_SIZE_ERROR).but_h2_has_no_code(),

        case("6.3", "PRIORITY of stream 0", raw(PRIORITY, 0, 0, &[0, 0, 0, 1, 9])).ends_with(PROTOCOL_ERROR),
        case("6.3", "PRIORITY of 4 bytes", [side.open(1), raw(PRIORITY, 0, 1, &[0; 4])].concat())
            .resets_with(FRAME_SIZE_ERROR).but_h2_has_no_code(),

        case("6.4", "RST_STREAM", [side.open(1), frame::reset(1, CANCEL)].concat()).has_no_effect(),
        case("6.4", "RST_STREAM of stream 0", frame::reset(0, CANCEL)).ends_with(PROTOCOL_ERROR),
        case("6.4", "RST_STREAM of an idle stream", frame::reset(1, CANCEL)).ends_with(PROTOCOL_ERROR),
        case("6.4", "RST_STREAM of 3 bytes", [side.open(1), raw(frame::RST_STREAM, 0, 1, &[0; 3])].concat())
            .ends_with(FRAME_SIZE_ERROR).but_h2_has_no_code(),

        case("6.5", "an acknowledgement with settings", raw(frame::SETTINGS, ACK, 0, &[0; 6]))
            .ends_with(FRAME_SIZE_ERROR).but_h2_has_no_code(),
        case("6.5", "SETTINGS of a stream", raw(frame::SETTINGS, 0, 1, &[0, 3, 0, 0, 0, 9])).ends_with(PROTOCOL_ERROR),
        case("6.5", "SETTINGS of 5 bytes", raw(frame::SETTINGS, 0, 0, &[0, 3, 0, 0, 0])).ends_with(FRAME_SIZE_ERROR).but_h2_has_no_code(),
        case("6.5.2", "neither push nor no push", frame::settings(&[(ENABLE_PUSH, 2)])).ends_with(PROTOCOL_ERROR),
        case("6.5.2", "a window over the maximum", window(FULL + 1)).ends_with(FLOW_CONTROL_ERROR).but_h2_has_no_code(),
        case("6.5.2", "a frame size under the minimum", frame::settings(&[(MAX_FRAME_SIZE, 16_383)])).ends_with(PROTOCOL_ERROR),
        case("6.5.2", "a frame size over the maximum", frame::settings(&[(MAX_FRAME_SIZE, 1 << 24)])).ends_with(PROTOCOL_ERROR),
        case("6.5.2", "every setting at its edge",
            frame::settings(&[(1, 0), (ENABLE_PUSH, 0), (3, 0), (4, FULL), (MAX_FRAME_SIZE, (1 << 24) - 1), (6, u32::MAX)]))
            .then(side.whole(1)).gets_an_answer(),
        case("6.5.3", "the last of equal settings counts",
            [frame::settings(&[(SETTINGS_INITIAL_WINDOW_SIZE, 100), (SETTINGS_INITIAL_WINDOW_SIZE, 1)]), side.whole(1)].concat())
            .shows(|frames| data(frames, 1) == 1),
        case("6.5.3", "SETTINGS are acknowledged, each once", [window(9), frame::settings(&[])].concat())
            .shows(|frames| frames.iter().filter(|frame| is_ack(frame)).count() == 2),

        case("6.6", "PUSH_PROMISE on an open stream",
            [side.open(1), raw(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &block].concat())].concat())
            .ends_with(PROTOCOL_ERROR),
        case("6.6", "PUSH_PROMISE on stream 0", raw(PUSH_PROMISE, END_HEADERS, 0, &[0, 0, 0, 2])).ends_with(PROTOCOL_ERROR),

        case("6.7", "PING", frame::ping([7; 8]))
            .shows(|frames| frames.contains(&Frame::Ping { ack: true, payload: [7; 8] })),
        case("6.7", "PING that acknowledges", frame::ping_ack([7; 8]))
            .shows(|frames| !frames.iter().any(|frame| matches!(frame, Frame::Ping { .. }))),
        case("6.7", "PING of a stream", raw(frame::PING, 0, 1, &[0; 8])).ends_with(PROTOCOL_ERROR),
        case("6.7", "PING of 6 bytes", raw(frame::PING, 0, 0, &[0; 6])).ends_with(FRAME_SIZE_ERROR).but_h2_has_no_code(),

        case("6.8", "GOAWAY of a stream", raw(frame::GOAWAY, 0, 1, &[0; 8])).ends_with(PROTOCOL_ERROR),
        case("6.8", "GOAWAY of 7 bytes", raw(frame::GOAWAY, 0, 0, &[0; 7])).ends_with(FRAME_SIZE_ERROR).but_h2_has_no_code(),

        case("6.9", "WINDOW_UPDATE of the connection", [frame::window_update(0, 1), side.whole(1)].concat()).gets_an_answer(),
        case("6.9", "WINDOW_UPDATE of a stream",
            [side.open(1), frame::window_update(1, 1), side.body(1)].concat()).gets_an_answer(),
        case("6.9", "WINDOW_UPDATE of nothing", frame::window_update(0, 0)).ends_with(PROTOCOL_ERROR),
        case("6.9", "a stream's WINDOW_UPDATE of nothing", [side.open(1), frame::window_update(1, 0)].concat())
            .resets_with(PROTOCOL_ERROR),
        case("6.9", "WINDOW_UPDATE of 3 bytes", raw(frame::WINDOW_UPDATE, 0, 0, &[0; 3])).ends_with(FRAME_SIZE_ERROR).but_h2_has_no_code(),
        case("6.9.1", "a window of one byte", [window(1), side.whole(1)].concat()).shows(|frames| data(frames, 1) == 1),
        case("6.9.1", "it is opened by two more", [window(1), side.whole(1)].concat())
            .then(frame::window_update(1, 2)).shows(|frames| data(frames, 1) == 2),
        case("6.9.1", "the connection's window over the maximum",
            [frame::window_update(0, FULL), frame::window_update(0, FULL)].concat()).ends_with(FLOW_CONTROL_ERROR),
        case("6.9.1", "a stream's window over the maximum",
            [side.open(1), frame::window_update(1, FULL), frame::window_update(1, FULL)].concat())
            .resets_with(FLOW_CONTROL_ERROR),
        case("6.9.2", "a window that SETTINGS open later", side.held()).then(window(1)).shows(|frames| data(frames, 1) == 1),
        case("6.9.2", "a window below zero", [window(3), side.whole(1)].concat()).then(window(0))
            .then(frame::window_update(1, 3)).shows(|frames| data(frames, 1) == 0),
        case("6.9.2", "and above it again", [window(3), side.whole(1)].concat())
            .then([window(0), frame::window_update(1, 4)].concat()).shows(|frames| data(frames, 1) == 1),
        case("6.9.2", "SETTINGS that open a stream's window over the maximum",
            [side.open(1), frame::window_update(1, FULL - 65_535), window(65_536)].concat()).ends_with(FLOW_CONTROL_ERROR),

        case("6.10", "a block in three frames",
            [begun(), rest(0, 1, second), rest(END_HEADERS, 1, third), side.body(1)].concat()).gets_an_answer(),
        case("6.10", "a block that ends with an empty frame",
            [side.headers(0, &block), rest(END_HEADERS, 1, &[]), side.body(1)].concat()).gets_an_answer(),
        case("6.10", "CONTINUATION behind the end of a block in one frame",
            [side.open(1), rest(END_HEADERS, 1, &block)].concat()).ends_with(PROTOCOL_ERROR),
        case("6.10", "CONTINUATION behind the end of a block in two",
            [begun(), rest(END_HEADERS, 1, &block[10..]), rest(END_HEADERS, 1, &[])].concat()).ends_with(PROTOCOL_ERROR),
        case("6.10", "CONTINUATION on stream 0", [begun(), rest(END_HEADERS, 0, &block[10..])].concat()).ends_with(PROTOCOL_ERROR),
        case("6.10", "CONTINUATION of another stream", [begun(), rest(END_HEADERS, 3, &block[10..])].concat()).ends_with(PROTOCOL_ERROR),
        case("6.10", "CONTINUATION behind DATA",
            [side.open(1), frame::data(1, false, &[]), rest(END_HEADERS, 1, &block)].concat()).ends_with(PROTOCOL_ERROR),
        case("6.10", "DATA within a block", [begun(), frame::data(1, false, b"x")].concat()).ends_with(PROTOCOL_ERROR),

        case("7", "RST_STREAM with an unknown code", [side.open(1), frame::reset(1, 0xff)].concat()).has_no_effect(),
        case("7", "GOAWAY with an unknown code ends no request",
            [side.open(1), raw(frame::GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0xff]), side.body(1)].concat())
            .gets_an_answer().comes_last(),
    ]
}
