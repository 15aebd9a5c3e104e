//! Which addresses wait at the door after a flood. Pure: the time is an argument, in milliseconds.

use std::collections::{BTreeSet, HashMap};

use crate::service::Address;

/// How many addresses are remembered. One more makes the server forget the address that would be forgotten first.
const REMEMBERED: usize = 4_096;

/// How long after its wait an address is forgotten, in milliseconds.
const QUIET: u64 = 300_000;

/// How many times a wait is doubled, at most.
const DOUBLINGS: u32 = 6;

/// The addresses whose connections were cut for a flood.
#[derive(Debug, Default)]
pub(super) struct Waits {
    known: HashMap<Address, Wait>,
    /// When each is forgotten.
    ends: BTreeSet<(u64, Address)>,
}

#[derive(Debug, Clone, Copy)]
struct Wait {
    until: u64,
    doublings: u32,
    forgotten: u64,
}

impl Waits {
    /// Whether connections from `address` are refused at `now`.
    pub(super) fn is_waiting(&self, now: u64, address: Address) -> bool {
        self.known
            .get(&address)
            .is_some_and(|wait| now < wait.until)
    }

    /// Makes `address` wait for `wait` milliseconds, or longer if it has waited before. A connection that was open already when the wait
    /// began makes it no longer.
    pub(super) fn begin(&mut self, now: u64, address: Address, wait: u64) {
        self.forget(now);
        let doublings = match self.known.get(&address) {
            Some(known) if now < known.until => return,
            Some(known) => (known.doublings + 1).min(DOUBLINGS),
            None => 0,
        };
        let until = now.saturating_add(wait.saturating_mul(1 << doublings));
        let forgotten = until.saturating_add(QUIET);
        let new = Wait {
            until,
            doublings,
            forgotten,
        };
        if let Some(old) = self.known.insert(address, new) {
            self.ends.remove(&(old.forgotten, address));
        }
        self.ends.insert((forgotten, address));
        if self.known.len() > REMEMBERED {
            self.forget_first();
        }
    }

    fn forget(&mut self, now: u64) {
        while self.ends.first().is_some_and(|&(end, _)| end <= now) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, address)) = self.ends.pop_first() {
            self.known.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Address = Address::V4(0xc000_0201);

    #[test]
    fn a_wait_doubles_with_each_flood_up_to_a_minute_and_is_forgotten_after_5_quiet_minutes() {
        let mut waits = Waits::default();
        let mut now = 0;
        for expected in [1, 2, 4, 8, 16, 32, 64, 64] {
            assert!(!waits.is_waiting(now, ONE));
            waits.begin(now, ONE, 1_000);
            // From another connection of the same flood.
            waits.begin(now + 10, ONE, 1_000);
            assert!(waits.is_waiting(now + expected * 1_000 - 1, ONE));
            now += expected * 1_000;
        }
        waits.begin(now + QUIET, ONE, 1_000);
        now += QUIET;
        assert!(waits.is_waiting(now + 999, ONE));
        assert!(!waits.is_waiting(now + 1_000, ONE));
        assert!(!waits.is_waiting(now, Address::V4(1)));
    }

    #[test]
    fn the_table_is_bounded() {
        let mut waits = Waits::default();
        for n in 0..=u32::try_from(REMEMBERED).unwrap() {
            waits.begin(u64::from(n), Address::V4(n), 1_000_000);
        }
        assert_eq!(
            (waits.known.len(), waits.ends.len()),
            (REMEMBERED, REMEMBERED)
        );
        assert!(!waits.is_waiting(9_000, Address::V4(0)));
        assert!(waits.is_waiting(9_000, Address::V4(1)));
    }
}
