//! What a watcher yields, and when it is woken.

use super::super::ServingStatus::{NotServing, ServiceUnknown, Serving, Unknown};
use super::*;

#[test]
fn a_watcher_yields_at_once_and_then_only_what_differs() {
    let registry = Registry::new();
    let (count, waker) = Count::new();
    let a = registry.register("a", Serving).unwrap();
    let mut watcher = registry.watch("a").unwrap();
    assert_eq!(poll(&mut watcher, &waker), Poll::Ready(Serving));
    assert_eq!(poll(&mut watcher, &waker), Poll::Pending);
    a.set_serving();
    assert_eq!(count.take(), 0);
    a.set_not_serving();
    assert_eq!(count.take(), 1);
    a.set_serving();
    assert_eq!(poll(&mut watcher, &waker), Poll::Pending);
    a.set(Unknown);
    a.set_not_serving();
    assert_eq!(count.take(), 1);
    assert_eq!(poll(&mut watcher, &waker), Poll::Ready(NotServing));
    assert_eq!(poll(&mut watcher, &waker), Poll::Pending);
}

#[test]
fn a_watcher_follows_clear_revival_shutdown_pin_and_resume() {
    let registry = Registry::new();
    let (count, waker) = Count::new();
    let a = registry.register("a", Serving).unwrap();
    let mut watcher = registry.watch("a").unwrap();
    let mut expect = |status| {
        assert_eq!(poll(&mut watcher, &waker), Poll::Ready(status));
        assert_eq!(poll(&mut watcher, &waker), Poll::Pending);
    };
    expect(Serving);
    registry.clear("a");
    expect(ServiceUnknown);
    a.set_serving();
    expect(Serving);
    registry.shutdown();
    expect(NotServing);
    registry.pin("a").unwrap();
    expect(Serving);
    registry.unpin("a");
    expect(NotServing);
    registry.clear("a");
    expect(ServiceUnknown);
    registry.resume();
    a.set(Unknown);
    expect(Unknown);
    assert_eq!(count.take(), 7);
}

#[test]
fn an_unknown_name_is_watched_without_growing_the_registry() {
    let registry = small(2);
    let (count, waker) = Count::new();
    let mut watchers: Vec<Watcher> = (0..100)
        .map(|i| registry.watch(&format!("u{i}")).unwrap())
        .collect();
    for watcher in &mut watchers {
        assert_eq!(poll(watcher, &waker), Poll::Ready(ServiceUnknown));
        assert_eq!(poll(watcher, &waker), Poll::Pending);
    }
    assert_eq!(registry.services().len(), 1);
    registry.clear("u7");
    registry.shutdown();
    assert_eq!(count.take(), 0);
    registry.resume();
    registry.set_service_status("u7", Serving).unwrap();
    assert_eq!(count.take(), 1);
    for (i, watcher) in watchers.iter_mut().enumerate() {
        let expected = if i == 7 {
            Poll::Ready(Serving)
        } else {
            Poll::Pending
        };
        assert_eq!(poll(watcher, &waker), expected);
    }
    registry.clear("u7");
    assert_eq!(poll(&mut watchers[7], &waker), Poll::Ready(ServiceUnknown));
}

#[test]
fn a_watcher_of_a_name_registered_during_shutdown_sees_not_serving() {
    let registry = Registry::new();
    let (count, waker) = Count::new();
    let mut watcher = registry.watch("late").unwrap();
    assert_eq!(poll(&mut watcher, &waker), Poll::Ready(ServiceUnknown));
    assert_eq!(poll(&mut watcher, &waker), Poll::Pending);
    registry.shutdown();
    registry.set_service_status("late", Serving).unwrap();
    assert_eq!(count.take(), 1);
    assert_eq!(poll(&mut watcher, &waker), Poll::Ready(NotServing));
}

#[test]
fn nobody_is_woken_for_a_change_undone() {
    let registry = Registry::new();
    let (count, waker) = Count::new();
    let a = registry.register("a", Serving).unwrap();
    let mut watcher = parked("a", &registry, &waker);
    let mut driver = registry.driver();
    assert!(drive(&mut driver, Waker::noop()).is_pending());
    a.set_not_serving();
    a.set_serving();
    assert!(drive(&mut driver, Waker::noop()).is_pending());
    assert_eq!(count.take(), 0);
    assert!(poll(&mut watcher, &waker).is_pending());
    a.set_not_serving();
    assert!(drive(&mut driver, Waker::noop()).is_pending());
    assert_eq!(count.take(), 1);
}

