use std::sync::atomic::AtomicUsize;
use std::task::Wake;

use super::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn counter() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (Arc::clone(&count), Waker::from(count))
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Relaxed)
    }
}

#[test]
fn one_share_holds_a_quarter_at_most_and_gives_everything_back() {
    let budget = Budget::new(400);
    let mut share = Share::new(&budget);
    assert_eq!(share.try_take(100), Ok(()));
    assert_eq!(share.try_take(1), Err(Full::Share));
    share.give_back(60);
    assert_eq!(share.try_take(60), Ok(()));
    assert_eq!(share.try_take(usize::MAX), Err(Full::Share));
    // The guaranteed part comes whatever is held.
    share.take_anyway(1_000);
    assert_eq!(budget.used(), 1_100);
    share.give_back(usize::MAX);
    assert_eq!(budget.used(), 0);
    share.take_anyway(7);
    drop(share);
    assert_eq!(budget.used(), 0);
}

#[test]
fn shares_wait_in_order_and_each_byte_wakes_one_at_most() {
    let budget = Budget::new(400);
    let mut holders: Vec<_> = (0..4).map(|_| Share::new(&budget)).collect();
    for holder in &mut holders {
        assert_eq!(holder.try_take(100), Ok(()));
    }
    let mut waiters: Vec<_> = (0..3).map(|_| Share::new(&budget)).collect();
    let wakes: Vec<_> = waiters
        .iter_mut()
        .map(|waiter| {
            assert_eq!(waiter.try_take(50), Err(Full::Budget));
            let (count, waker) = counter();
            waiter.wait(50, &waker);
            count
        })
        .collect();
    let woken = || wakes.iter().map(|count| count.get()).collect::<Vec<_>>();
    holders[0].give_back(40);
    assert_eq!(woken(), [0, 0, 0]);
    holders[0].give_back(60);
    assert_eq!(woken(), [1, 0, 0]);
    // Nobody overtakes: neither the second nor a share that holds some bytes.
    assert_eq!(waiters[1].try_take(50), Err(Full::Budget));
    assert_eq!(holders[0].try_take(1), Err(Full::Budget));
    assert_eq!(waiters[0].try_take(50), Ok(()));
    assert_eq!(woken(), [1, 1, 0]);
    // The second leaves without a byte.
    waiters[1].leave();
    assert_eq!(woken(), [1, 1, 1]);
    drop(waiters.remove(2));
    assert!(!budget.is_wanted());
    assert_eq!(holders[0].try_take(50), Ok(()));
    assert_eq!(budget.used(), 400);
}

#[test]
fn a_share_that_waits_again_keeps_its_place() {
    let budget = Budget::new(400);
    let mut holder = Share::new(&budget);
    holder.take_anyway(400);
    let (mut first, mut second) = (Share::new(&budget), Share::new(&budget));
    let (count, waker) = counter();
    first.wait(100, &waker);
    second.wait(10, &Waker::noop().clone());
    first.wait(20, &waker);
    holder.give_back(20);
    assert_eq!(count.get(), 1);
    // Room that came before the share waits wakes the share at once.
    first.wait(20, &waker);
    assert_eq!(count.get(), 2);
    drop(first);
    assert_eq!(second.try_take(20), Ok(()));
    assert_eq!(budget.used(), 400);
}

/// While a large share waits, small ones take what is too little for it, up to as many bytes as the large one waits for.
#[test]
fn small_shares_pass_a_large_one_for_a_while() {
    let budget = Budget::new(400);
    let mut holder = Share::new(&budget);
    holder.take_anyway(390);
    let (mut large, mut small) = (Share::new(&budget), Share::new(&budget));
    let (count, waker) = counter();
    large.wait(20, &waker);
    for _ in 0..2 {
        assert_eq!(small.try_take(10), Ok(()));
        small.give_back(10);
        // A share that waits again is not passed anew.
        large.wait(20, &waker);
    }
    assert_eq!(small.try_take(1), Err(Full::Budget));
    assert_eq!(count.get(), 0);
    holder.give_back(10);
    assert_eq!(count.get(), 1);
    assert_eq!(large.try_take(20), Ok(()));
    assert!(!budget.is_wanted());
}

/// Each thread takes, waits and gives back. A wake that is lost hangs a thread, and a byte that is lost shows at the end.
#[test]
fn no_wake_and_no_byte_is_lost_between_threads() {
    struct Thread(std::thread::Thread);
    impl Wake for Thread {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let budget = Budget::new(100);
    std::thread::scope(|scope| {
        for number in 0..8_usize {
            let budget = &budget;
            scope.spawn(move || {
                let waker = Waker::from(Arc::new(Thread(std::thread::current())));
                let mut share = Share::new(budget);
                for round in 0..2_000 {
                    let bytes = 1 + (number * 7 + round * 3) % 25;
                    while share.try_take(bytes).is_err() {
                        share.wait(bytes, &waker);
                        if share.try_take(bytes).is_ok() {
                            break;
                        }
                        std::thread::park();
                    }
                    share.give_back(bytes);
                }
            });
        }
    });
    assert_eq!((budget.used(), budget.is_wanted()), (0, false));
}
