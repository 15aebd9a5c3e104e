//! Hysteresis: how many equal results in a row change a status.

use std::time::{Duration, Instant};

use super::ServingStatus::{self, NotServing, Serving};

/// How many results in a row change a status, and how many have come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Damper {
    rise: u32,
    fall: u32,
    dwell: Duration,
    /// Equal results in a row, good or bad. They begin at 0 after each change of the status.
    row: u32,
    good: bool,
    /// When bad results last changed the status.
    fell: Option<Instant>,
}

impl Damper {
    pub(super) fn new(rise: u32, fall: u32, dwell: Duration) -> Self {
        Self {
            rise: rise.max(1),
            fall: fall.max(1),
            dwell,
            row: 0,
            good: true,
            fell: None,
        }
    }

    /// Forgets the results so far: the status was changed by something else.
    pub(super) fn reset(&mut self) {
        self.row = 0;
        self.fell = None;
    }

    /// Takes one result, at the time `at`, for a service of this status. The status that the service is to
    /// have from now on.
    pub(super) fn take(&mut self, status: ServingStatus, good: bool, at: Instant) -> ServingStatus {
        if self.good != good {
            self.row = 0;
        }
        self.good = good;
        self.row = self.row.saturating_add(1);
        match (status, good) {
            (Serving, true) | (NotServing, false) => status,
            (_, false) if self.row < self.fall => status,
            (_, false) => {
                self.row = 0;
                self.fell = Some(at);
                NotServing
            }
            (_, true) if self.row < self.rise || self.dwells(status, at) => status,
            (_, true) => {
                self.row = 0;
                Serving
            }
        }
    }

    fn dwells(&self, status: ServingStatus, at: Instant) -> bool {
        let since = self.fell.filter(|_| status == NotServing);
        since.is_some_and(|fell| at.saturating_duration_since(fell) < self.dwell)
    }
}

impl Default for Damper {
    fn default() -> Self {
        Self::new(1, 1, Duration::ZERO)
    }
}
