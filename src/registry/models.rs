//! Loom models: one for each race in the registry. `scripts/loom.sh` explores them.
//!
//! A lost wake is a deadlock in each model, which loom reports.

mod hooked;

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::ServingStatus::{NotServing, ServiceUnknown, Serving, Unknown};
use super::*;
use crate::sync::{block_on, model, thread};

/// Polls the drivers and the watcher until it yields `last`.
fn follow(watcher: &mut Watcher, drivers: &mut [Driver], last: ServingStatus) {
    block_on(poll_fn(|cx| {
        for driver in &mut *drivers {
            assert!(pin!(driver).poll(cx).is_pending());
        }
        while let Poll::Ready(status) = watcher.poll_next(cx) {
            if status == last {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }));
}

/// A watcher that has yielded the current status.
fn watcher(registry: &Registry, name: &str) -> Watcher {
    let mut watcher = registry.watch(name).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(watcher.poll_next(&mut cx).is_ready());
    watcher
}

fn seated_driver(registry: &Registry) -> Driver {
    let mut driver = registry.driver();
    assert!(
        pin!(&mut driver)
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    driver
}

/// How many changes of the shown status the word of `""` has counted.
fn version(registry: &Registry) -> u64 {
    registry.shared.slab.get(0).unwrap().word.load().version()
}

#[test]
fn set_and_set() {
    model(|| {
        let registry = Registry::new();
        let mine = registry.register("", Serving).unwrap();
        let theirs = mine.clone();
        let thread = thread::spawn(move || theirs.set(Unknown));
        mine.set_not_serving();
        thread.join().unwrap();
        assert!(matches!(mine.status(), NotServing | Unknown));
        assert_eq!(version(&registry), 2);
    });
}

#[test]
fn set_and_subscribe() {
    model(|| {
        let registry = Registry::new();
        let handle = registry.register("", Serving).unwrap();
        let thread = thread::spawn(move || handle.set_not_serving());
        let mut watcher = registry.watch("").unwrap();
        follow(&mut watcher, &mut [], NotServing);
        thread.join().unwrap();
    });
}

/// Two changes while one watcher polls: the second may find the slot queued already.
#[test]
fn set_and_set_and_poll() {
    model(|| {
        let registry = Registry::new();
        let mut watcher = watcher(&registry, "");
        let handle = registry.register("", Serving).unwrap();
        let other = handle.clone();
        let first = thread::spawn(move || handle.set(Unknown));
        let second = thread::spawn(move || other.set_not_serving());
        block_on(poll_fn(|cx| match watcher.poll_next(cx) {
            Poll::Ready(NotServing) => Poll::Ready(()),
            // Either the setters ran in the other order, and `Unknown` stays, or `NotServing` is yet to come.
            Poll::Ready(status) => {
                assert_eq!(status, Unknown);
                match watcher.poll_next(cx) {
                    Poll::Ready(_) => Poll::Ready(()),
                    Poll::Pending if version(&registry) == 2 => Poll::Ready(()),
                    Poll::Pending => Poll::Pending,
                }
            }
            Poll::Pending => Poll::Pending,
        }));
        first.join().unwrap();
        second.join().unwrap();
    });
}

/// The last watcher leaves, and another comes, while a setter looks whether there is any.
#[test]
fn set_and_drop_watcher() {
    model(|| {
        let registry = Registry::new();
        let leaving = registry.watch("").unwrap();
        let handle = registry.register("", Serving).unwrap();
        let thread = thread::spawn(move || {
            drop(leaving);
            handle.set_not_serving();
        });
        let mut coming = registry.watch("").unwrap();
        follow(&mut coming, &mut [], NotServing);
        thread.join().unwrap();
        drop(coming);
        assert!(!registry.shared.slab.get(0).unwrap().word.load().watched());
    });
}

#[test]
fn clear_and_set() {
    model(|| {
        let registry = Registry::new();
        let mut watcher = watcher(&registry, "");
        let handle = registry.register("", Serving).unwrap();
        let clearing = registry.clone();
        let thread = thread::spawn(move || clearing.clear(""));
        handle.set_not_serving();
        thread.join().unwrap();
        let last = handle.status();
        assert!(matches!(last, NotServing | ServiceUnknown));
        assert_eq!(version(&registry), 2);
        follow(&mut watcher, &mut [], last);
    });
}

/// Enough names that the table in use is replaced while it is searched.
#[test]
fn register_and_lookup() {
    model(|| {
        let registry = Registry::new();
        let registering = registry.clone();
        let thread = thread::spawn(move || {
            registering.register("a", NotServing).unwrap();
            registering.register("b", Unknown).unwrap();
        });
        let b = registry.get_service_status("b");
        let a = registry.get_service_status("a");
        assert!(matches!(b, Unknown | ServiceUnknown));
        assert!(a == NotServing || a == ServiceUnknown && b == ServiceUnknown);
        assert_eq!(registry.get_service_status(""), Serving);
        registry.visit(|name, status| {
            assert!(matches!(
                (name, status),
                ("", Serving) | ("a", NotServing) | ("b", Unknown)
            ));
            std::ops::ControlFlow::Continue(())
        });
        thread.join().unwrap();
        assert_eq!(registry.services().len(), 3);
    });
}

#[test]
fn register_and_register() {
    model(|| {
        let registry = Registry::new();
        let registering = registry.clone();
        let thread = thread::spawn(move || registering.register("a", NotServing).unwrap());
        let mine = registry.register("a", Unknown).unwrap();
        let theirs = thread.join().unwrap();
        assert_eq!(registry.services().len(), 2);
        assert!(matches!(mine.status(), NotServing | Unknown));
        assert_eq!(mine.status(), theirs.status());
    });
}

#[test]
fn register_and_shutdown() {
    model(|| {
        let registry = Registry::new();
        let draining = registry.clone();
        let thread = thread::spawn(move || draining.shutdown());
        let handle = registry.register("a", Serving).unwrap();
        thread.join().unwrap();
        assert_eq!(handle.status(), NotServing);
        registry.resume();
        assert_eq!(handle.status(), Serving);
    });
}

#[test]
fn set_and_shutdown_and_resume() {
    model(|| {
        let registry = Registry::new();
        let mut watcher = watcher(&registry, "");
        let handle = registry.register("", Serving).unwrap();
        let thread = thread::spawn(move || handle.set(Unknown));
        registry.shutdown();
        assert_eq!(registry.get_service_status(""), NotServing);
        registry.resume();
        follow(&mut watcher, &mut [], Unknown);
        thread.join().unwrap();
    });
}

#[test]
fn watch_unknown_and_register() {
    model(|| {
        let registry = Registry::new();
        let registering = registry.clone();
        let thread = thread::spawn(move || {
            registering.register("a", Serving).unwrap();
        });
        let mut watcher = registry.watch("a").unwrap();
        follow(&mut watcher, &mut [], Serving);
        thread.join().unwrap();
    });
}

#[test]
fn driver_and_watch_unknown_and_register() {
    model(|| {
        let registry = Registry::new();
        let mut watcher = watcher(&registry, "a");
        let mut drivers = [seated_driver(&registry)];
        let registering = registry.clone();
        let thread = thread::spawn(move || {
            registering.register("a", Serving).unwrap();
        });
        follow(&mut watcher, &mut drivers, Serving);
        thread.join().unwrap();
    });
}

#[test]
fn driver_and_set() {
    model(|| {
        let registry = Registry::new();
        let mut watcher = watcher(&registry, "");
        let mut drivers = [registry.driver()];
        let handle = registry.register("", Serving).unwrap();
        let thread = thread::spawn(move || handle.set_not_serving());
        follow(&mut watcher, &mut drivers, NotServing);
        thread.join().unwrap();
    });
}

/// The last driver leaves while a setter counts on it.
#[test]
fn driver_leaves_and_set() {
    model(|| {
        let registry = Registry::new();
        let mut watcher = watcher(&registry, "");
        let driver = seated_driver(&registry);
        let handle = registry.register("", Serving).unwrap();
        let leaving = thread::spawn(move || drop(driver));
        let setting = thread::spawn(move || handle.set_not_serving());
        follow(&mut watcher, &mut [], NotServing);
        leaving.join().unwrap();
        setting.join().unwrap();
    });
}

/// The driver leaves and a standby takes over while a setter counts on one of them.
#[test]
fn driver_hands_over_and_set() {
    model(|| {
        let registry = Registry::new();
        let mut watcher = watcher(&registry, "");
        let driver = seated_driver(&registry);
        let handle = registry.register("", Serving).unwrap();
        let leaving = thread::spawn(move || drop(driver));
        let setting = thread::spawn(move || handle.set_not_serving());
        follow(&mut watcher, &mut [registry.driver()], NotServing);
        leaving.join().unwrap();
        setting.join().unwrap();
    });
}
