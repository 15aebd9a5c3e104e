//! Parsing is total; it undoes encoding, but for the end of a message over the cap and details that do not fit.
//!
//! Input: `grpc-status`, `grpc-message` and `grpc-status-details-bin`, a line each.

use bytes::Bytes;
use grpc_health::wire::code::Code;
use grpc_health::wire::percent;
use grpc_health::wire::status::{MAX_MESSAGE_LEN, MAX_TRAILERS_SIZE, Status};
use http::{HeaderMap, HeaderName, HeaderValue};

pub fn run(data: &[u8]) {
    let mut lines = data.splitn(3, |&byte| byte == b'\n');
    let [code, message, details] = std::array::from_fn(|_| lines.next().unwrap_or_default());

    let number = std::str::from_utf8(code)
        .ok()
        .filter(|text| !text.starts_with(['+', '-']));
    let number = number.and_then(|text| text.parse::<i32>().ok());
    assert_eq!(Code::parse(code).map(Code::value), number);

    // As a peer's trailers.
    let mut trailers = HeaderMap::new();
    let names = ["grpc-status", "grpc-message", "grpc-status-details-bin"];
    for (name, value) in names.into_iter().zip([code, message, details]) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            trailers.insert(HeaderName::from_static(name), value);
        }
    }
    let parsed = Status::parse(&trailers);
    assert_eq!(parsed.is_some(), trailers.contains_key("grpc-status"));
    if let Some(status) = parsed {
        round_trip(&status);
    }

    // As a status of our own.
    let text = String::from_utf8_lossy(message).into_owned();
    let code = code
        .first_chunk()
        .map_or(Code::OK, |bytes| Code::new(i32::from_le_bytes(*bytes)));
    round_trip(&Status::new(code, text).with_details(Bytes::copy_from_slice(details)));
}

fn round_trip(status: &Status) {
    let mut trailers = HeaderMap::new();
    status.encode(&mut trailers);
    let read = Status::parse(&trailers).expect("an encoded status parses");
    assert_eq!(read.code(), status.code());
    if status.details_fit() {
        assert_eq!(read.details(), status.details());
    } else {
        assert!(read.details().is_empty());
    }
    let fields = trailers.iter();
    let size: usize = fields
        .map(|(name, value)| name.as_str().len() + value.len() + 32)
        .sum();
    assert!(size <= MAX_TRAILERS_SIZE);
    let written = trailers.get("grpc-message").map_or(0, HeaderValue::len);
    assert!(written <= MAX_MESSAGE_LEN);
    if percent::encode(status.message()).len() <= MAX_MESSAGE_LEN {
        assert_eq!(read.message(), status.message());
    } else {
        let cut = status
            .message()
            .strip_prefix(read.message())
            .expect("only its end is cut");
        assert!(!cut.is_empty());
    }
}
