//! A duration for people.

use std::{
    fmt::{self, Display},
    time::Duration,
};

/// Writes a duration with its two largest units: `320 ms`, `4.3 s`, `2m 05s`, `3h 07m`, `5d 01h`.
pub(crate) struct Lasted(pub(crate) Duration);

impl Display for Lasted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.as_secs(), self.0.as_millis());
        let minutes = seconds / 60;
        match seconds {
            0 => write!(f, "{millis} ms"),
            1..60 => write!(f, "{seconds}.{} s", millis / 100 % 10),
            60..3_600 => write!(f, "{minutes}m {:02}s", seconds % 60),
            3_600..86_400 => write!(f, "{}h {:02}m", minutes / 60, minutes % 60),
            _ => write!(f, "{}d {:02}h", seconds / 86_400, seconds / 3_600 % 24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_largest_units() {
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.0 s"),
            (59_999, "59.9 s"),
            (60_000, "1m 00s"),
            (3_599_999, "59m 59s"),
            (3_600_000, "1h 00m"),
            (86_399_000, "23h 59m"),
            (86_400_000, "1d 00h"),
            (442_800_000, "5d 03h"),
        ] {
            assert_eq!(Lasted(Duration::from_millis(millis)).to_string(), text);
        }
    }
}
