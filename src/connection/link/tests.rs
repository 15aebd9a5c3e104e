use std::sync::atomic::AtomicUsize;

use super::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn counting() -> (Arc<Count>, Waker) {
    let count = Arc::<Count>::default();
    (Arc::clone(&count), Waker::from(count))
}

#[test]
fn a_stream_woken_many_times_is_listed_once_and_wakes_the_task_once() {
    let link = Arc::new(Link::new());
    let stream = Arc::new(StreamWaker::new(Arc::clone(&link), 7));
    let (count, task) = counting();
    assert!(link.park(&task));
    for _ in 0..3 {
        Waker::from(Arc::clone(&stream)).wake();
    }
    assert_eq!(count.0.load(Relaxed), 1);
    let mut keys = Vec::new();
    link.take(&mut keys);
    assert_eq!(keys, [7]);
    stream.dequeue();
    stream.wake_by_ref();
    keys.clear();
    link.take(&mut keys);
    assert_eq!(keys, [7]);
}

#[test]
fn a_wake_during_the_poll_wakes_nobody_and_keeps_the_task_from_parking() {
    let link = Arc::new(Link::new());
    let stream = Arc::new(StreamWaker::new(Arc::clone(&link), 0));
    let (count, task) = counting();
    assert!(link.park(&task));
    link.begin();
    stream.wake_by_ref();
    assert!(!link.park(&task));
    assert_eq!(count.0.load(Relaxed), 0);
    link.take(&mut Vec::new());
    assert!(link.park(&task));
}

#[test]
fn a_phase_set_during_the_poll_keeps_the_task_from_parking() {
    let link = Link::new();
    let (count, task) = counting();
    link.begin();
    link.set_phase(Phase::Closing);
    assert!(!link.park(&task));
    assert_eq!(link.phase(), Phase::Closing);
    assert!(link.park(&task));
    link.set_phase(Phase::Cut);
    assert_eq!(count.0.load(Relaxed), 1);
}
