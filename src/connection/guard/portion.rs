//! How much DATA one turn reads.
//!
//! All connections of a core wait for one another's turns, so a turn reads less the more connections have much to read. What a frame costs
//! hardly depends on the frame's length. A turn therefore counts small frames, and counts the bytes of large frames only in part while few
//! connections are busy.
//!
//! h2 has a queue of all frames that nobody has taken, with some 230 bytes for each frame, and the queue never shrinks. So the handlers
//! take frames before the guard reads many more.

/// After so many frames the guard reads no more in this turn, if no other connection is busy. The last read may bring more frames.
const MOST: u32 = 400;

/// The busy connections share so many frames, and each has at least [`LEAST`] of them.
const SHARED: u32 = 1_600;
const LEAST: u32 = 50;

/// A frame of at least this many bytes is large.
const LARGE: u32 = 4 << 10;

/// The bytes of large frames count in full for so many busy connections, and less for fewer: half of them for the few. If less counted,
/// a connection would read more before it counts what its requests hold.
const CROWD: u32 = 8;
const FEW: u32 = 4;

/// How many bytes of small frames the guard reads at once, at least and at most.
const AT_ONCE: (u64, u64) = (512, 8 << 10);

/// The DATA frames of a peer in one turn.
#[derive(Debug)]
pub(super) struct Portion {
    /// How many frames have arrived that end no stream, and their bytes. A request's last frame does not count: most requests have no
    /// other.
    frames: u32,
    bytes: u64,
    /// How many bytes the guard reads at once, if the turn before ended for its frames.
    at_once: Option<u64>,
    /// How many connections have much to read, this one included.
    busy: u32,
    /// The bytes of large frames that do not count.
    spared: u64,
    /// Whether any of the above says something, so that a turn of small and whole requests tests one thing only.
    matters: bool,
}

impl Portion {
    pub(super) const fn new() -> Self {
        Self {
            frames: 0,
            bytes: 0,
            at_once: None,
            busy: 1,
            spared: 0,
            matters: false,
        }
    }

    /// Counts a frame of `len` bytes.
    pub(super) fn count(&mut self, len: u32, ends_stream: bool) {
        if !ends_stream {
            self.matters = true;
            self.frames = self.frames.saturating_add(1);
            self.bytes = self.bytes.saturating_add(9 + u64::from(len));
        }
        if len >= LARGE && self.busy < CROWD {
            self.matters = true;
            self.spared += u64::from(len - len / CROWD * self.busy.max(FEW));
        }
    }

    /// Whether the other functions have anything to say.
    pub(super) const fn matters(&self) -> bool {
        self.matters
    }

    /// After how many frames the guard reads no more.
    fn most(&self) -> u32 {
        (SHARED / self.busy.max(1)).clamp(LEAST, MOST)
    }

    /// Whether the handlers must take frames before the guard reads more.
    pub(super) fn is_full(&self) -> bool {
        self.frames >= self.most()
    }

    /// How many bytes the guard reads at once of a peer that sends many small frames; `None` for other peers.
    pub(super) const fn at_once(&self) -> Option<u64> {
        self.at_once
    }

    /// How many of the turn's bytes do not count.
    pub(super) const fn spared(&self) -> u64 {
        self.spared
    }

    /// Called when a turn begins while so many connections have much to read, this one included.
    #[inline]
    pub(super) fn begin_turn(&mut self, busy: u32) {
        if self.matters {
            self.begin(busy);
        } else {
            self.busy = busy;
        }
    }

    fn begin(&mut self, busy: u32) {
        let was_full = self.is_full();
        let average = self.bytes / u64::from(self.frames.max(1));
        self.busy = busy;
        let wanted = (u64::from(self.most()) * average).clamp(AT_ONCE.0, AT_ONCE.1);
        *self = Self {
            at_once: was_full.then_some(wanted),
            busy,
            matters: was_full,
            ..Self::new()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A turn of so many frames of `len` bytes. Returns whether the portion is full.
    fn turn(portion: &mut Portion, busy: u32, len: u32, frames: u32) -> bool {
        portion.begin_turn(busy);
        (0..frames).for_each(|_| portion.count(len, false));
        portion.is_full()
    }

    #[test]
    fn a_turn_ends_after_fewer_frames_the_more_connections_are_busy() {
        let mut portion = Portion::new();
        for (busy, most) in [
            (0, 400),
            (1, 400),
            (4, 400),
            (8, 200),
            (32, 50),
            (10_000, 50),
        ] {
            assert!(!turn(&mut portion, busy, 1, most - 1), "{busy}");
            assert!(turn(&mut portion, busy, 1, most), "{busy}");
        }
        portion.begin_turn(1);
        (0..1_000).for_each(|_| portion.count(1, true));
        assert!(!portion.is_full());
    }

    #[test]
    fn after_a_turn_of_many_frames_little_is_read_at_once() {
        let mut portion = Portion::new();
        assert!(turn(&mut portion, 1, 1, 400) && portion.at_once().is_none());
        for (busy, len, frames, at_once) in [
            (8, 21, 200, 2_000),
            (64, 1, 50, 1_500),
            (64, 1, 50, 512),
            (1, 1_000, 400, 4_000),
            (1, 1, 1, 8 << 10),
        ] {
            turn(&mut portion, busy, len, frames);
            assert_eq!(portion.at_once(), Some(at_once), "{busy} {len}");
        }
        portion.begin_turn(1);
        assert_eq!(portion.at_once(), None);
    }

    #[test]
    fn large_frames_count_in_part_while_few_connections_are_busy() {
        let mut portion = Portion::new();
        for (busy, spared) in [
            (1, 16_000),
            (4, 16_000),
            (5, 12_000),
            (7, 4_000),
            (8, 0),
            (99, 0),
        ] {
            turn(&mut portion, busy, 8_000, 4);
            assert_eq!(portion.spared(), spared, "{busy}");
            turn(&mut portion, busy, LARGE - 1, 4);
            assert_eq!(portion.spared(), 0, "{busy}");
        }
    }
}
