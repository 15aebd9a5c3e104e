//! The counters of one connection, and those of all connections of a server.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The counters of all connections of a server. A connection writes them once per turn, not once per call.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connection_errors: AtomicU64,
    pub(crate) connections_timed_out: AtomicU64,
    pub(crate) floods: AtomicU64,
    pub(crate) calls: AtomicU64,
    pub(crate) streams_malformed: AtomicU64,
    pub(crate) calls_waiting: AtomicU64,
    pub(crate) calls_cancelled: AtomicU64,
    pub(crate) deadlines_exceeded: AtomicU64,
    pub(crate) calls_stalled: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) bytes_read: AtomicU64,
    pub(crate) bytes_written: AtomicU64,
}

/// What one connection has counted since it last added to the server's counters.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) calls: u64,
    pub(super) cancelled: u64,
    pub(super) expired: u64,
    pub(super) stalled: u64,
    pub(super) panics: u64,
    pub(super) floods: u64,
    /// The number of calls that wait now; the next field is the number that was last added.
    pub(super) waiting: u64,
    told_waiting: u64,
    told_read: u64,
    told_written: u64,
}

impl Tally {
    /// Adds what is new to `counters`. `read` and `written` are the connection's totals.
    pub(super) fn tell(&mut self, counters: &Counters, read: u64, written: u64) {
        flush(&counters.calls, &mut self.calls);
        if self.cancelled | self.expired | self.stalled | self.panics | self.floods != 0 {
            self.tell_rare(counters);
        }
        difference(
            &counters.calls_waiting,
            self.waiting,
            &mut self.told_waiting,
        );
        difference(&counters.bytes_read, read, &mut self.told_read);
        difference(&counters.bytes_written, written, &mut self.told_written);
    }

    /// Adds what most turns have none of.
    #[cold]
    fn tell_rare(&mut self, counters: &Counters) {
        flush(&counters.calls_cancelled, &mut self.cancelled);
        flush(&counters.deadlines_exceeded, &mut self.expired);
        flush(&counters.calls_stalled, &mut self.stalled);
        flush(&counters.panics, &mut self.panics);
        flush(&counters.floods, &mut self.floods);
    }
}

fn flush(counter: &AtomicU64, new: &mut u64) {
    if *new != 0 {
        counter.fetch_add(std::mem::take(new), Relaxed);
    }
}

fn difference(counter: &AtomicU64, now: u64, told: &mut u64) {
    if now != *told {
        // For a gauge that falls, the difference wraps around, and so does the addition.
        counter.fetch_add(now.wrapping_sub(*told), Relaxed);
        *told = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_is_told_once_and_gauges_fall_again() {
        let counters = Counters::default();
        let mut tally = Tally {
            calls: 2,
            waiting: 3,
            ..Tally::default()
        };
        tally.tell(&counters, 10, 20);
        tally.calls += 1;
        tally.waiting = 1;
        tally.tell(&counters, 15, 20);
        tally.tell(&counters, 15, 20);
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        assert_eq!(
            (read(&counters.calls), read(&counters.calls_waiting)),
            (3, 1)
        );
        assert_eq!(
            (read(&counters.bytes_read), read(&counters.bytes_written)),
            (15, 20)
        );
    }
}
