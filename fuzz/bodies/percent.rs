//! Decoding is total; it undoes encoding; what has no escape decodes to itself.

use grpc_health::wire::percent::{decode, encode};

pub fn run(data: &[u8]) {
    let decoded = decode(data);
    if !data.contains(&b'%') {
        assert_eq!(decoded, String::from_utf8_lossy(data));
    }
    round_trip(&decoded);
    round_trip(&String::from_utf8_lossy(data));
}

fn round_trip(text: &str) {
    let encoded = encode(text);
    assert!(encoded.bytes().all(|byte| matches!(byte, 0x20..=0x7e)));
    assert_eq!(encoded.trim(), encoded);
    assert!(encoded.len() <= 3 * text.len());
    assert_eq!(decode(encoded.as_bytes()), text);
}
