//! The way down: which connections there are, how far the server has gone, and who has to know.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slab::Slab;
use tokio::sync::watch;
use tokio::time::timeout;

use super::link::Link;

/// How long a connection that is cut may take to say so.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(250);

/// How far a server has gone. It only goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Phase {
    /// Not on the way down.
    Serving,
    /// The service has been told, and nothing else yet.
    Announced,
    /// Listeners are closed, connections are told to go away, and calls complete.
    Closing,
    /// The deadline has passed: what is left is cut.
    Cut,
    /// All is over.
    Gone,
}

impl Phase {
    pub(super) const fn from_u8(phase: u8) -> Self {
        match phase {
            0 => Self::Serving,
            1 => Self::Announced,
            2 => Self::Closing,
            3 => Self::Cut,
            _ => Self::Gone,
        }
    }
}

/// All connections of a server, and its phase.
#[derive(Debug)]
pub(super) struct Drain {
    members: Mutex<Slab<Arc<Link>>>,
    open: watch::Sender<usize>,
    phase: watch::Sender<Phase>,
}

impl Drain {
    pub(super) fn new() -> Self {
        Self {
            members: Mutex::default(),
            open: watch::Sender::new(0),
            phase: watch::Sender::new(Phase::Serving),
        }
    }

    fn members(&self) -> MutexGuard<'_, Slab<Arc<Link>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection, until the result is dropped.
    pub(super) fn join(self: &Arc<Self>, link: Arc<Link>) -> Member {
        let mut members = self.members();
        // Under the lock, so that `advance` either finds the link or is found here.
        link.set_phase(*self.phase.borrow());
        let key = members.insert(link);
        drop(members);
        self.open.send_modify(|open| *open = open.saturating_add(1));
        Member {
            drain: Arc::clone(self),
            key,
        }
    }

    /// The number of connections.
    pub(super) fn open(&self) -> usize {
        *self.open.borrow()
    }

    /// Goes on to `phase`. False if the server has been there before.
    pub(super) fn advance(&self, phase: Phase) -> bool {
        let members = self.members();
        let advanced = self.phase.send_if_modified(|current| {
            let forward = *current < phase;
            if forward {
                *current = phase;
            }
            forward
        });
        let links: Vec<_> = members.iter().map(|(_, link)| Arc::clone(link)).collect();
        drop(members);
        if advanced {
            links.iter().for_each(|link| link.set_phase(phase));
        }
        advanced
    }

    /// Completes when the server is at `phase` or past it.
    pub(super) fn reached(&self, phase: Phase) -> impl Future<Output = ()> + Send + use<> {
        let mut current = self.phase.subscribe();
        async move {
            // An error means that the server is gone, which is past everything.
            let _ = current.wait_for(|current| *current >= phase).await;
        }
    }

    /// Completes when there are no connections.
    async fn empty(&self) {
        let mut open = self.open.subscribe();
        let _ = open.wait_for(|open| *open == 0).await;
    }

    /// Begins. False if it has begun before.
    pub(super) fn start(&self) -> bool {
        self.advance(Phase::Announced)
    }

    /// Closes every connection: gives its calls until `deadline` to complete, and then cuts it.
    pub(super) async fn run(&self, deadline: Duration) {
        self.advance(Phase::Closing);
        if timeout(deadline, self.empty()).await.is_err() {
            self.advance(Phase::Cut);
            // A connection whose task is held up by a handler does not end in time; it is left behind.
            let _ = timeout(LAST_WORDS, self.empty()).await;
        }
        self.advance(Phase::Gone);
    }
}

/// A connection's place in the drain.
#[derive(Debug)]
pub(super) struct Member {
    drain: Arc<Drain>,
    key: usize,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.drain.members().try_remove(self.key);
        self.drain
            .open
            .send_modify(|open| *open = open.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn linked(drain: &Arc<Drain>) -> (Arc<Link>, Member) {
        let link = Arc::new(Link::new());
        (Arc::clone(&link), drain.join(link))
    }

    #[tokio::test(start_paused = true)]
    async fn the_drain_ends_with_the_last_connection() {
        let drain = Arc::new(Drain::new());
        let (link, member) = linked(&drain);
        let start = Instant::now();
        let running = tokio::spawn({
            let drain = Arc::clone(&drain);
            async move { drain.run(Duration::from_secs(10)).await }
        });
        drain.reached(Phase::Closing).await;
        assert_eq!(link.phase(), Phase::Closing);
        drop(member);
        running.await.unwrap();
        assert_eq!((start.elapsed(), drain.open()), (Duration::ZERO, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_stays_is_cut_at_the_deadline_and_left_after_its_last_words() {
        let drain = Arc::new(Drain::new());
        let (link, _member) = linked(&drain);
        let start = Instant::now();
        drain.run(Duration::from_secs(10)).await;
        assert_eq!(link.phase(), Phase::Gone);
        assert_eq!(start.elapsed(), Duration::from_secs(10) + LAST_WORDS);
    }

    #[test]
    fn phases_only_go_forward_and_a_late_connection_is_told() {
        let drain = Arc::new(Drain::new());
        assert!(drain.advance(Phase::Cut));
        assert!(!drain.advance(Phase::Closing));
        let (link, member) = linked(&drain);
        assert_eq!((link.phase(), drain.open()), (Phase::Cut, 1));
        drop(member);
        assert_eq!(drain.open(), 0);
    }
}
