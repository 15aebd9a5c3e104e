//! Watchers and drivers.

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
    registry.pin("a");
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
fn with_a_driver_the_setter_wakes_only_the_driver() {
    let registry = Registry::new();
    let (driver_count, driver_waker) = Count::new();
    let (count, waker) = Count::new();
    let a = registry.register("a", Serving).unwrap();
    let mut watchers: Vec<Watcher> = (0..1000).map(|_| registry.watch("a").unwrap()).collect();
    for watcher in &mut watchers {
        assert_eq!(poll(watcher, &waker), Poll::Ready(Serving));
        assert_eq!(poll(watcher, &waker), Poll::Pending);
    }
    let mut driver = registry.driver();
    assert_eq!(drive(&mut driver, &driver_waker), Poll::Pending);
    a.set_not_serving();
    assert_eq!((driver_count.take(), count.take()), (1, 0));
    let mut woken = 0;
    while woken < 1000 {
        assert_eq!(drive(&mut driver, &driver_waker), Poll::Pending);
        let now = count.take();
        assert!((1..=128).contains(&now));
        woken += now;
        assert_eq!(driver_count.take(), usize::from(woken < 1000));
    }
    assert_eq!(woken, 1000);
}

#[test]
fn a_dropped_driver_passes_the_seat_and_what_was_queued_to_a_standby() {
    let registry = Registry::new();
    let (first_count, first_waker) = Count::new();
    let (second_count, second_waker) = Count::new();
    let (count, waker) = Count::new();
    let handles: Vec<_> = (0..300)
        .map(|i| registry.register(&format!("s{i}"), Serving).unwrap())
        .collect();
    let mut watchers: Vec<Watcher> = handles
        .iter()
        .map(|handle| registry.watch(handle.name()).unwrap())
        .collect();
    for watcher in &mut watchers {
        assert!(poll(watcher, &waker).is_ready());
        assert!(poll(watcher, &waker).is_pending());
    }
    let (mut first, mut second) = (registry.driver(), registry.driver());
    assert_eq!(drive(&mut first, &first_waker), Poll::Pending);
    assert_eq!(drive(&mut second, &second_waker), Poll::Pending);
    handles.iter().for_each(ServiceHandle::set_not_serving);
    assert_eq!(first_count.take(), 1);
    assert_eq!(drive(&mut first, &first_waker), Poll::Pending);
    assert_eq!(first_count.take(), 1);
    let woken = count.take();
    assert!(0 < woken && woken < 300);

    assert_eq!(second_count.take(), 0);
    drop(first);
    assert_eq!((second_count.take(), count.take()), (1, 0));
    let mut rest = 0;
    loop {
        assert_eq!(drive(&mut second, &second_waker), Poll::Pending);
        rest += count.take();
        if second_count.take() == 0 {
            break;
        }
    }
    assert_eq!(woken + rest, 300);
    handles[0].set_serving();
    assert_eq!((first_count.take(), second_count.take()), (0, 1));
}

#[test]
fn the_last_driver_wakes_what_was_queued_when_it_is_dropped() {
    let registry = Registry::new();
    let (count, waker) = Count::new();
    let a = registry.register("a", Serving).unwrap();
    let mut watcher = registry.watch("a").unwrap();
    assert!(poll(&mut watcher, &waker).is_ready());
    assert!(poll(&mut watcher, &waker).is_pending());
    let mut driver = registry.driver();
    assert_eq!(drive(&mut driver, Waker::noop()), Poll::Pending);
    a.set_not_serving();
    assert_eq!(count.take(), 0);
    drop(driver);
    assert_eq!(count.take(), 1);
    assert_eq!(poll(&mut watcher, &waker), Poll::Ready(NotServing));
    assert_eq!(poll(&mut watcher, &waker), Poll::Pending);
    a.set_serving();
    assert_eq!(count.take(), 1);
}

#[test]
fn a_driver_is_ready_once_the_registry_is_gone() {
    let registry = Registry::new();
    let (count, waker) = Count::new();
    let (mut first, mut second) = (registry.driver(), registry.driver());
    assert_eq!(drive(&mut first, &waker), Poll::Pending);
    assert_eq!(drive(&mut second, &waker), Poll::Pending);
    let watcher = registry.watch("").unwrap();
    drop(registry);
    assert_eq!(drive(&mut first, &waker), Poll::Pending);
    assert_eq!(count.take(), 0);
    drop(watcher);
    assert_eq!(count.take(), 2);
    assert_eq!(drive(&mut first, &waker), Poll::Ready(()));
    assert_eq!(drive(&mut second, &waker), Poll::Ready(()));
}
