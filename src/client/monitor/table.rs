//! The pairs of a monitor, and the order of their changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;

use super::crowd::Seat;
use super::endpoint::{Endpoint, Key};
use super::line::Line;
use super::state::{Pair, PairId, State};

/// What the task of a monitor, its handle and its readers share.
pub(super) struct Table {
    inner: Mutex<Inner>,
    /// Wakes the readers.
    told: Arc<Notify>,
}

#[derive(Default)]
struct Inner {
    pairs: BTreeMap<PairId, Entry>,
    /// The pairs by the number of their last change: each pair once, so a slow reader costs nothing.
    changes: BTreeMap<u64, PairId>,
    endpoints: HashMap<Key, Known>,
    /// The number of the last change, and of the last pair.
    last_change: u64,
    last_pair: u64,
    closed: bool,
}

struct Entry {
    pair: Pair,
    changed: u64,
    key: Key,
    seat: Arc<Seat>,
}

/// An endpoint of at least one pair.
struct Known {
    endpoint: Endpoint,
    line: Arc<Line>,
    services: HashMap<Arc<str>, PairId>,
}

/// Why a pair was not added.
pub(super) enum Refused {
    Full,
    Closed,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner::default()),
            told: Arc::new(Notify::new()),
        }
    }

    /// Adds a pair. `connect` starts what keeps the endpoint's connection, if this pair is the endpoint's first one; `follow` starts what
    /// follows the pair. A pair that is there already stays, and keeps its number.
    pub(super) fn add(
        &self,
        endpoint: &Endpoint,
        service: &str,
        limit: usize,
        connect: impl FnOnce() -> Arc<Line>,
        follow: impl FnOnce(PairId, Arc<str>, &Arc<Line>) -> Arc<Seat>,
    ) -> Result<PairId, Refused> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        if inner.closed {
            return Err(Refused::Closed);
        }
        let key = endpoint.key();
        let known = inner.endpoints.get(&key);
        if let Some(id) = known.and_then(|endpoint| endpoint.services.get(service)) {
            return Ok(*id);
        }
        if inner.pairs.len() >= limit {
            return Err(Refused::Full);
        }
        let known = inner.endpoints.entry(key.clone());
        let known = known.or_insert_with(|| Known {
            endpoint: endpoint.clone(),
            line: connect(),
            services: HashMap::new(),
        });
        inner.last_pair += 1;
        let id = PairId(inner.last_pair);
        let service: Arc<str> = service.into();
        known.services.insert(Arc::clone(&service), id);
        let pair = Pair {
            id,
            target: known.endpoint.shared_target(),
            service: Arc::clone(&service),
            state: State::Connecting,
            since: Instant::now().into_std(),
        };
        inner.last_change += 1;
        inner.changes.insert(inner.last_change, id);
        let entry = Entry {
            pair,
            changed: inner.last_change,
            key,
            seat: follow(id, service, &known.line),
        };
        inner.pairs.insert(id, entry);
        // Outside the lock: a reader's waker may be anybody's.
        drop(guard);
        self.told.notify_waiters();
        Ok(id)
    }

    /// Removes a pair, and with the last pair of an endpoint the endpoint. Returns false for a pair that is not there.
    pub(super) fn remove(&self, id: PairId) -> bool {
        let mut inner = self.lock();
        let Some(entry) = inner.pairs.remove(&id) else {
            return false;
        };
        inner.changes.remove(&entry.changed);
        let mut line = None;
        if let Some(known) = inner.endpoints.get_mut(&entry.key) {
            known.services.remove(&entry.pair.service);
            if known.services.is_empty() {
                line = inner.endpoints.remove(&entry.key).map(|gone| gone.line);
            }
        }
        drop(inner);
        entry.seat.leave();
        if let Some(line) = line {
            line.end();
        }
        true
    }

    /// Notes what is known of a pair. The same state again is no change, and after the end nothing is.
    pub(super) fn set(&self, id: PairId, state: State) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let Some(entry) = inner.pairs.get_mut(&id).filter(|_| !inner.closed) else {
            return;
        };
        if entry.pair.state == state {
            return;
        }
        entry.pair.state = state;
        entry.pair.since = Instant::now().into_std();
        inner.changes.remove(&entry.changed);
        inner.last_change += 1;
        entry.changed = inner.last_change;
        inner.changes.insert(entry.changed, id);
        drop(guard);
        self.told.notify_waiters();
    }

    pub(super) fn get(&self, id: PairId) -> Option<Pair> {
        self.lock().pairs.get(&id).map(|entry| entry.pair.clone())
    }

    pub(super) fn all(&self) -> Vec<Pair> {
        let inner = self.lock();
        inner
            .pairs
            .values()
            .map(|entry| entry.pair.clone())
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().pairs.len()
    }

    /// The first pair that has changed after the change `seen`, and the number of the pair's change.
    pub(super) fn after(&self, seen: u64) -> Option<(u64, Pair)> {
        let inner = self.lock();
        let (change, id) = inner.changes.range(seen.saturating_add(1)..).next()?;
        let entry = inner.pairs.get(id)?;
        Some((*change, entry.pair.clone()))
    }

    /// Notes that nothing follows the pairs any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.told.notify_waiters();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// What wakes a reader after the next change. A change between this call and the first poll counts.
    pub(super) fn listen(&self) -> OwnedNotified {
        Arc::clone(&self.told).notified_owned()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
