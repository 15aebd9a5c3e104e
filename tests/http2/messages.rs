//! RFC 9113 §8: requests.

use crate::case::{Case, Seen, case};
use crate::side::Side;
use crate::support::frame::{self, PROTOCOL_ERROR};
use crate::support::grpc::{Request, health_request};
use crate::support::hpack;

fn field(name: &str, value: &str) -> Vec<u8> {
    let mut block = Vec::new();
    hpack::encode(&mut block, name.as_bytes(), value.as_bytes());
    block
}

#[rustfmt::skip]
pub(crate) fn cases(side: Side) -> Vec<Case> {
    let body = health_request("");
    let trailers = |end, block: &[u8]| [
        side.open(1), frame::data(1, false, &body), frame::headers(1, end, block),
    ].concat();
    let length = |length: &str, pieces: &[&[u8]]| {
        let head = side.request().with("content-length", length).encode();
        let mut frames = frame::headers(1, false, &head);
        for (at, piece) in pieces.iter().enumerate() {
            frames.extend(frame::data(1, at + 1 == pieces.len(), piece));
        }
        frames
    };
    let with = |name, value| move |request: Request| request.with(name, value);
    let first = |name, value| move |request: Request| request.first(name, value);
    let mut cases = vec![
        case("8.1", "a request with trailers", trailers(true, &field("x-sum", "1"))).gets_an_answer(),
        case("8.1", "HEADERS behind DATA that end nothing", trailers(false, &field("x-sum", "1"))).malformed(),
        case("8.1", "trailers behind no data",
            [side.open(1), frame::headers(1, true, &field("x-sum", "1"))].concat())
            .shows(|frames| frames.iter().any(|frame| matches!(frame, frame::Frame::Headers { stream: 1, .. }))),
        case("8.1", "pseudo-headers in trailers", trailers(true, &field(":method", "POST"))).malformed().but_h2(Seen::Answer),
        case("8.1", "pseudo-headers behind another field of trailers",
            trailers(true, &[field("x-sum", "1"), field(":method", "POST")].concat())).malformed(),
        case("8.1.1", "less data than content-length", length("9", &[&body])).malformed(),
        case("8.1.1", "less than it in two frames", length("9", &[&body, b"x"])).malformed(),
        case("8.1.1", "more than it", length("1", &[&body])).malformed(),
        case("8.1.1", "more than it in two frames", length("5", &[&body, b"x"])).malformed(),
        case("8.1.1", "as much in two frames", length("7", &[&body[..2], &body[2..]])).gets_an_answer(),
        case("8.1.1", "a content-length that is no number", length("seven", &[&body])).malformed(),
        case("8.2.1", "an upper-case name", side.with(with("X-Test", "ok"))).malformed(),
        case("8.2.1", "a name with a space", side.with(with("x test", "ok"))).malformed(),
        case("8.2.1", "a name with a colon within", side.with(with("x:test", "ok"))).malformed(),
        case("8.2.1", "an empty name", side.with(with("", "ok"))).malformed(),
        case("8.2.1", "a value with a line feed", side.with(with("x-test", "a\nb"))).malformed(),
        case("8.2.1", "a value with a zero byte", side.with(with("x-test", "a\0b"))).malformed(),
        case("8.2.2", "connection", side.with(with("connection", "keep-alive"))).malformed(),
        case("8.2.2", "transfer-encoding", side.with(with("transfer-encoding", "chunked"))).malformed(),
        case("8.2.2", "upgrade", side.with(with("upgrade", "h2c"))).malformed(),
        case("8.2.2", "te of something else", side.with(with("te", "trailers, deflate"))).malformed(),
        case("8.3", "an unknown pseudo-header", side.with(first(":test", "ok"))).malformed(),
        case("8.3", "one of answers", side.with(first(":status", "200"))).malformed(),
        case("8.3", "a pseudo-header behind another field",
            side.with(|r| r.without(":path").with("x-test", "ok").with(":path", "/"))).malformed(),
        case("8.3.1", "an empty path", side.with(|r| r.set(":path", ""))).malformed(),
        case("8.4", "a client that pushes", frame::raw(0x5, frame::END_HEADERS, 1, &[0, 0, 0, 2]))
            .ends_with(PROTOCOL_ERROR),
        case("8.5", "CONNECT with a path", side.with(|r| r.set(":method", "CONNECT"))).malformed(),
    ];
    for (what, name) in [("no method", ":method"), ("no scheme", ":scheme"), ("no path", ":path")] {
        cases.push(case("8.3.1", what, side.with(|r| r.without(name))).malformed());
    }
    for (what, name, value) in [
        ("two methods", ":method", "POST"), ("two schemes", ":scheme", "http"), ("two paths", ":path", "/"),
        ("two authorities", ":authority", "localhost"),
    ] {
        cases.push(case("8.3.1", what, side.with(first(name, value))).malformed());
    }
    cases
}
