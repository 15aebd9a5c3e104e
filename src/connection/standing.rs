//! What a connection does, and since when: by this the server chooses which connection makes room for another.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a connection does, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Doing {
    /// The connection has had no call yet.
    Unused,
    /// No call is open.
    Idle,
    /// Only long-lived calls, such as `Watch`, are open.
    Watching,
    /// The handshake is not complete, or the client has had no time for its first call. Above the others: a client that arrives loses
    /// more than one that stays.
    Arriving,
    /// Another call is open.
    Working,
}

impl Doing {
    /// Whether a connection that does this has had a call.
    pub(crate) const fn has_called(self) -> bool {
        matches!(self, Self::Idle | Self::Watching | Self::Working)
    }
}

/// What a connection does, and since when, in milliseconds of the server's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Standing {
    pub(crate) doing: Doing,
    pub(crate) since: u64,
}

impl Standing {
    pub(crate) const fn new(doing: Doing, since: u64) -> Self {
        Self { doing, since }
    }
}

/// A standing that the connection writes and the server reads at any time. Relaxed: it orders no other memory.
#[derive(Debug)]
pub(super) struct Stands(AtomicU64);

/// The number of bits for the milliseconds; the rest is for what the connection does.
const BITS: u32 = 56;

impl Stands {
    pub(super) const fn new() -> Self {
        Self(AtomicU64::new((Doing::Arriving as u64) << BITS))
    }

    pub(super) fn set(&self, standing: Standing) {
        let since = standing.since & ((1 << BITS) - 1);
        self.0
            .store((standing.doing as u64) << BITS | since, Relaxed);
    }

    pub(super) fn get(&self) -> Standing {
        let packed = self.0.load(Relaxed);
        let doing = match packed >> BITS {
            0 => Doing::Unused,
            1 => Doing::Idle,
            2 => Doing::Watching,
            3 => Doing::Arriving,
            _ => Doing::Working,
        };
        Standing::new(doing, packed & ((1 << BITS) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read_and_more_work_stands_higher() {
        let stands = Stands::new();
        assert_eq!(stands.get(), Standing::new(Doing::Arriving, 0));
        let all = [
            Doing::Unused,
            Doing::Idle,
            Doing::Watching,
            Doing::Arriving,
            Doing::Working,
        ];
        for doing in all {
            let standing = Standing::new(doing, 7_777_777_777);
            stands.set(standing);
            assert_eq!(stands.get(), standing);
        }
        assert!(Standing::new(Doing::Unused, 9) < Standing::new(Doing::Idle, 1));
    }
}
