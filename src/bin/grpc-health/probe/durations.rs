//! Durations as Go writes and reads them: `1m30s`, `500ms`, `1.5h`, `100µs`.

use std::{fmt, time::Duration};

/// A duration of Go: nanoseconds, perhaps fewer than none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GoDuration(i64);

/// Units, and how many nanoseconds they have. `µ` exists twice in Unicode.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The longest magnitude: that of `i64::MIN`.
const MAX: u64 = 1 << 63;

impl GoDuration {
    pub(super) const ZERO: Self = Self(0);
    pub(super) const SECOND: Self = Self(1_000_000_000);

    /// Reads what `time.ParseDuration` reads: a sign or none, then numbers with a unit each, or `0`. `None` for any other text, and for
    /// more than some 292 years.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, mut rest) = match text.as_bytes().first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        if rest == "0" {
            return Some(Self(0));
        }
        if rest.is_empty() {
            return None;
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (nanos, after) = part(rest)?;
            total = total.checked_add(nanos).filter(|&total| total <= MAX)?;
            rest = after;
        }
        let nanos = i128::from(total);
        i64::try_from(if negative { -nanos } else { nanos })
            .ok()
            .map(Self)
    }

    /// The same duration; `None` for less than nothing.
    pub(super) fn to_std(self) -> Option<Duration> {
        u64::try_from(self.0).ok().map(Duration::from_nanos)
    }
}

impl From<Duration> for GoDuration {
    fn from(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// One number with its unit, in nanoseconds, and the text behind.
fn part(text: &str) -> Option<(u64, &str)> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (name, rest) = rest.split_at_checked(end)?;
    let (_, unit) = UNITS.iter().find(|(unit, _)| *unit == name)?;
    let whole: u64 = match whole {
        "" => 0,
        digits => digits.parse().ok()?,
    };
    let nanos = whole.checked_mul(*unit)?;
    // An hour has fewer nanoseconds than 18 digits can tell apart.
    let (mut scaled, mut scale) = (0, 1);
    for digit in fraction.bytes().take(18) {
        scaled = scaled * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    let part = u64::try_from(scaled * u128::from(*unit) / scale).ok()?;
    let nanos = nanos.checked_add(part).filter(|&nanos| nanos <= MAX)?;
    Some((nanos, rest))
}

fn digits(text: &str) -> (&str, &str) {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at_checked(len).unwrap_or((text, ""))
}

/// Writes what Go's `Duration.String` writes: `1m30s`, `1.5s`, `500ms`, `1h0m0s`.
impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let nanos = self.0.unsigned_abs();
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => decimal(f, nanos, 1_000, 3, "\u{b5}s"),
            1_000_000..1_000_000_000 => decimal(f, nanos, 1_000_000, 6, "ms"),
            _ => {
                let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
                let (hours, minutes) = (minutes / 60, minutes % 60);
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if hours > 0 || minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                decimal(f, rest, 1_000_000_000, 9, "s")
            }
        }
    }
}

/// Writes `nanos / unit` without zeros at the end of the fraction, which has at most `width` digits.
fn decimal(
    f: &mut fmt::Formatter<'_>,
    nanos: u64,
    unit: u64,
    width: usize,
    name: &str,
) -> fmt::Result {
    write!(f, "{}", nanos / unit)?;
    let fraction = format!("{:0width$}", nanos % unit);
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        write!(f, ".{fraction}")?;
    }
    f.write_str(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_reads_and_how_go_writes_it() {
        for (text, nanos, shown) in [
            ("0", 0, "0s"),
            ("-0", 0, "0s"),
            ("0s", 0, "0s"),
            ("1s", 1_000_000_000, "1s"),
            ("500ms", 500_000_000, "500ms"),
            ("1m30s", 90_000_000_000, "1m30s"),
            ("90s", 90_000_000_000, "1m30s"),
            ("1.5h", 5_400_000_000_000, "1h30m0s"),
            ("1h", 3_600_000_000_000, "1h0m0s"),
            ("100us", 100_000, "100\u{b5}s"),
            ("100\u{b5}s", 100_000, "100\u{b5}s"),
            ("100\u{3bc}s", 100_000, "100\u{b5}s"),
            ("1.5ms", 1_500_000, "1.5ms"),
            ("7ns", 7, "7ns"),
            ("+5s", 5_000_000_000, "5s"),
            ("-1m", -60_000_000_000, "-1m0s"),
            (".5s", 500_000_000, "500ms"),
            ("1.s", 1_000_000_000, "1s"),
            ("1.0000000001s", 1_000_000_000, "1s"),
            ("0.3333333333333333333333h", 1_200_000_000_000, "20m0s"),
            ("1s1s", 2_000_000_000, "2s"),
            ("39h9m14.425s", 140_954_425_000_000, "39h9m14.425s"),
            (
                "9223372036854775807ns",
                i64::MAX,
                "2562047h47m16.854775807s",
            ),
            (
                "-9223372036854775808ns",
                i64::MIN,
                "-2562047h47m16.854775808s",
            ),
        ] {
            let read = GoDuration::parse(text);
            // Go computes fractions in floating point, and may be off by one.
            let near = |found: GoDuration| (found.0 - nanos).abs() <= 1;
            assert!(read.is_some_and(near), "{text}: {read:?}");
            assert_eq!(GoDuration(nanos).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_go_refuses() {
        for text in [
            "",
            "1",
            "s",
            ".s",
            "-",
            "+",
            "-.s",
            "1 s",
            "1S",
            "1d",
            "--1s",
            "1.1.1s",
            "1s ",
            "\u{e9}",
            "9223372036854775808ns",
            "-9223372036854775809ns",
            "18446744073709551616ns",
            "3000000h",
            "99999999999999999999999s",
        ] {
            assert_eq!(GoDuration::parse(text), None, "{text}");
        }
    }

    #[test]
    fn to_and_from_the_standard_library() {
        let second = Duration::from_secs(1);
        assert_eq!(GoDuration::from(second), GoDuration::SECOND);
        assert_eq!(GoDuration::SECOND.to_std(), Some(second));
        assert_eq!(GoDuration(-1).to_std(), None);
        assert_eq!(GoDuration::from(Duration::MAX), GoDuration(i64::MAX));
    }
}
