//! Limits the frames with which a server answers nothing: PINGs, SETTINGS, interim responses (1xx), resets, frames without data.

use std::time::Duration;

use tokio::time::Instant;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;

/// How many such frames a server may send in one burst, and the time in which a used-up burst becomes full again. A server that sends a
/// PING each second sends 30 in that time.
const BURST: u32 = 1_000;
const REFILL: Duration = Duration::from_secs(30);

/// The frames that come with a call, and with each frame that answers one: settings, windows, measurements of the path, the reply's head.
const ALONG: u32 = 8;

/// Too many frames that answer nothing.
pub(super) const TOO_MANY: &str = "the server sent too many frames that answer nothing";

/// Counts the frames of one connection.
#[derive(Debug)]
pub(super) struct Flood {
    left: u32,
    /// When the burst was full last.
    filled: Instant,
    /// How many calls the client had made when their frames were added.
    calls: u32,
}

impl Flood {
    pub(super) fn new() -> Self {
        Self {
            left: BURST,
            filled: Instant::now(),
            calls: 0,
        }
    }

    /// Counts a frame. Returns false if there are too many. `calls` is how many calls the client has made.
    pub(super) fn count(&mut self, kind: u8, flags: u8, len: usize, calls: u32) -> bool {
        let ends = flags & END_STREAM != 0;
        if matches!(kind, DATA if len > 0 || ends) || kind == HEADERS && ends {
            self.left = self.left.saturating_add(ALONG);
            return true;
        }
        if self.left == 0 {
            self.fill(calls);
        }
        spend(&mut self.left)
    }

    #[cold]
    fn fill(&mut self, calls: u32) {
        let made = calls.wrapping_sub(self.calls);
        self.calls = calls;
        self.left = made.saturating_mul(ALONG);
        let now = Instant::now();
        if now.duration_since(self.filled) >= REFILL {
            self.filled = now;
            self.left = self.left.saturating_add(BURST);
        }
    }
}

/// Takes one away. Returns false if there is none.
pub(super) fn spend(left: &mut u32) -> bool {
    let rest = left.checked_sub(1);
    *left = rest.unwrap_or(0);
    rest.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;

    /// How many PINGs pass at once.
    fn pings(flood: &mut Flood, calls: u32) -> u32 {
        let mut passed = 0;
        while flood.count(PING, 0, 8, calls) {
            passed += 1;
        }
        passed
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_as_many_after_30_s() {
        let mut flood = Flood::new();
        assert_eq!(pings(&mut flood, 0), 1_000);
        assert_eq!(pings(&mut flood, 0), 0);
        tokio::time::advance(REFILL).await;
        assert_eq!(pings(&mut flood, 0), 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_and_answers_bring_frames_along() {
        let mut flood = Flood::new();
        // What grpcio sends for a call: two windows and a PING, and the head of the reply.
        for calls in 1..=100_000 {
            for (kind, flags, len) in [(8, 0, 4), (8, 0, 4), (PING, 0, 8), (HEADERS, 4, 9)] {
                assert!(flood.count(kind, flags, len, calls));
            }
        }
        let mut flood = Flood::new();
        for _ in 0..100_000 {
            assert!(flood.count(PING, 0, 8, 1) && flood.count(DATA, 0, 7, 1));
        }
        assert!(flood.left > BURST);
    }

    #[tokio::test(start_paused = true)]
    async fn empty_frames_answer_nothing() {
        for (kind, flags) in [(HEADERS, 4), (DATA, 0), (3, 0), (4, 0), (8, 0), (0xee, 0)] {
            let mut flood = Flood::new();
            let passed = (0..2_000).take_while(|_| flood.count(kind, flags, 0, 0));
            assert_eq!(passed.count(), 1_000, "{kind}");
        }
    }
}
