//! Many futures in one task. A wake-up reaches the future that it is for, and no other future is polled.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use slab::Slab;
use tokio::task::{coop::has_budget_remaining, yield_now};

/// How many futures one turn of the task polls at most, and how long a turn lasts, before the runtime polls every other ready task and its
/// sockets. A step of a TLS handshake may take longer than a turn: then the turn is over after that step.
const TURN: usize = 64;
const TURN_TIME: Duration = Duration::from_micros(500);

/// A length of the list of new members at which the list is first searched for members that have left.
const SWEEP: usize = 64;

pub(super) type Member = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The futures of the task.
pub(super) struct Crowd {
    members: Slab<(Member, Arc<Seat>, Waker)>,
    door: Arc<Door>,
}

/// Where futures join the crowd, and where those that were woken wait for their turn.
#[derive(Default)]
pub(super) struct Door(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    /// Futures that were never polled.
    new: Vec<(Member, Arc<Seat>)>,
    /// The next length of `new` at which members that have left are taken out.
    sweep: usize,
    /// Members that were woken, each once, in the order of their wake-ups.
    woken: VecDeque<Arc<Seat>>,
    task: Option<Waker>,
    /// The task is gone.
    closed: bool,
}

/// The place of one future in the crowd.
#[derive(Debug)]
pub(super) struct Seat {
    door: Weak<Door>,
    place: AtomicUsize,
    woken: AtomicBool,
    left: AtomicBool,
}

impl Door {
    /// Adds a future, which lives until the future is ready, or the seat is left, or the crowd is gone.
    pub(super) fn join(self: &Arc<Self>, member: Member) -> Arc<Seat> {
        let seat = Arc::new(Seat {
            door: Arc::downgrade(self),
            place: AtomicUsize::new(usize::MAX),
            woken: AtomicBool::new(false),
            left: AtomicBool::new(false),
        });
        let mut waiting = self.lock();
        let mut gone = Vec::new();
        if waiting.closed {
            gone.push((member, Arc::clone(&seat)));
        } else {
            if waiting.new.len() >= waiting.sweep.max(SWEEP) {
                let new = std::mem::take(&mut waiting.new).into_iter();
                (gone, waiting.new) = new.partition(|(_, seat)| seat.left());
                waiting.sweep = waiting.new.len() * 2;
            }
            waiting.new.push((member, Arc::clone(&seat)));
        }
        let task = waiting.task.take();
        drop(waiting);
        // Outside the lock: a future that is dropped may wake others.
        drop(gone);
        if let Some(task) = task {
            task.wake();
        }
        seat
    }

    fn wake(&self, seat: Arc<Seat>) {
        let mut waiting = self.lock();
        if waiting.closed {
            return;
        }
        waiting.woken.push_back(seat);
        let task = waiting.task.take();
        drop(waiting);
        if let Some(task) = task {
            task.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Has the task drop the future.
    pub(super) fn leave(self: &Arc<Self>) {
        self.left.store(true, Ordering::SeqCst);
        // A future without a place is looked at when the future gets its place.
        if self.place.load(Ordering::SeqCst) != usize::MAX {
            self.wake_by_ref();
        }
    }

    fn left(&self) -> bool {
        self.left.load(Ordering::SeqCst)
    }
}

impl Wake for Seat {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(door) = self.door.upgrade() {
            door.wake(Arc::clone(self));
        }
    }
}

impl Crowd {
    pub(super) fn new(door: Arc<Door>) -> Self {
        let members = Slab::new();
        Self { members, door }
    }

    /// Polls the futures for as long as the task lives.
    pub(super) async fn run(mut self) {
        loop {
            poll_fn(|cx| self.poll_turn(cx)).await;
            yield_now().await;
        }
    }

    /// Polls the members that were woken. Ready when the turn is over and members may be left.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let begun = Instant::now();
        for _ in 0..TURN {
            if begun.elapsed() > TURN_TIME {
                break;
            }
            // Without a budget every socket and every timer claims that nothing has happened.
            if !has_budget_remaining() {
                break;
            }
            let mut waiting = self.door.lock();
            let new = std::mem::take(&mut waiting.new);
            if new.is_empty() {
                let Some(seat) = waiting.woken.pop_front() else {
                    waiting.task = Some(cx.waker().clone());
                    return Poll::Pending;
                };
                drop(waiting);
                self.poll_member(&seat);
            } else {
                drop(waiting);
                for (member, seat) in new {
                    self.seat(member, seat);
                }
            }
        }
        Poll::Ready(())
    }

    fn seat(&mut self, member: Member, seat: Arc<Seat>) {
        let waker = Waker::from(Arc::clone(&seat));
        let entry = self.members.vacant_entry();
        seat.place.store(entry.key(), Ordering::SeqCst);
        entry.insert((member, Arc::clone(&seat), waker));
        seat.wake_by_ref();
    }

