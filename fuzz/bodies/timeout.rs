//! What parses is what the grammar says; encoding gives the same time back; any time at all is
//! encoded to no less, or to the maximum, and then for good.

use std::time::Duration;

use grpc_health::wire::timeout::{encode, parse};

pub fn run(data: &[u8]) {
    match (parse(data), grammar(data)) {
        (Ok(timeout), Some(expected)) => {
            assert_eq!(timeout, expected);
            assert_eq!(parse(encode(timeout).as_bytes()), Ok(timeout));
        }
        (Err(_), None) => {}
        (parsed, expected) => panic!("{parsed:?}, not {expected:?}"),
    }

    if let Some((secs, nanos)) = data.split_first_chunk::<8>() {
        let nanos = nanos
            .first_chunk::<4>()
            .map_or(0, |nanos| u32::from_le_bytes(*nanos));
        let timeout = Duration::new(u64::from_le_bytes(*secs), nanos % 1_000_000_000);
        let value = encode(timeout);
        let read = parse(value.as_bytes()).expect("an encoded timeout parses");
        assert!(read >= timeout || value == "99999999H");
        assert_eq!(encode(read), value);
    }
}

/// The grammar again, by way of text.
fn grammar(value: &[u8]) -> Option<Duration> {
    let value = std::str::from_utf8(value).ok()?;
    let nanos_each = match value.chars().next_back()? {
        'H' => 3_600_000_000_000,
        'M' => 60_000_000_000,
        'S' => 1_000_000_000,
        'm' => 1_000_000,
        'u' => 1_000,
        'n' => 1u128,
        _ => return None,
    };
    let digits = &value[..value.len() - 1];
    if digits.starts_with('+') || digits.len() > 8 {
        return None;
    }
    let nanos = digits.parse::<u128>().ok()? * nanos_each;
    let secs = u64::try_from(nanos / 1_000_000_000).expect("eight digits of hours fit");
    Some(Duration::new(secs, (nanos % 1_000_000_000) as u32))
}
