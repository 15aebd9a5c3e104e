//! The drain of a server: its connections, the phase of its shutdown, and who is told of the phase.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slab::Slab;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::connection::{LAST_WORDS, Link, Phase};
use crate::observe::{Observer, Observers, Step};
use crate::service::Lifecycle;

/// All connections of a server, and the phase of its shutdown.
#[derive(Debug)]
pub(super) struct Drain {
    members: Mutex<Slab<Arc<Link>>>,
    open: watch::Sender<usize>,
    /// The accept loops that may still bring connections.
    accepting: watch::Sender<usize>,
    phase: watch::Sender<Phase>,
    observers: Observers,
}

impl Drain {
    pub(super) fn new(observers: Observers) -> Self {
        Self {
            observers,
            members: Mutex::default(),
            open: watch::Sender::new(0),
            accepting: watch::Sender::new(0),
            phase: watch::Sender::new(Phase::Serving),
        }
    }

    fn members(&self) -> MutexGuard<'_, Slab<Arc<Link>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection until the result is dropped.
    pub(super) fn join(self: &Arc<Self>, link: Arc<Link>) -> Member {
        let mut members = self.members();
        // Under the lock, so that either `step` finds the link, or the link gets the new phase here.
        link.set_phase(*self.phase.borrow());
        let key = members.insert(link);
        drop(members);
        self.open.send_modify(|open| *open = open.saturating_add(1));
        Member {
            drain: Arc::clone(self),
            key,
        }
    }

    /// Puts the end of the drain off until the result is dropped: an accept loop may bring more connections.
    pub(super) fn hold(self: &Arc<Self>) -> Hold {
        self.accepting
            .send_modify(|count| *count = count.saturating_add(1));
        Hold(Arc::clone(self))
    }

    /// The number of open connections.
    pub(super) fn open(&self) -> usize {
        *self.open.borrow()
    }

    /// Moves the server from phase `from` to phase `to`. False if the server is not in phase `from`.
    fn step(&self, from: Phase, to: Phase) -> bool {
        let members = self.members();
        let stepped = self.phase.send_if_modified(|current| {
            let here = *current == from;
            if here {
                *current = to;
            }
            here
        });
        let links: Vec<_> = members.iter().map(|(_, link)| Arc::clone(link)).collect();
        drop(members);
        if stepped {
            self.observers.drain(match to {
                Phase::Serving => Step::Resumed,
                Phase::Announced => Step::Announced,
                Phase::Closing => Step::Closing,
                Phase::Cut => Step::Cut,
                Phase::Gone => Step::Done,
            });
            links.iter().for_each(|link| link.set_phase(to));
        }
        stepped
    }

    /// The phase of the server's shutdown.
    pub(super) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Completes when the server is in `phase` or a later one.
    pub(super) fn reached(&self, phase: Phase) -> impl Future<Output = ()> + Send + use<> {
        let mut current = self.phase.subscribe();
        async move {
            // An error means that the server is gone, which is later than every phase.
            let _ = current.wait_for(|current| *current >= phase).await;
        }
    }

    /// Completes when there are no connections, and nobody accepts more.
    async fn empty(&self) {
        let mut accepting = self.accepting.subscribe();
        let _ = accepting.wait_for(|count| *count == 0).await;
        let mut open = self.open.subscribe();
        let _ = open.wait_for(|open| *open == 0).await;
    }

    /// Runs a shutdown to its end, and tells `tell` of each step before the step is taken. False if another shutdown has begun, or if this
    /// one is taken back.
    pub(super) async fn run(&self, times: Times, tell: impl Fn(Lifecycle)) -> bool {
        if !self.step(Phase::Serving, Phase::Announced) {
            return false;
        }
        tell(Lifecycle::Announce);
        let mut phase = self.phase.subscribe();
        let taken_back = phase.wait_for(|phase| *phase != Phase::Announced);
        let lingered = timeout(times.linger, taken_back).await.is_err();
        if !lingered || !self.step(Phase::Announced, Phase::Closing) {
            return false;
        }
        tell(Lifecycle::Closing);
        if timeout(times.deadline, self.empty()).await.is_err() {
            self.step(Phase::Closing, Phase::Cut);
            // A handler that blocks may keep its connection's task from ending in time: such a connection is left behind.
            let _ = timeout(LAST_WORDS, self.empty()).await;
            self.step(Phase::Cut, Phase::Gone);
        } else {
            self.step(Phase::Closing, Phase::Gone);
        }
        true
    }