    fn poll_member(&mut self, seat: &Arc<Seat>) {
        // Before the poll: a wake-up during the poll counts.
        seat.woken.store(false, Ordering::Release);
        let place = seat.place.load(Ordering::SeqCst);
        let Some((member, owner, waker)) = self.members.get_mut(place) else {
            return;
        };
        // A member that is gone may be woken late, when another one has the place.
        if !Arc::ptr_eq(owner, seat) {
            return;
        }
        if seat.left()
            || member
                .as_mut()
                .poll(&mut Context::from_waker(waker))
                .is_ready()
        {
            drop(self.members.try_remove(place));
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let mut waiting = self.door.lock();
        waiting.closed = true;
        let gone = (
            std::mem::take(&mut waiting.new),
            std::mem::take(&mut waiting.woken),
            waiting.task.take(),
        );
        drop(waiting);
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::mpsc;

    use super::*;

    struct Counted(Arc<AtomicUsize>, mpsc::UnboundedReceiver<()>);

    impl Future for Counted {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            self.0.fetch_add(1, Ordering::Relaxed);
            match self.1.poll_recv(cx) {
                Poll::Ready(None) => Poll::Ready(()),
                _ => Poll::Pending,
            }
        }
    }

    fn poll(crowd: &mut Crowd) -> bool {
        crowd
            .poll_turn(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn a_wake_up_polls_one_future_of_a_thousand() {
        let door = Arc::new(Door::default());
        let mut crowd = Crowd::new(Arc::clone(&door));
        let polls = Arc::new(AtomicUsize::new(0));
        let mut senders = Vec::new();
        for _ in 0..1_000 {
            let (tell, told) = mpsc::unbounded_channel();
            door.join(Box::pin(Counted(Arc::clone(&polls), told)));
            senders.push(tell);
        }
        while poll(&mut crowd) {}
        assert_eq!(polls.swap(0, Ordering::Relaxed), 1_000);
        senders[500].send(()).unwrap();
        assert!(!poll(&mut crowd));
        assert_eq!(polls.swap(0, Ordering::Relaxed), 1);
        // A future that is ready is gone, and nobody polls it again.
        drop(senders.swap_remove(0));
        while poll(&mut crowd) {}
        assert_eq!(polls.swap(0, Ordering::Relaxed), 1);
        assert_eq!(crowd.members.len(), 999);
    }

    #[test]
    fn a_turn_polls_64_futures_at_most() {
        let door = Arc::new(Door::default());
        let mut crowd = Crowd::new(Arc::clone(&door));
        let polls = Arc::new(AtomicUsize::new(0));
        for _ in 0..200 {
            let polls = Arc::clone(&polls);
            door.join(Box::pin(poll_fn(move |cx| {
                polls.fetch_add(1, Ordering::Relaxed);
                cx.waker().wake_by_ref();
                Poll::Pending
            })));
        }
        assert!(poll(&mut crowd));
        let first = polls.swap(0, Ordering::Relaxed);
        assert!(first <= TURN, "{first}");
        assert!(poll(&mut crowd));
        let second = polls.load(Ordering::Relaxed);
        assert!((1..=TURN).contains(&second), "{second}");
    }

    #[test]
    fn a_future_that_leaves_is_dropped() {
        let door = Arc::new(Door::default());
        let mut crowd = Crowd::new(Arc::clone(&door));
        let held = Arc::new(());
        let member = |held: Arc<()>| -> Member {
            Box::pin(async move {
                pending::<()>().await;
                drop(held);
            })
        };
        let seat = door.join(member(Arc::clone(&held)));
        while poll(&mut crowd) {}
        seat.leave();
        while poll(&mut crowd) {}
        assert_eq!(Arc::strong_count(&held), 1);
        // Before the first poll.
        door.join(member(Arc::clone(&held))).leave();
        while poll(&mut crowd) {}
        assert_eq!((Arc::strong_count(&held), crowd.members.len()), (1, 0));
    }

    #[test]
    fn members_that_come_and_go_between_two_turns_are_not_kept() {
        let door = Arc::new(Door::default());
        let crowd = Crowd::new(Arc::clone(&door));
        for _ in 0..100_000 {
            door.join(Box::pin(pending())).leave();
        }
        assert!(door.lock().new.len() <= SWEEP);
        assert!(door.lock().woken.is_empty());
        drop(crowd);
    }

    #[test]
    fn after_the_crowd_nothing_is_kept() {
        let door = Arc::new(Door::default());
        let crowd = Crowd::new(Arc::clone(&door));
        let held = Arc::new(());
        for _ in 0..2 {
            let held = Arc::clone(&held);
            door.join(Box::pin(async move { drop(held) }));
        }
        drop(crowd);
        let late = Arc::clone(&held);
        let seat = door.join(Box::pin(async move { drop(late) }));
        seat.wake();
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(door.lock().woken.is_empty());
    }
}
