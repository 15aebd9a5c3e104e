//! The driver, its seat, and many threads.

use super::super::ServingStatus::{NotServing, Serving, Unknown};
use super::*;

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

#[test]
fn a_driver_never_polled_holds_no_seat() {
    let registry = Registry::new();
    let (count, waker) = Count::new();
    let _watcher = parked("", &registry, &waker);
    let _idle = registry.driver();
    registry.shutdown();
    assert_eq!(count.take(), 1);
}

#[test]
fn a_standby_that_leaves_is_passed_over() {
    let registry = Registry::new();
    let (count, waker) = Count::new();
    let (last_count, last_waker) = Count::new();
    let _watcher = parked("", &registry, &waker);
    let [mut first, mut gone, mut last] = std::array::from_fn(|_| registry.driver());
    assert!(drive(&mut first, Waker::noop()).is_pending());
    assert!(drive(&mut gone, Waker::noop()).is_pending());
    assert!(drive(&mut last, &last_waker).is_pending());
    drop(gone);
    drop(first);
    assert_eq!(last_count.take(), 1);
    // The driver has the seat and has not been polled since: dropping it must not strand a watcher.
    registry.shutdown();
    assert_eq!(count.take(), 0);
    drop(last);
    assert_eq!(count.take(), 1);
}

/// Setters, watchers that come and go, registrations and changing drivers on real threads. It ends
/// when every watcher has seen the last status of its service: a lost wake would hang it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_stress_every_watcher_sees_the_last_status() {
    const SERVICES: usize = 8;
    const ROUNDS: usize = 20_000;
    let registry = Registry::new();
    let name = |i: usize| format!("service.{}", i % SERVICES);

    let mut tasks = Vec::new();
    for i in 0..64 {
        let (registry, name) = (registry.clone(), name(i));
        tasks.push(tokio::spawn(async move {
            let mut watcher = registry.watch(&name).unwrap();
            let mut last = None;
            loop {
                let status = watcher.changed().await;
                assert_ne!(last, Some(status));
                last = Some(status);
                match status {
                    // Nobody sets it but at the end.
                    Unknown => return,
                    // Some leave and come again.
                    Serving if i % 4 == 0 => {
                        watcher = registry.watch(&name).unwrap();
                        last = None;
                    }
                    _ => {}
                }
            }
        }));
    }
    let drivers = {
        let registry = registry.clone();
        tokio::spawn(async move {
            loop {
                let driver = tokio::spawn(registry.driver());
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                driver.abort();
            }
        })
    };
    let setters: Vec<_> = (0..4)
        .map(|t| {
            let registry = registry.clone();
            std::thread::spawn(move || {
                for round in 0..ROUNDS {
                    let name = name(round * 7 + t);
                    match (round + t) % 8 {
                        0 => registry.clear(&name),
                        1 => drop(registry.register(&name, Serving).unwrap()),
                        2 if t == 0 => registry.shutdown(),
                        3 if t == 0 => registry.resume(),
                        4 | 5 => registry.set_service_status(&name, NotServing).unwrap(),
                        _ => registry.set_service_status(&name, Serving).unwrap(),
                    }
                }
            })
        })
        .collect();
    for setter in setters {
        setter.join().unwrap();
    }
    registry.resume();
    for i in 0..SERVICES {
        registry.set_service_status(&name(i), Unknown).unwrap();
    }
    for task in tasks {
        task.await.unwrap();
    }
    drivers.abort();
    assert!(drivers.await.unwrap_err().is_cancelled());
}
