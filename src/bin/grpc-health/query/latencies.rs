//! How long calls took: a histogram of bounded size.

use std::time::Duration;

/// Each power of two of nanoseconds has this many buckets, so a percentile is at most 1/128 above the time that was measured.
const STEPS: u64 = 128;
const STEP_BITS: u32 = STEPS.ilog2();

/// The times of calls, in 64 KiB at most, however many calls there are.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    counts: Vec<u64>,
    count: u64,
    min: u64,
    max: u64,
}

impl Latencies {
    pub(crate) fn add(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let at = bucket(nanos);
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.min = if self.count == 0 {
            nanos
        } else {
            self.min.min(nanos)
        };
        self.max = self.max.max(nanos);
        self.count += 1;
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) const fn min(&self) -> Duration {
        Duration::from_nanos(self.min)
    }

    pub(crate) const fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The shortest time that at least `percent` of the calls did not exceed, less than 1 % above the measured time. Zero without calls.
    pub(crate) fn percentile(&self, percent: u32) -> Duration {
        let rank = (u128::from(self.count) * u128::from(percent))
            .div_ceil(100)
            .max(1);
        let mut passed = 0;
        for (at, &count) in self.counts.iter().enumerate() {
            passed += u128::from(count);
            if passed >= rank {
                return Duration::from_nanos(highest(at).clamp(self.min, self.max));
            }
        }
        self.max()
    }
}

/// The bucket of a time. Below 2 * `STEPS` each nanosecond has a bucket of its own.
fn bucket(nanos: u64) -> usize {
    let shift = nanos.max(1).ilog2().saturating_sub(STEP_BITS);
    let at = u64::from(shift) * STEPS + (nanos >> shift);
    // At most 58 * 128.
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// The longest time of a bucket.
fn highest(at: usize) -> u64 {
    let at = at as u64;
    let shift = (at / STEPS).saturating_sub(1);
    let top = at - shift * STEPS;
    (top << shift) | ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(nanos: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        for nanos in nanos {
            latencies.add(Duration::from_nanos(nanos));
        }
        latencies
    }

    #[test]
    fn small_times_are_exact() {
        let times = of(1..=100);
        for (percent, expected) in [(1, 1), (50, 50), (90, 90), (99, 99), (100, 100)] {
            assert_eq!(times.percentile(percent), Duration::from_nanos(expected));
        }
        assert_eq!((times.min().as_nanos(), times.max().as_nanos()), (1, 100));
    }

    #[test]
    fn one_call_is_every_percentile() {
        let time = Duration::from_micros(12_345);
        let times = of([12_345_000]);
        for percent in [1, 50, 99, 100] {
            assert_eq!(times.percentile(percent), time);
        }
        assert!(of([]).is_empty());
        assert_eq!(of([]).percentile(50), Duration::ZERO);
    }

    /// No bucket is passed over, and none overlaps another.
    #[test]
    fn buckets_follow_one_another() {
        let mut last = 0;
        for at in 1..bucket(u64::MAX) {
            let high = highest(at);
            assert_eq!((bucket(high), bucket(high + 1)), (at, at + 1), "{high}");
            assert!(high > last);
            last = high;
        }
        assert!(bucket(u64::MAX) * 8 <= 64 << 10);
    }

    #[test]
    fn long_times_are_within_one_percent() {
        let all: Vec<u64> = (0..10_000).map(|n| 1_000 + n * n * 37).collect();
        let times = of(all.iter().copied());
        for percent in [50, 90, 99] {
            let exact = all[all.len() * percent as usize / 100 - 1];
            let found = times.percentile(percent).as_nanos();
            assert!(found >= exact.into() && found * 100 <= u128::from(exact) * 101);
        }
        assert_eq!(of([u64::MAX]).max().as_nanos(), u64::MAX.into());
    }
}
