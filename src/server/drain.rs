//! The drain of a server: its connections, the phase of its shutdown, and who is told of the phase.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slab::Slab;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::connection::{LAST_WORDS, Link, Phase};
use crate::observe::{Observer, Observers, Step};
use crate::service::{InOrder, Lifecycle};

/// How far the server's shutdown has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Now {
    phase: Phase,
    /// How many shutdowns were taken back: tells a shutdown from the next one.
    taken_back: u64,
}

/// A step that has been taken: the new phase, and the connections that were there.
type Stepped = (Phase, Vec<Arc<Link>>);

/// All connections of a server, and the phase of its shutdown.
#[derive(Debug)]
pub(super) struct Drain {
    members: Mutex<Slab<Arc<Link>>>,
    open: watch::Sender<usize>,
    /// The accept loops that may still bring connections.
    accepting: watch::Sender<usize>,
    now: watch::Sender<Now>,
    /// The order in which connections, observers and the service are told of the phases.
    steps: InOrder<Stepped>,
    observers: Observers,
}

impl Drain {
    pub(super) fn new(observers: Observers) -> Self {
        Self {
            observers,
            members: Mutex::default(),
            open: watch::Sender::new(0),
            accepting: watch::Sender::new(0),
            now: watch::Sender::new(Now {
                phase: Phase::Serving,
                taken_back: 0,
            }),
            steps: InOrder::new(),
        }
    }

