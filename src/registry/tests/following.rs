//! Subscribers.

use super::super::ServingStatus::{NotServing, ServiceUnknown, Serving, Unknown};
use super::*;

fn all(subscriber: &mut Subscriber, waker: &Waker) -> Vec<(String, ServingStatus)> {
    let mut cx = Context::from_waker(waker);
    let mut found = Vec::new();
    while let Poll::Ready(change) = subscriber.poll_next(&mut cx) {
        found.push(change);
    }
    found
}

fn changes(changes: &[(&str, ServingStatus)]) -> Vec<(String, ServingStatus)> {
    let owned = |(name, status): &(&str, _)| ((*name).to_owned(), *status);
    changes.iter().map(owned).collect()
}

#[test]
fn a_subscriber_yields_every_service_and_then_the_latest_changes() {
    let registry = Registry::new();
    let (count, waker) = Count::new();
    let a = registry.register("a", NotServing).unwrap();
    registry.register("cleared", Serving).unwrap();
    registry.clear("cleared");
    let mut subscriber = registry.subscribe_all();
    let found = all(&mut subscriber, &waker);
    assert_eq!(found, changes(&[("", Serving), ("a", NotServing)]));

    a.set_serving();
    assert_eq!(count.take(), 1);
    a.set_not_serving();
    assert_eq!(count.take(), 0, "woken once until it polls");
    assert_eq!(all(&mut subscriber, &waker), []);

    registry.register("new", Unknown).unwrap();
    registry.set_service_status("cleared", Serving).unwrap();
    registry.clear("a");
    assert_eq!(count.take(), 1);
    let found = all(&mut subscriber, &waker);
    let mut expected = changes(&[
        ("a", ServiceUnknown),
        ("cleared", Serving),
        ("new", Unknown),
    ]);
    assert_eq!(found.len(), 3);
    expected.retain(|change| !found.contains(change));
    assert_eq!(expected, []);

    registry.shutdown();
    assert_eq!(count.take(), 1);
    assert_eq!(all(&mut subscriber, &waker).len(), 3);
}

#[test]
fn a_service_that_changes_often_hides_no_other() {
    let registry = Registry::new();
    let first = registry.register("a", Serving).unwrap();
    let mut subscriber = registry.subscribe_all();
    let (_, waker) = Count::new();
    all(&mut subscriber, &waker);
    registry.register("b", Serving).unwrap();
    first.set_not_serving();
    let mut cx = Context::from_waker(&waker);
    let mut found = Vec::new();
    for status in [Unknown, NotServing] {
        let Poll::Ready((name, _)) = subscriber.poll_next(&mut cx) else {
            panic!("there are changes");
        };
        found.push(name);
        first.set(status);
    }
    found.sort();
    assert_eq!(found, ["a", "b"]);
}

#[test]
fn a_driver_wakes_subscribers() {
    let registry = Registry::new();
    let (count, waker) = Count::new();
    let (driven, drivers) = Count::new();
    let mut driver = registry.driver();
    assert!(drive(&mut driver, &drivers).is_pending());
    let mut subscriber = registry.subscribe_all();
    all(&mut subscriber, &waker);
    driven.take();
    registry.set_service_status("", NotServing).unwrap();
    assert_eq!((driven.take(), count.take()), (1, 0));
    assert!(drive(&mut driver, &drivers).is_pending());
    assert_eq!(count.take(), 1);
    drop(subscriber);
    registry.set_service_status("", Serving).unwrap();
    assert_eq!(driven.take(), 0, "nobody follows");
}

#[test]
fn a_subscriber_of_one_service_is_a_watcher() {
    let registry = Registry::new();
    let (count, waker) = Count::new();
    let mut subscriber = registry.subscribe("a").unwrap();
    assert_eq!(poll(&mut subscriber, &waker), Poll::Ready(ServiceUnknown));
    assert!(poll(&mut subscriber, &waker).is_pending());
    registry.set_service_status("a", Serving).unwrap();
    assert_eq!(count.take(), 1);
    assert_eq!(poll(&mut subscriber, &waker), Poll::Ready(Serving));
    assert!(small(1).subscribe("far too long").is_err());
}

#[test]
fn looks_find_the_latest_status_of_each_service_and_hook_no_word() {
    let registry = Registry::new();
    let a = registry.register("a", NotServing).unwrap();
    let mut looks = registry.looks();
    let mut look = || {
        let mut found = Vec::new();
        looks.look(|name, status| found.push((name.to_owned(), status)));
        found
    };
    assert_eq!(look(), changes(&[("", Serving), ("a", NotServing)]));
    assert_eq!(look(), []);
    a.set_serving();
    a.set_not_serving();
    assert_eq!(look(), [], "a change that was undone");
    a.set_serving();
    registry.register("b", Unknown).unwrap();
    registry.clear("");
    let latest = [("", ServiceUnknown), ("a", Serving), ("b", Unknown)];
    assert_eq!(look(), changes(&latest));
    for name in ["", "a", "b"] {
        let (_, slot) = registry.shared.find(name).unwrap();
        assert!(!slot.word.load().hooked(), "{name}");
    }
}
