//! A moment as text.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

/// Writes a moment as RFC 3339 does, in UTC with milliseconds: `2026-11-27T02:05:00.123Z`.
pub(crate) struct Since(pub(crate) SystemTime);

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (seconds, millis) = (time.as_secs(), time.subsec_millis());
        let (year, month, day) = date(seconds / 86_400);
        let [hour, minute, second] = [seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60];
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

/// The date of a day, counted from 1970-01-01. Years begin in March here, so that a leap day is a year's last day
/// (<https://howardhinnant.github.io/date_algorithms.html#civil_from_days>).
const fn date(day: u64) -> (u64, u64, u64) {
    // Days since 0000-03-01.
    let day = day + 719_468;
    let era = day / 146_097;
    let of_era = day % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (year + era * 400 + next, month, of_month)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_are_written_as_rfc_3339_does() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_001, "2024-02-29T23:59:59.001Z"),
            (1_735_689_600_000, "2025-01-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_000, "9999-12-31T23:59:59.000Z"),
        ];
        for (millis, text) in cases {
            let moment = UNIX_EPOCH + Duration::from_millis(millis);
            assert_eq!(Since(moment).to_string(), text);
        }
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Since(before).to_string(), "1970-01-01T00:00:00.000Z");
    }

    /// The last moment that an unsigned number of milliseconds can be must not overflow.
    #[test]
    fn the_last_moment_has_a_text() {
        if let Some(last) = UNIX_EPOCH.checked_add(Duration::from_millis(u64::MAX)) {
            assert!(Since(last).to_string().ends_with('Z'));
        }
    }
}