    fn members(&self) -> MutexGuard<'_, Slab<Arc<Link>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection until the result is dropped.
    pub(super) fn join(self: &Arc<Self>, link: Arc<Link>) -> Member {
        let mut members = self.members();
        // Under the lock, so that either `step` finds the link, or the link gets the new phase here.
        link.set_phase(self.phase());
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

    /// Moves the server from `from` to phase `to`, and tells everybody. False if the server is not at `from`.
    fn step(&self, from: Now, to: Phase, tell: impl Fn(Lifecycle)) -> bool {
        let happen = || {
            let members = self.members();
            let stepped = self.now.send_if_modified(|now| {
                let here = *now == from;
                if here {
                    now.phase = to;
                    now.taken_back += u64::from(to == Phase::Serving);
                }
                here
            });
            let links = members.iter().map(|(_, link)| Arc::clone(link));
            stepped.then(|| (to, links.collect()))
        };
        self.steps.step(happen, |(phase, links)| {
            let (step, event) = match phase {
                Phase::Serving => (Step::Resumed, Some(Lifecycle::Resume)),
                Phase::Announced => (Step::Announced, Some(Lifecycle::Announce)),
                Phase::Closing => (Step::Closing, Some(Lifecycle::Closing)),
                Phase::Cut => (Step::Cut, None),
                Phase::Gone => (Step::Done, None),
            };
            self.observers.drain(step);
            links.iter().for_each(|link| link.set_phase(phase));
            event.into_iter().for_each(&tell);
        })
    }

    fn now(&self) -> Now {
        *self.now.borrow()
    }

    /// The phase of the server's shutdown.
    pub(super) fn phase(&self) -> Phase {
        self.now().phase
    }

    /// Completes when the server is in `phase` or a later one.
    pub(super) fn reached(&self, phase: Phase) -> impl Future<Output = ()> + Send + use<> {
        let mut now = self.now.subscribe();
        async move {
            // An error means that the server is gone, which is later than every phase.
            let _ = now.wait_for(|now| now.phase >= phase).await;
        }
    }

    /// Completes when there are no connections, and nobody accepts more.
    async fn empty(&self) {
        let mut accepting = self.accepting.subscribe();
        let _ = accepting.wait_for(|count| *count == 0).await;
        let mut open = self.open.subscribe();
        let _ = open.wait_for(|open| *open == 0).await;
    }

    /// Runs a shutdown to its end, and tells `tell` of its steps. False if another shutdown has begun, or if this one is taken back.
    pub(super) async fn run(&self, times: Times, tell: impl Fn(Lifecycle)) -> bool {
        let begun = self.now();
        let at = |phase| Now { phase, ..begun };
        if !self.step(at(Phase::Serving), Phase::Announced, &tell) {
            return false;
        }
        let mut now = self.now.subscribe();
        // Not only the phase: another shutdown may have been announced since this one was taken back.
        let taken_back = now.wait_for(|now| *now != at(Phase::Announced));
        let lingered = timeout(times.linger, taken_back).await.is_err();
        if !lingered || !self.step(at(Phase::Announced), Phase::Closing, &tell) {
            return false;
        }
        if timeout(times.deadline, self.empty()).await.is_err() {
            self.step(at(Phase::Closing), Phase::Cut, &tell);
            // A handler that blocks may keep its connection's task from ending in time: such a connection is left behind.
            let _ = timeout(LAST_WORDS, self.empty()).await;
            self.step(at(Phase::Cut), Phase::Gone, &tell);
        } else {
            self.step(at(Phase::Closing), Phase::Gone, &tell);
        }
        true
    }

    /// Takes a shutdown back, and tells `tell`. False unless the shutdown lingers.
    pub(super) fn take_back(&self, tell: impl Fn(Lifecycle)) -> bool {
        let at = Now {
            phase: Phase::Announced,
            ..self.now()
        };
        self.step(at, Phase::Serving, tell)
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
        assert!(!drain.take_back(|_| {}));
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
        assert!(!drain.take_back(|_| {}));
        let (running, told) = run(&drain);
        drain.reached(Phase::Announced).await;
        assert!(!drain.run(TIMES, |_| {}).await, "there is one already");
        assert!(drain.take_back(|_| {}));
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

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_that_was_taken_back_does_not_shorten_the_next_one() {
        let drain = Arc::new(Drain::new(Observers::default()));
        let start = Instant::now();
        let (first, _) = run(&drain);
        drain.reached(Phase::Announced).await;
        let before = TIMES.linger - Duration::from_secs(1);
        tokio::time::sleep(before).await;
        assert!(drain.take_back(|_| {}));
        // Before the task of the first one runs again.
        assert!(
            drain.run(TIMES, |_| {}).await,
            "the first one ended the second"
        );
        assert!(!first.await.unwrap(), "it was taken back");
        assert_eq!(start.elapsed(), before + TIMES.linger);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_that_is_taken_back_while_it_is_announced_is_announced_first() {
        let drain = Arc::new(Drain::new(Observers::default()));
        let (link, _member) = linked(&drain);
        let told = Mutex::new(Vec::new());
        let phases = || (drain.phase(), link.phase());
        std::thread::scope(|scope| {
            let (began, begun) = std::sync::mpsc::channel();
            let (resume, resumed) = std::sync::mpsc::channel::<()>();
            scope.spawn({
                let (drain, told) = (&drain, &told);
                move || {
                    begun.recv().unwrap();
                    let resumed = drain.take_back(|event| told.lock().unwrap().push(event));
                    drop(resume);
                    assert!(resumed);
                }
            });
            let announced = |event| {
                began.send(()).unwrap();
                // Nobody takes it back before it is announced.
                let wait = resumed.recv_timeout(Duration::from_millis(50));
                assert_eq!(wait, Err(std::sync::mpsc::RecvTimeoutError::Timeout));
                assert_eq!(phases(), (Phase::Announced, Phase::Announced));
                told.lock().unwrap().push(event);
            };
            assert!(drain.step(drain.now(), Phase::Announced, announced));
        });
        assert_eq!(
            *told.lock().unwrap(),
            [Lifecycle::Announce, Lifecycle::Resume]
        );
        assert_eq!(phases(), (Phase::Serving, Phase::Serving));
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_that_a_hook_takes_back_is_told_first() {
        let drain = Drain::new(Observers::default());
        let told = Mutex::new(Vec::new());
        let tell = |event| {
            if event == Lifecycle::Announce {
                assert!(drain.take_back(|_| {}));
            }
            told.lock().unwrap().push(event);
        };
        assert!(!drain.run(TIMES, tell).await);
        assert_eq!(
            *told.lock().unwrap(),
            [Lifecycle::Announce, Lifecycle::Resume]
        );
        assert_eq!(drain.phase(), Phase::Serving);
    }
}
