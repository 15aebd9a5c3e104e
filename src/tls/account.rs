//! Counts the TLS records of a peer, and what the records are worth. Pure: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// The length of a record's head (RFC 8446, section 5.1).
const HEAD: usize = 5;

/// How many bytes a record must bring so that the record is not in vain. The shortest HTTP/2 frame has nine.
const WORTH: u64 = 8;

/// How many records in vain a peer may send in one burst. A used-up burst becomes full again in [`REFILL`].
const BURST: u64 = 1_000;
const REFILL: Duration = Duration::from_secs(30);

/// How many records TLS gets at once. A KeyUpdate takes some 12 µs.
const AT_ONCE: u64 = 16;

/// The peer's debt from which on the peer's records need turns.
const SUSPECT: u64 = AT_ONCE * WORTH;

/// How many records without a pause need a turn, whatever they bring.
const BATCH: u64 = 128;

/// What a peer has sent.
#[derive(Debug)]
pub(super) struct Account {
    /// The head of the next record, and how many bytes of the head have arrived.
    head: [u8; HEAD],
    have: usize,
    /// How many bytes of the current record have not arrived.
    skip: usize,
    /// The records and the delivered bytes that are not in `debt`.
    records: u64,
    delivered: u64,
    /// [`WORTH`] bytes for each record, less the bytes that the records brought. Never below zero.
    debt: u64,
    /// The time up to which passed time has been taken off the debt.
    forgiven: Instant,
    /// How many records have been read since other tasks ran.
    batch: u64,
}

impl Account {
    pub(super) fn new() -> Self {
        Self {
            head: [0; HEAD],
            have: 0,
            skip: 0,
            records: 0,
            delivered: 0,
            debt: 0,
            forgiven: Instant::now(),
            batch: 0,
        }
    }

    /// Counts the records that begin in `bytes`, at most [`AT_ONCE`]. Returns how many bytes belong to the counted records.
    pub(super) fn read(&mut self, bytes: &[u8]) -> usize {
        let most = self.records + AT_ONCE;
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            if self.skip > 0 {
                let n = self.skip.min(rest.len());
                self.skip -= n;
                rest = rest.get(n..).unwrap_or_default();
                continue;
            }
            if self.have == 0 && self.records == most {
                break;
            }
            if let Some(place) = self.head.get_mut(self.have) {
                *place = byte;
            }
            self.have += 1;
            rest = rest.get(1..).unwrap_or_default();
            if self.have == HEAD {
                let [.., high, low] = self.head;
                self.skip = usize::from(u16::from_be_bytes([high, low]));
                self.have = 0;
                self.records += 1;
            }
        }
        bytes.len() - rest.len()
    }

    /// Takes note that the records brought so many bytes.
    pub(super) fn deliver(&mut self, bytes: usize) {
        self.delivered += u64::try_from(bytes).unwrap_or(0);
    }

    /// Whether other tasks have to run before TLS gets more records.
    pub(super) const fn needs_turn(&self) -> bool {
        self.debt > SUSPECT || self.batch >= BATCH
    }

    /// Called when other tasks have run, or will run.
    pub(super) const fn rested(&mut self) {
        self.batch = 0;
    }

    /// Called when all bytes of the records read so far have been delivered. Returns false if too many records were in vain.
    pub(super) fn settle(&mut self, now: impl Fn() -> Instant) -> bool {
        self.batch += self.records;
        let due = self.debt + WORTH * self.records;
        self.debt = due.saturating_sub(self.delivered);
        (self.records, self.delivered) = (0, 0);
        if self.debt <= BURST * WORTH {
            return true;
        }
        let now = now();
        let passed = now.saturating_duration_since(self.forgiven).min(REFILL);
        let gained = passed.as_nanos() * u128::from(BURST * WORTH) / REFILL.as_nanos();
        if gained > 0 {
            self.debt -= u64::try_from(gained).unwrap_or(0);
            self.forgiven = now;
        }
        self.debt <= BURST * WORTH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads records of these lengths, which bring so many bytes.
    fn settle(account: &mut Account, records: &[u16], brought: usize, now: Instant) -> bool {
        for len in records {
            account.read(&[23, 3, 3]);
            account.read(&len.to_be_bytes());
            account.read(&vec![0; usize::from(*len)]);
        }
        account.deliver(brought);
        account.settle(|| now)
    }

    #[test]
    fn a_burst_of_records_in_vain_is_there_at_once_and_again_after_30_s() {
        let mut account = Account::new();
        let start = account.forgiven;
        let burst = |account: &mut Account, now| {
            (0..5_000)
                .take_while(|_| settle(account, &[22], 0, now))
                .count()
        };
        assert_eq!(burst(&mut account, start), 1_000);
        account.debt = BURST * WORTH;
        assert_eq!(burst(&mut account, start + REFILL / 10), 100);
        account.debt = BURST * WORTH;
        assert_eq!(burst(&mut account, start + 2 * REFILL), 1_000);
    }

    #[test]
    fn records_that_bring_a_frame_are_never_in_vain() {
        let mut account = Account::new();
        let now = account.forgiven;
        for _ in 0..100_000 {
            // A frame's head alone; a key update and a PING; one byte and the rest of a frame, as Java splits records.
            assert!(settle(&mut account, &[26], 9, now));
            assert!(settle(&mut account, &[22, 34], 17, now));
            assert!(settle(&mut account, &[18, 40], 24, now));
            assert!(account.debt <= SUSPECT);
        }
    }

    #[test]
    fn records_are_counted_in_pieces_of_any_size() {
        let mut bytes = Vec::new();
        for len in [0u16, 1, 300, 0, 0, 7] {
            bytes.extend([23, 3, 3]);
            bytes.extend(len.to_be_bytes());
            bytes.extend(vec![0xff; usize::from(len)]);
        }
        for size in 1..=bytes.len() {
            let mut account = Account::new();
            for piece in bytes.chunks(size) {
                assert_eq!(account.read(piece), piece.len());
            }
            assert_eq!(account.records, 6, "{size}");
        }
    }

    #[test]
    fn tls_gets_16_records_at_once() {
        let bytes = [23, 3, 3, 0, 2, 0, 0].repeat(40);
        let mut account = Account::new();
        // Two records and a part of the third come first.
        assert_eq!(account.read(&bytes[..16]), 16);
        let mut at = 16;
        let mut given = Vec::new();
        while at < bytes.len() {
            account.settle(Instant::now);
            let n = account.read(&bytes[at..]);
            given.push(n);
            at += n;
        }
        assert_eq!(given, [5 + 15 * 7, 16 * 7, 6 * 7]);
    }

    #[test]
    fn records_need_turns_after_16_in_vain_or_128_without_a_pause() {
        let mut account = Account::new();
        let now = account.forgiven;
        let needed = |brought, account: &mut Account| {
            let needs = |_: &i32| {
                settle(account, &[26], brought, now);
                !account.needs_turn()
            };
            (0..1_000).take_while(needs).count()
        };
        assert_eq!(needed(9, &mut account), 127);
        account.rested();
        assert_eq!(needed(9, &mut account), 127);
        account.rested();
        assert_eq!(needed(0, &mut account), 16);
        // A turn does not pay the debt, and bytes do.
        account.rested();
        assert!(account.needs_turn());
        settle(&mut account, &[40], 24, now);
        assert!(!account.needs_turn());
    }
}
