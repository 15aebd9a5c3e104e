//! Bounds the DATA frames of one turn.
//!
//! h2 has a queue of all frames that nobody has taken, with some 230 bytes for each frame, and the queue never shrinks. So the handlers
//! take frames before the guard reads many more.

/// After so many frames the guard reads no more in this turn. The last read may bring more frames.
pub(super) const MOST: u32 = 200;

/// The DATA frames of a peer that end no stream. A request's last frame does not count: most requests have no other.
#[derive(Debug)]
pub(super) struct Crumbs {
    frames: u32,
    /// Whether the turn before ended for its frames.
    many_before: bool,
}

impl Crumbs {
    pub(super) const fn new() -> Self {
        Self {
            frames: 0,
            many_before: false,
        }
    }

    /// Counts a frame.
    pub(super) fn count(&mut self, ends_stream: bool) {
        self.frames = self.frames.saturating_add(u32::from(!ends_stream));
    }

    /// Whether the handlers must take frames before the guard reads more.
    pub(super) const fn must_be_taken(&self) -> bool {
        self.frames >= MOST
    }

    /// Whether the peer sends so many frames that the guard reads little at once.
    pub(super) const fn are_many(&self) -> bool {
        self.many_before
    }

    /// Called when a turn begins.
    pub(super) const fn forget(&mut self) {
        self.many_before = self.must_be_taken();
        self.frames = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_end_no_stream_are_counted_until_they_are_forgotten() {
        let mut crumbs = Crumbs::new();
        let count = |crumbs: &mut Crumbs, ends_stream, times| {
            (0..times).for_each(|_| crumbs.count(ends_stream));
            crumbs.must_be_taken()
        };
        assert!(!count(&mut crumbs, true, 1_000));
        assert!(!count(&mut crumbs, false, MOST - 1));
        assert!(count(&mut crumbs, false, 1) && !crumbs.are_many());
        crumbs.forget();
        assert!(!crumbs.must_be_taken() && crumbs.are_many());
        crumbs.forget();
        assert!(!crumbs.are_many());
    }
}
