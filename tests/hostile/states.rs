//! Frames that the state of the connection or of their stream does not allow.

use crate::arena::{Arena, goaway};
use crate::support::frame::{self, CANCEL, PROTOCOL_ERROR};
use crate::support::grpc::{CHECK, Request, WATCH, health_request};

const PRIORITY: u8 = 0x2;
const PUSH_PROMISE: u8 = 0x5;
const FLOW_CONTROL_ERROR: u32 = 0x3;

/// h2 says PROTOCOL_ERROR also where RFC 9113 has FRAME_SIZE_ERROR, COMPRESSION_ERROR, FLOW_CONTROL_ERROR (of SETTINGS) or an error of the
/// stream only.
#[tokio::test(start_paused = true)]
async fn a20_what_no_state_allows_ends_the_connection() {
    let block = Request::new(CHECK).encode();
    let headers = |stream| frame::headers(stream, false, &block);
    let watch = [
        frame::headers(1, false, &Request::new(WATCH).encode()),
        frame::data(1, true, &health_request("up")),
    ]
    .concat();
    let raw = frame::raw;
    #[rustfmt::skip]
    let attacks = [
        ("an even stream", headers(2), PROTOCOL_ERROR),
        ("stream 0", headers(0), PROTOCOL_ERROR),
        ("a lower stream", [headers(5), headers(3)].concat(), PROTOCOL_ERROR),
        ("DATA on stream 0", frame::data(0, false, b"x"), PROTOCOL_ERROR),
        ("DATA on an idle stream", frame::data(1, false, b"x"), PROTOCOL_ERROR),
        ("RST_STREAM of an idle stream", frame::reset(1, CANCEL), PROTOCOL_ERROR),
        ("WINDOW_UPDATE of an idle stream", frame::window_update(1, 1), PROTOCOL_ERROR),
        ("a connection's WINDOW_UPDATE of nothing", frame::window_update(0, 0), PROTOCOL_ERROR),
        ("a connection's window over the maximum", frame::window_update(0, i32::MAX as u32), FLOW_CONTROL_ERROR),
        ("DATA after the end", [&watch[..], &frame::data(1, false, b"x")].concat(), PROTOCOL_ERROR),
        ("a stream's WINDOW_UPDATE of nothing", [&watch[..], &frame::window_update(1, 0)].concat(), PROTOCOL_ERROR),
        ("a push", raw(PUSH_PROMISE, frame::END_HEADERS, 1, &[0, 0, 0, 2]), PROTOCOL_ERROR),
        ("SETTINGS of a stream", raw(frame::SETTINGS, 0, 1, &[]), PROTOCOL_ERROR),
        ("SETTINGS cut short", raw(frame::SETTINGS, 0, 0, &[0; 5]), PROTOCOL_ERROR),
        ("an acknowledgement with SETTINGS", raw(frame::SETTINGS, frame::ACK, 0, &[0; 6]), PROTOCOL_ERROR),
        ("an acknowledgement of nothing", frame::settings_ack(), PROTOCOL_ERROR),
        ("a window over the maximum", frame::settings(&[(4, 1 << 31)]), PROTOCOL_ERROR),
        ("a frame size under the minimum", frame::settings(&[(5, 1)]), PROTOCOL_ERROR),
        ("PING of a stream", raw(frame::PING, 0, 1, &[0; 8]), PROTOCOL_ERROR),
        ("PING cut short", raw(frame::PING, 0, 0, &[0; 7]), PROTOCOL_ERROR),
        ("GOAWAY of a stream", raw(frame::GOAWAY, 0, 1, &[0; 8]), PROTOCOL_ERROR),
        ("RST_STREAM cut short", raw(frame::RST_STREAM, 0, 1, &[0; 3]), PROTOCOL_ERROR),
        ("RST_STREAM of stream 0", frame::reset(0, CANCEL), PROTOCOL_ERROR),
        ("PRIORITY of stream 0", raw(PRIORITY, 0, 0, &[0, 0, 0, 1, 9]), PROTOCOL_ERROR),
        ("CONTINUATION of nothing", raw(frame::CONTINUATION, 0, 1, &block), PROTOCOL_ERROR),
        ("a frame within a header block", [raw(frame::HEADERS, 0, 1, &block), frame::ping([0; 8])].concat(), PROTOCOL_ERROR),
        ("another stream's CONTINUATION", [raw(frame::HEADERS, 0, 1, &block), raw(frame::CONTINUATION, 4, 3, &block)].concat(),
            PROTOCOL_ERROR),
        ("padding longer than its frame", raw(frame::HEADERS, frame::END_HEADERS | frame::PADDED, 1, &[200, 0x82]), PROTOCOL_ERROR),
        ("an index of no field", frame::headers(1, false, &[0xff, 0xff, 0x03]), PROTOCOL_ERROR),
    ];
    for (what, bytes, code) in attacks {
        let (arena, mut neighbour) = Arena::new().await;
        let mut peer = arena.connect().await;
        let attack = async {
            peer.send(&bytes).await;
            peer.recv_to_end().await
        };
        let sent = neighbour.beside(attack).await;
        assert_eq!(goaway(&sent).0, code, "{what}");
        arena.end(neighbour).await;
    }
}
