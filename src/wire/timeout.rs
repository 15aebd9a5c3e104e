//! `grpc-timeout`: how long the client will wait, counted from the request's arrival.
//!
//! A value is one to eight digits and a unit: `H` hours, `M` minutes, `S` seconds, `m` milliseconds, `u` microseconds, `n` nanoseconds. See
//! [Timeout][spec] in PROTOCOL-HTTP2.
//!
//! [spec]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

use std::fmt;
use std::time::Duration;

use http::HeaderValue;

/// The largest number that eight digits hold.
const MAX_VALUE: u128 = 99_999_999;

/// Every unit with its nanoseconds, the smallest unit first.
const UNITS: [(u8, u128); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60 * 1_000_000_000),
    (b'H', 3600 * 1_000_000_000),
];

/// The value is not a `grpc-timeout`: one to eight digits and a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidTimeout;

impl fmt::Display for InvalidTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed grpc-timeout")
    }
}

impl std::error::Error for InvalidTimeout {}

/// Reads a value. Zero is valid, and has expired. The longest timeout, `99999999H`, is over eleven thousand years: add a timeout to an
/// instant with `checked_add`.
///
/// # Errors
///
/// [`InvalidTimeout`] unless the value is one to eight digits and a unit.
pub fn parse(value: &[u8]) -> Result<Duration, InvalidTimeout> {
    let [digits @ .., unit] = value else {
        return Err(InvalidTimeout);
    };
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(InvalidTimeout);
    }
    let number = digits
        .iter()
        .fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Ok(Duration::from_secs(number * 3600)),
        b'M' => Ok(Duration::from_secs(number * 60)),
        b'S' => Ok(Duration::from_secs(number)),
        b'm' => Ok(Duration::from_millis(number)),
        b'u' => Ok(Duration::from_micros(number)),
        b'n' => Ok(Duration::from_nanos(number)),
        _ => Err(InvalidTimeout),
    }
}

/// Writes a timeout in the smallest unit that fits into eight digits, rounded up so that no peer gives up early; at most `99999999H`.
#[must_use]
pub fn encode(timeout: Duration) -> HeaderValue {
    let nanos = timeout.as_nanos();
    let (number, unit) = UNITS
        .iter()
        .map(|&(unit, size)| (nanos.div_ceil(size), unit))
        .find(|&(number, _)| number <= MAX_VALUE)
        .unwrap_or((MAX_VALUE, b'H'));
    // Digits and a letter are always a valid value; the fallback (no time left) keeps this total.
    HeaderValue::try_from(format!("{number}{}", char::from(unit)))
        .unwrap_or_else(|_| HeaderValue::from_static("0n"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vectors() {
        let cases: [(&[u8], Duration); 8] = [
            (b"1S", Duration::from_secs(1)),
            (b"0n", Duration::ZERO),
            (b"00000001n", Duration::from_nanos(1)),
            (b"2u", Duration::from_micros(2)),
            (b"250m", Duration::from_millis(250)),
            (b"3M", Duration::from_secs(180)),
            (b"99999999H", Duration::from_secs(99_999_999 * 3600)),
            (b"99999999n", Duration::from_nanos(99_999_999)),
        ];
        for (value, timeout) in cases {
            assert_eq!(parse(value), Ok(timeout), "{}", value.escape_ascii());
        }
    }

    #[test]
    fn malformed() {
        for bad in [
            "",
            "S",
            "1",
            "123456789S",
            "1x",
            "-1S",
            "+1S",
            "1.5S",
            " 1S",
            "1S ",
            "1 S",
            "1s",
            "1h",
            "1SS",
            "0x1S",
            "１S",
            "n1",
        ] {
            assert_eq!(parse(bad.as_bytes()), Err(InvalidTimeout), "{bad:?}");
        }
    }

    #[test]
    fn encode_takes_the_finest_unit_that_fits_and_rounds_up() {
        let cases = [
            (Duration::ZERO, "0n"),
            (Duration::from_nanos(99_999_999), "99999999n"),
            (Duration::from_nanos(100_000_000), "100000u"),
            (Duration::from_nanos(100_000_001), "100001u"),
            (Duration::from_secs(1), "1000000u"),
            (Duration::from_secs(100), "100000m"),
            (
                Duration::from_secs(99_999) + Duration::from_millis(999),
                "99999999m",
            ),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::from_secs(100_000_000), "1666667M"),
            (Duration::from_secs(6_000_000_000), "1666667H"),
            (Duration::from_secs(99_999_999 * 3600), "99999999H"),
            (Duration::from_secs(99_999_999 * 3600 + 1), "99999999H"),
            (Duration::MAX, "99999999H"),
        ];
        for (timeout, value) in cases {
            assert_eq!(encode(timeout), value, "{timeout:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_read_is_written_so_that_it_reads_the_same(value in "[0-9]{1,8}[HMSmun]") {
            let timeout = parse(value.as_bytes()).unwrap();
            prop_assert_eq!(parse(encode(timeout).as_bytes()), Ok(timeout));
        }

        #[test]
        fn encode_never_shortens_and_loses_little(
            secs in 0..99_999_999u64 * 3600,
            nanos in 0..1_000_000_000u32,
        ) {
            let timeout = Duration::new(secs, nanos);
            let read = parse(encode(timeout).as_bytes()).unwrap();
            prop_assert!(read >= timeout);
            // A unit is only left for the next where it has nine digits.
            prop_assert!(read - timeout <= timeout / 100_000);
        }
    }
}