#[test]
fn the_latest_waker_is_the_one_woken() {
    let registry = Registry::new();
    let ((old_count, old), (new_count, new)) = (Count::new(), Count::new());
    let mut watcher = parked("", &registry, &old);
    assert!(poll(&mut watcher, &new).is_pending());
    registry.shutdown();
    assert_eq!((old_count.take(), new_count.take()), (0, 1));
    assert_eq!(Arc::strong_count(&old_count), 2);
}

#[test]
fn a_dropped_watcher_leaves_nothing_behind() {
    let registry = Registry::new();
    let (count, waker) = Count::new();
    for name in ["", "unknown"] {
        let (first, second) = (
            parked(name, &registry, &waker),
            parked(name, &registry, &waker),
        );
        drop(first);
        assert_eq!(Arc::strong_count(&count), 3);
        drop(second);
        assert_eq!(Arc::strong_count(&count), 2);
    }
    assert!(!registry.shared.slab.get(0).unwrap().word.load().watched());
    registry.shutdown();
    assert_eq!(count.take(), 0);
}

#[test]
fn a_waker_may_use_the_registry() {
    struct Reenter(Registry);
    impl Wake for Reenter {
        fn wake(self: Arc<Self>) {
            self.0.set_service_status("b", NotServing).unwrap();
            let mut watcher = self.0.watch("a").unwrap();
            assert_eq!(poll(&mut watcher, Waker::noop()), Poll::Ready(NotServing));
        }
    }
    let registry = Registry::new();
    let (count, waker) = Count::new();
    let a = registry.register("a", Serving).unwrap();
    registry.set_service_status("b", Serving).unwrap();
    let _b = parked("b", &registry, &waker);
    let _a = parked(
        "a",
        &registry,
        &Waker::from(Arc::new(Reenter(registry.clone()))),
    );
    a.set_not_serving();
    assert_eq!(count.take(), 1);
}

/// As with a task that is dropped with the last waker to it.
#[test]
fn a_waker_may_own_a_watcher_of_the_same_list() {
    struct Owner(#[expect(dead_code, reason = "dropped with it")] Watcher);
    impl Wake for Owner {
        fn wake(self: Arc<Self>) {}
    }
    let registry = Registry::new();
    for name in ["", "unknown"] {
        let owner = |name| Waker::from(Arc::new(Owner(registry.watch(name).unwrap())));
        let mut watcher = parked(name, &registry, &owner(name));
        assert!(poll(&mut watcher, &owner(name)).is_pending());
        registry.shutdown();
        registry.resume();
        assert!(poll(&mut watcher, &owner(name)).is_pending());
        drop(watcher);
    }
}

#[test]
fn a_waker_that_panics_costs_the_others_nothing() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker of the test's, which is to panic");
        }
    }
    let registry = Registry::new();
    let (count, waker) = Count::new();
    let panics = Waker::from(Arc::new(Panics));
    let _watchers = [&waker, &panics, &waker].map(|waker| parked("", &registry, waker));
    registry.shutdown();
    assert_eq!(count.take(), 2);
}

#[test]
fn statuses_can_be_set_in_drop_while_panicking() {
    struct Guard(ServiceHandle);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.set_not_serving();
        }
    }
    let registry = Registry::new();
    let (count, waker) = Count::new();
    let _watcher = parked("", &registry, &waker);
    let guard = Guard(registry.register("", Serving).unwrap());
    let thread = std::thread::spawn(move || {
        let _guard = guard;
        panic!("the test's thread, which is to panic");
    });
    assert!(thread.join().is_err());
    assert_eq!(
        (registry.get_service_status(""), count.take()),
        (NotServing, 1)
    );
}

#[tokio::test]
async fn changed_waits_for_the_next_status() {
    let registry = Registry::new();
    let mut watcher = registry.watch("a").unwrap();
    assert_eq!(watcher.changed().await, ServiceUnknown);
    let task = tokio::spawn(async move { (watcher.changed().await, watcher.changed().await) });
    tokio::task::yield_now().await;
    registry.set_service_status("a", Unknown).unwrap();
    tokio::task::yield_now().await;
    registry.clear("a");
    assert_eq!(task.await.unwrap(), (Unknown, ServiceUnknown));
}
