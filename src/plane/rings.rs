//! The sampling of leases: when each one is looked at, and which ones are stale.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::registry::Pulse;

/// The shortest interval between two looks at a lease.
const TICK: Duration = Duration::from_millis(4);
/// Each ring's interval is twice that of the ring before; the last ring's is over an hour.
const RINGS: u32 = 20;
/// A lease is looked at so many times in its time to live, at least. A beat may come right after a look, and a
/// lease may become stale right after another: that makes a fifth of the time, and leaves a twentieth for a
/// timer that fires late.
const LOOKS: u32 = 10;

/// How often a lease with this time to live is looked at.
pub(super) fn tick_for(ttl: Duration) -> Duration {
    TICK * (1 << ring_for(ttl))
}

fn ring_for(ttl: Duration) -> u32 {
    let ticks = ttl.as_millis() / (TICK * LOOKS).as_millis();
    ticks.checked_ilog2().unwrap_or(0).min(RINGS - 1)
}

/// How many looks without a beat fit into `time`, which is rounded up.
pub(super) fn samples(time: Duration, tick: Duration) -> u32 {
    let samples = time.as_nanos().div_ceil(tick.as_nanos().max(1));
    u32::try_from(samples).unwrap_or(u32::MAX).max(1)
}

/// The leases of one registry. Leases that are looked at equally often are in one ring.
#[derive(Debug, Default)]
pub(super) struct Rings {
    rings: Vec<Ring>,
    /// The looks at each ring are whole intervals of the ring after this moment, so that the looks at several
    /// rings fall together.
    start: Option<Instant>,
}

#[derive(Debug)]
struct Ring {
    tick: Duration,
    /// When the ring is looked at next; `None` until the first look is scheduled.
    due: Option<Instant>,
    leases: Vec<Sampled>,
}

#[derive(Debug)]
struct Sampled {
    pulse: Arc<Pulse>,
    ttl: Duration,
    /// When a look saw a beat last; `None` before the first look, which sees the beat of the lease's beginning.
    heard: Option<Instant>,
    /// How many looks without a beat make the lease stale.
    allowed: u32,
    /// How many looks without a beat there have been.
    silent: u32,
    stale: bool,
}

/// A lease that has become stale, or that is beaten again.
pub(super) type Turned = (Arc<Pulse>, bool);

impl Rings {
    pub(super) fn add(&mut self, pulse: &Arc<Pulse>, ttl: Duration) {
        let tick = tick_for(ttl);
        let sampled = Sampled {
            pulse: Arc::clone(pulse),
            ttl,
            heard: None,
            allowed: samples(ttl, tick),
            silent: 0,
            stale: false,
        };
        match self.rings.iter_mut().find(|ring| ring.tick == tick) {
            Some(ring) => ring.push(sampled),
            None => self.rings.push(Ring {
                tick,
                due: None,
                leases: vec![sampled],
            }),
        }
    }

    /// The leases, each with the time for which looks have found no beat.
    pub(super) fn ages(&self) -> Vec<(Arc<Pulse>, Duration)> {
        let mut ages = Vec::new();
        for ring in &self.rings {
            let held = ring.leases.iter().filter(|lease| !lease.pulse.is_gone());
            ages.extend(held.map(|lease| {
                let age = ring.tick.saturating_mul(lease.silent);
                (Arc::clone(&lease.pulse), age)
            }));
        }
        ages
    }

    /// Looks at the leases of each ring that is due. The next time to look, or `None` without leases.
    ///
    /// A look that comes late counts as one look: time in which nobody looked makes no lease stale.
    pub(super) fn sample(&mut self, at: Instant, turned: &mut Vec<Turned>) -> Option<Instant> {
        let start = *self.start.get_or_insert(at);
        for ring in &mut self.rings {
            ring.sample(start, at, turned);
        }
        self.rings.retain(|ring| !ring.leases.is_empty());
        self.rings.iter().filter_map(|ring| ring.due).min()
    }
}

impl Ring {
    fn push(&mut self, lease: Sampled) {
        // The list must not grow for ever where nobody looks.
        if self.leases.len() == self.leases.capacity() {
            self.leases.retain(|lease| !lease.pulse.is_gone());
        }
        self.leases.push(lease);
    }

    fn sample(&mut self, start: Instant, at: Instant, turned: &mut Vec<Turned>) {
        if self.due.is_some_and(|due| at < due) {
            return;
        }
        let first = self.due.is_none();
        self.due = Some(self.next(start, at));
        if first {
            return;
        }
        self.leases.retain_mut(|lease| {
            if lease.pulse.is_gone() {
                return false;
            }
            if lease.turns(at, self.tick) {
                turned.push((Arc::clone(&lease.pulse), lease.stale));
            }
            true
        });
    }
}

impl Ring {
    /// The first look after `at`. Looks that were missed are left out.
    fn next(&self, start: Instant, at: Instant) -> Instant {
        let tick = self.tick.as_nanos().max(1);
        let passed = at.saturating_duration_since(start).as_nanos();
        let next = (passed / tick + 1) * tick;
        start + Duration::from_nanos(u64::try_from(next).unwrap_or(u64::MAX))
    }
}

impl Sampled {
    /// Looks at the lease; true if it has become stale, or is beaten again.
    ///
    /// The looks alone do not count the time: after a look that comes late, the next one comes soon.
    fn turns(&mut self, at: Instant, tick: Duration) -> bool {
        let (beaten, patience) = self.pulse.sample();
        self.silent = if beaten {
            self.heard = Some(at);
            0
        } else {
            self.silent.saturating_add(1)
        };
        let quiet = self.heard.map(|heard| at.saturating_duration_since(heard));
        let time = self.ttl.max(tick.saturating_mul(patience));
        let stale = self.silent >= self.allowed.max(patience) && quiet >= Some(time);
        std::mem::replace(&mut self.stale, stale) != stale
    }
}
