//! RFC 9113 §5.1 to §5.3: the states of a stream, their numbers, how many there may be, and what became of priorities.

use crate::case::{Case, Seen, case};
use crate::connection::PRIORITY;
use crate::side::Side;
use crate::support::frame::{
    self, CANCEL, END_HEADERS, Frame, PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED, raw,
};

/// PRIORITY that makes a stream depend on another.
fn priority(stream: u32, on: u32) -> Vec<u8> {
    let [a, b, c, d] = on.to_be_bytes();
    raw(PRIORITY, 0, stream, &[a, b, c, d, 9])
}

#[rustfmt::skip]
pub(crate) fn cases(side: Side) -> Vec<Case> {
    let (data, headers) = (frame::data(1, true, b"x"), side.open(1));
    let rest = raw(frame::CONTINUATION, END_HEADERS, 1, &side.block());
    let update = frame::window_update(1, 1);
    let cancel = frame::reset(1, CANCEL);
    let cancelled = || [side.open(1), cancel.clone()].concat();
    let mut many: Vec<u8> = (0..257).flat_map(|n| side.open(1 + 2 * n)).collect();
    // Room for the next request.
    many.extend(&cancel);
    vec![
        case("5.1 idle", "DATA", data.clone()).ends_with(PROTOCOL_ERROR),
        case("5.1 idle", "RST_STREAM", cancel.clone()).ends_with(PROTOCOL_ERROR),
        case("5.1 idle", "WINDOW_UPDATE", update.clone()).ends_with(PROTOCOL_ERROR),
        case("5.1 idle", "CONTINUATION", rest.clone()).ends_with(PROTOCOL_ERROR),
        case("5.1 idle", "PRIORITY", priority(1, 0)).has_no_effect(),

        case("5.1 half-closed (remote)", "DATA", side.held()).then(data.clone()).resets_with(STREAM_CLOSED).but_h2_has_no_code(),
        case("5.1 half-closed (remote)", "HEADERS", side.held()).then(headers.clone())
            .resets_with(STREAM_CLOSED).but_h2(Seen::Stream(PROTOCOL_ERROR)),
        case("5.1 half-closed (remote)", "CONTINUATION", side.held()).then(rest.clone())
            .resets_with(STREAM_CLOSED).ends_with(PROTOCOL_ERROR),
        case("5.1 half-closed (remote)", "WINDOW_UPDATE", side.held()).then(frame::window_update(1, 1_000))
            .shows(|frames| crate::case::data(frames, 1) > 0),
        case("5.1 half-closed (remote)", "PRIORITY", side.held()).then(priority(1, 0)).has_no_effect(),
        case("5.1 half-closed (remote)", "RST_STREAM", side.held()).then(cancel.clone()).has_no_effect(),

        case("5.1 closed by RST_STREAM", "DATA", cancelled()).then(data.clone()).resets_with(STREAM_CLOSED),
        case("5.1 closed by RST_STREAM", "HEADERS", cancelled()).then(headers.clone()).resets_with(STREAM_CLOSED).but_h2_has_no_code(),
        case("5.1 closed by RST_STREAM", "CONTINUATION", cancelled()).then(rest.clone())
            .resets_with(STREAM_CLOSED).ends_with(PROTOCOL_ERROR),
        case("5.1 closed by RST_STREAM", "PRIORITY", cancelled()).then(priority(1, 0)).has_no_effect(),

        case("5.1 closed", "DATA", side.whole(1)).then(data).resets_with(STREAM_CLOSED),
        case("5.1 closed", "HEADERS", side.whole(1)).then(headers).resets_with(STREAM_CLOSED).but_h2_has_no_code(),
        case("5.1 closed", "CONTINUATION", side.whole(1)).then(rest)
            .resets_with(STREAM_CLOSED).ends_with(PROTOCOL_ERROR),
        case("5.1 closed", "PRIORITY", side.whole(1)).then(priority(1, 0)).has_no_effect(),
        case("5.1 closed", "WINDOW_UPDATE", side.whole(1)).then(update).has_no_effect(),
        case("5.1 closed", "RST_STREAM", side.whole(1)).then(cancel).has_no_effect(),

        case("5.1.1", "an even number", side.open(2)).ends_with(PROTOCOL_ERROR),
        case("5.1.1", "a number below an earlier one", [side.whole(5), side.whole(3)].concat())
            .ends_with(PROTOCOL_ERROR),
        case("5.1.1", "numbers left out", [side.whole(5), side.whole(99)].concat()).on(99).gets_an_answer(),

        case("5.1.2", "one stream more than 256", many).on(513).resets_with(REFUSED_STREAM).resets_with(PROTOCOL_ERROR),

        case("5.3", "PRIORITY before and after lower numbers", [priority(9, 0), side.whole(1)].concat()).gets_an_answer(),
        case("5.3", "the lightest weight", raw(PRIORITY, 0, 1, &[0, 0, 0, 0, 0])).has_no_effect(),
        case("5.3", "the heaviest weight", raw(PRIORITY, 0, 1, &[0, 0, 0, 0, 255])).has_no_effect(),
        case("5.3", "exclusive", raw(PRIORITY, 0, 3, &[0x80, 0, 0, 1, 15])).has_no_effect(),
        // RFC 7540 §5.3.1 made it an error of the stream, RFC 9113 says nothing of it.
        case("5.3", "PRIORITY on itself", [side.open(1), priority(1, 1), side.body(1)].concat())
            .gets_an_answer().resets_with(PROTOCOL_ERROR),
        case("5.3", "HEADERS that depend on themselves",
            [side.headers(END_HEADERS | frame::PRIORITY, &[&[0, 0, 0, 1, 15][..], &side.block()].concat()), side.body(1)].concat())
            .gets_an_answer().resets_with(PROTOCOL_ERROR),
        case("5.3", "HEADERS that depend on a stream that is not there",
            [side.headers(END_HEADERS | frame::PRIORITY, &[&[0, 0, 0, 7, 15][..], &side.block()].concat()), side.body(1)].concat())
            .gets_an_answer(),

        case("5.1.2", "streams that are closed do not count",
            (0..255).flat_map(|n| [side.open(1 + 2 * n), frame::reset(1 + 2 * n, CANCEL)].concat()).collect())
            .then(side.whole(801)).on(801).gets_an_answer(),
        case("5.1", "answers come as they are ready", [side.open(1), side.whole(3)].concat())
            .shows(|frames| !frames.iter().any(|frame| matches!(frame, Frame::Headers { stream: 1, .. }))
                && crate::case::is_answered(frames, 3)),
    ]
}