    /// Takes a shutdown back. False unless the shutdown lingers.
    pub(super) fn take_back(&self) -> bool {
        self.step(Phase::Announced, Phase::Serving)
    }
}

/// The times of a shutdown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// How long the server goes on after the announcement, so that balancers notice.
    pub(super) linger: Duration,
    /// How long calls may take to complete after the GOAWAY.
    pub(super) deadline: Duration,
}

/// A connection's membership in the drain.
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

/// An accept loop, for as long as it may bring connections.
#[derive(Debug)]
pub(super) struct Hold(Arc<Drain>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0
            .accepting
            .send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    use super::*;

    fn linked(drain: &Arc<Drain>) -> (Arc<Link>, Member) {
        let link = Arc::new(Link::new());
        (Arc::clone(&link), drain.join(link))
    }

    const TIMES: Times = Times {
        linger: Duration::from_secs(5),
        deadline: Duration::from_secs(10),
    };

    /// The events that were told, each with the second in which it was told.
    type Told = Arc<Mutex<Vec<(Lifecycle, u64)>>>;

    fn run(drain: &Arc<Drain>) -> (JoinHandle<bool>, Told) {
        let told = Told::default();
        let running = tokio::spawn({
            let (drain, told, start) = (Arc::clone(drain), Arc::clone(&told), Instant::now());
            async move {
                let tell = |event| {
                    told.lock()
                        .unwrap()
                        .push((event, start.elapsed().as_secs()))
                };
                drain.run(TIMES, tell).await
            }
        });
        (running, told)
    }

    #[tokio::test(start_paused = true)]
    async fn the_drain_lingers_and_then_ends_with_the_last_connection() {
        let drain = Arc::new(Drain::new(Observers::default()));
        let (link, member) = linked(&drain);
        let start = Instant::now();
        let (running, told) = run(&drain);
        drain.reached(Phase::Announced).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        drain.reached(Phase::Closing).await;
        assert_eq!(start.elapsed(), TIMES.linger);
        assert_eq!(link.phase(), Phase::Closing);
        assert!(!drain.take_back());
        drop(member);
        assert!(running.await.unwrap());
        assert_eq!((start.elapsed(), drain.open()), (TIMES.linger, 0));
        let expected = [(Lifecycle::Announce, 0), (Lifecycle::Closing, 5)];
        assert_eq!(*told.lock().unwrap(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_stays_is_cut_at_the_deadline_and_left_after_its_last_words() {
        let drain = Arc::new(Drain::new(Observers::default()));
        let (link, _member) = linked(&drain);
        let start = Instant::now();
        assert!(drain.run(TIMES, |_| {}).await);
        assert_eq!(link.phase(), Phase::Gone);
        assert_eq!(start.elapsed(), TIMES.linger + TIMES.deadline + LAST_WORDS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_that_is_taken_back_while_it_lingers_can_begin_again() {
        let drain = Arc::new(Drain::new(Observers::default()));
        let (link, member) = linked(&drain);
        assert!(!drain.take_back());
        let (running, told) = run(&drain);
        drain.reached(Phase::Announced).await;
        assert!(!drain.run(TIMES, |_| {}).await, "there is one already");
        assert!(drain.take_back());
        assert!(!running.await.unwrap());
        assert_eq!(
            (drain.phase(), link.phase()),
            (Phase::Serving, Phase::Serving)
        );
        assert_eq!(*told.lock().unwrap(), [(Lifecycle::Announce, 0)]);
        drop(member);
        assert!(drain.run(TIMES, |_| {}).await);
        assert_eq!(drain.phase(), Phase::Gone);
    }

    #[tokio::test(start_paused = true)]
    async fn the_drain_waits_for_the_connections_that_an_accept_loop_still_brings() {
        let drain = Arc::new(Drain::new(Observers::default()));
        let hold = drain.hold();
        let (running, _) = run(&drain);
        drain.reached(Phase::Closing).await;
        let (link, member) = linked(&drain);
        assert_eq!(link.phase(), Phase::Closing);
        drop(hold);
        tokio::task::yield_now().await;
        assert_eq!(drain.phase(), Phase::Closing);
        drop(member);
        assert!(running.await.unwrap());
        assert_eq!(drain.phase(), Phase::Gone);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_comes_late_is_told() {
        let drain = Arc::new(Drain::new(Observers::default()));
        assert!(drain.run(TIMES, |_| {}).await);
        let (link, member) = linked(&drain);
        assert_eq!((link.phase(), drain.open()), (Phase::Gone, 1));
        drop(member);
        assert_eq!(drain.open(), 0);
    }
}
