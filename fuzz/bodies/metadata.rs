//! Decoding undoes encoding; checking agrees with decoding; what decodes is, but for padding and
//! unused bits, what its bytes encode to; names and values called valid are so to `http`.

use bytes::Bytes;
use grpc_health::wire::metadata::{
    check_binary, decode_binary, decode_binary_list, encode_binary, is_binary, is_reserved,
    is_valid_ascii_value, is_valid_name,
};
use http::{HeaderName, HeaderValue};

pub fn run(data: &[u8]) {
    let value = encode_binary(data);
    assert!(!value.as_bytes().contains(&b'='));
    assert_eq!(
        decode_binary(value.as_bytes()),
        Ok(Bytes::copy_from_slice(data))
    );
    assert_eq!(check_binary(&value), Ok(()));

    if let Ok(bytes) = decode_binary(data) {
        let unpadded = data.strip_suffix(b"=").unwrap_or(data);
        let unpadded = unpadded.strip_suffix(b"=").unwrap_or(unpadded);
        let again = encode_binary(&bytes);
        assert_eq!(again.len(), unpadded.len());
        let all_but_last = unpadded.len().saturating_sub(1);
        assert_eq!(again.as_bytes()[..all_but_last], unpadded[..all_but_last]);
    }

    let decoded: Result<Vec<Bytes>, _> = decode_binary_list(data).collect();
    if let Ok(value) = HeaderValue::from_bytes(data) {
        assert_eq!(check_binary(&value), decoded.clone().map(drop));
    }
    if let Ok(items) = decoded {
        let joined: Vec<_> = items.iter().map(|item| encode_binary(item)).collect();
        let joined: Vec<_> = joined.iter().map(HeaderValue::as_bytes).collect();
        let again: Result<Vec<Bytes>, _> = decode_binary_list(&joined.join(&b',')).collect();
        assert_eq!(again, Ok(items));
    }

    if is_valid_ascii_value(data) {
        assert!(HeaderValue::from_bytes(data).is_ok_and(|value| value.to_str().is_ok()));
    }
    if let Ok(name) = std::str::from_utf8(data) {
        if is_valid_name(name) {
            assert!(HeaderName::from_bytes(data).is_ok_and(|parsed| parsed.as_str() == name));
        }
        for spelled in [name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
            assert_eq!(is_reserved(&spelled), is_reserved(name));
            assert_eq!(is_binary(&spelled), is_binary(name));
        }
    }
}
