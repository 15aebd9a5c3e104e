//! The races of hooked services: groups, leases, reasons, results and subscribers.

use std::time::Instant;

use super::super::ServingStatus::{NotServing, ServiceUnknown, Serving, Unknown};
use super::super::*;
use super::{block_on, follow, model, poll_fn, thread, watcher};
use crate::sync::Arc;

/// What a group of all its members is, by the definition.
fn all(members: &[ServingStatus]) -> ServingStatus {
    if members.contains(&NotServing) {
        NotServing
    } else if members.iter().all(|member| *member == Serving) {
        Serving
    } else {
        Unknown
    }
}

#[test]
fn group_and_sets_of_its_members() {
    model(|| {
        let registry = Registry::new();
        registry.group("g", Group::all_of(["", "a"])).unwrap();
        let mut watcher = watcher(&registry, "g");
        let other = registry.register("a", NotServing).unwrap();
        let overall = registry.register("", NotServing).unwrap();
        let thread = thread::spawn(move || other.set_serving());
        overall.set_serving();
        follow(&mut watcher, &mut [], Serving);
        thread.join().unwrap();
    });
}

#[test]
fn group_and_sets_of_one_member() {
    model(|| {
        let registry = Registry::new();
        registry.group("g", Group::all_of([""])).unwrap();
        let mine = registry.register("", Serving).unwrap();
        let theirs = mine.clone();
        let thread = thread::spawn(move || theirs.set(Unknown));
        mine.set_not_serving();
        thread.join().unwrap();
        assert_eq!(registry.get_service_status("g"), mine.status());
    });
}

/// The set comes before the word is hooked, or finds the word hooked.
#[test]
fn group_made_and_set() {
    model(|| {
        let registry = Registry::new();
        let handle = registry.register("", Serving).unwrap();
        let thread = thread::spawn(move || handle.set_not_serving());
        registry.group("g", Group::all_of([""])).unwrap();
        thread.join().unwrap();
        assert_eq!(registry.get_service_status("g"), NotServing);
    });
}

#[test]
fn group_made_and_member_registered() {
    model(|| {
        let registry = Registry::new();
        let registering = registry.clone();
        let thread = thread::spawn(move || registering.register("a", NotServing).map(drop));
        registry.group("g", Group::all_of(["a"])).unwrap();
        thread.join().unwrap().unwrap();
        assert_eq!(registry.get_service_status("g"), NotServing);
    });
}

/// Each of two groups would be the other's member: one of the two is refused.
#[test]
fn group_made_and_group_made() {
    model(|| {
        let registry = Registry::new();
        let making = registry.clone();
        let thread = thread::spawn(move || making.group("a", Group::all_of([""])));
        let mine = registry.group("", Group::all_of(["a"]));
        let theirs = thread.join().unwrap();
        assert!(mine.is_ok() != theirs.is_ok());
        let error = mine.and(theirs);
        assert_eq!(error, Err(RegistryError::GroupCycle));
    });
}

#[test]
fn group_and_clear_and_set() {
    model(|| {
        let registry = Registry::new();
        registry.group("g", Group::all_of([""])).unwrap();
        let clearing = registry.clone();
        let thread = thread::spawn(move || clearing.clear(""));
        registry.set_service_status("", NotServing).unwrap();
        thread.join().unwrap();
        let member = registry.get_service_status("");
        assert!(matches!(member, NotServing | ServiceUnknown));
        assert_eq!(registry.get_service_status("g"), all(&[member]));
    });
}

/// A group that ends while a member changes counts the change or does not, and stays cleared.
#[test]
fn group_cleared_and_set() {
    model(|| {
        let registry = Registry::new();
        registry.group("g", Group::all_of([""])).unwrap();
        let clearing = registry.clone();
        let thread = thread::spawn(move || clearing.clear("g"));
        registry.set_service_status("", NotServing).unwrap();
        thread.join().unwrap();
        assert_eq!(registry.get_service_status("g"), ServiceUnknown);
    });
}

#[test]
fn group_and_set_and_shutdown_and_resume() {
    model(|| {
        let registry = Registry::new();
        registry.group("g", Group::all_of([""])).unwrap();
        let handle = registry.register("", Serving).unwrap();
        let thread = thread::spawn(move || handle.set(Unknown));
        registry.shutdown();
        assert_eq!(registry.get_service_status("g"), NotServing);
        registry.resume();
        thread.join().unwrap();
        assert_eq!(registry.get_service_status("g"), Unknown);
    });
}

#[test]
fn group_and_pin_and_set_and_shutdown() {
    model(|| {
        let registry = Registry::new();
        registry.group("g", Group::all_of([""])).unwrap();
        let pinning = registry.clone();
        let thread = thread::spawn(move || {
            pinning.pin("g").unwrap();
            pinning.shutdown();
        });
        registry.set_service_status("", Unknown).unwrap();
        thread.join().unwrap();
        assert_eq!(registry.get_service_status("g"), Unknown);
        assert_eq!(registry.get_service_status(""), NotServing);
    });
}

#[test]
fn group_made_and_shutdown() {
    model(|| {
        let registry = Registry::new();
        let draining = registry.clone();
        let thread = thread::spawn(move || draining.shutdown());
        registry.group("g", Group::all_of([""])).unwrap();
        thread.join().unwrap();
        assert_eq!(registry.get_service_status("g"), NotServing);
        registry.resume();
        assert_eq!(registry.get_service_status("g"), Serving);
    });
}

#[test]
fn lease_beaten_and_sampled() {
    model(|| {
        let registry = Registry::new();
        let lease = registry.hold("").unwrap();
        let pulse = Arc::clone(lease.pulse());
        assert!(pulse.sample().0);
        let thread = thread::spawn(move || {
            lease.beat();
            lease.release();
        });
        let early = pulse.sample().0;
        thread.join().unwrap();
        // Seen once, whenever.
        assert!(early != pulse.sample().0);
    });
}

/// Whoever sees that the scope is over sees the beat at its end.
#[test]
fn lease_scope_ends_and_sampled() {
    model(|| {
        let registry = Registry::new();
        let lease = registry.hold("").unwrap();
        let pulse = Arc::clone(lease.pulse());
        let before = lease.be_patient(9);
        assert_eq!(pulse.sample(), (true, 9));
        let thread = thread::spawn(move || {
            lease.end_patience(before);
            lease.release();
        });
        let (mut beaten, mut patience) = pulse.sample();
        if patience != 0 {
            let seen = beaten;
            (beaten, patience) = pulse.sample();
            beaten |= seen;
        }
        assert!(patience == 9 || beaten);
        thread.join().unwrap();
    });
}

#[test]
fn lease_dropped_and_sampled() {
    model(|| {
        let registry = Registry::new();
        let lease = registry.hold("").unwrap();
        let pulse = Arc::clone(lease.pulse());
        let thread = thread::spawn(move || drop(lease));
        pulse.set_stale(true);
        pulse.set_stale(false);
        thread.join().unwrap();
        assert_eq!(registry.get_service_status(""), NotServing);
        let lease = registry.hold("").unwrap();
        assert_eq!(registry.get_service_status(""), Serving);
        lease.release();
    });
}

#[test]
fn lease_released_and_the_other_stale() {
    model(|| {
        let registry = Registry::new();
        let (one, other) = (registry.hold("").unwrap(), registry.hold("").unwrap());
        one.pulse().set_stale(true);
        let pulse = Arc::clone(other.pulse());
        let thread = thread::spawn(move || one.release());
        pulse.set_stale(true);
        thread.join().unwrap();
        assert_eq!(registry.get_service_status(""), NotServing);
        pulse.set_stale(false);
        assert_eq!(registry.get_service_status(""), Serving);
        other.release();
    });
}

#[test]
fn reason_and_set() {
    model(|| {
        let registry = Registry::new();
        let mine = registry.register("", Serving).unwrap();
        let theirs = mine.clone();
        let thread = thread::spawn(move || theirs.set(Unknown));
        mine.set_with_reason(NotServing, "why");
        thread.join().unwrap();
        let details = registry.status_of("");
        let reason = (details.status == NotServing).then_some(Reason::fixed("why"));
        assert_eq!(details.reason, reason);
        assert!(matches!(details.status, NotServing | Unknown));
    });
}

/// Two bad results in a row show, unless a status set by hand comes between or after.
#[test]
fn results_and_set() {
    model(|| {
        let registry = Registry::new();
        registry
            .set_damper("", 1, 2, std::time::Duration::ZERO)
            .unwrap();
        let mine = registry.register("", Serving).unwrap();
        let theirs = mine.clone();
        let at = Instant::now();
        let thread = thread::spawn(move || theirs.report_at(false, None, at));
        mine.report_at(false, None, at);
        thread.join().unwrap();
        assert_eq!(mine.status(), NotServing);
        let theirs = mine.clone();
        let thread = thread::spawn(move || theirs.report_at(true, None, at));
        mine.set(Unknown);
        thread.join().unwrap();
        assert!(matches!(mine.status(), Unknown | Serving));
    });
}

/// Polls the subscriber until it yields `last` for `""`.
fn follow_all(subscriber: &mut Subscriber, last: ServingStatus) {
    block_on(poll_fn(|cx| {
        while let std::task::Poll::Ready((_, status)) = subscriber.poll_next(cx) {
            if status == last {
                return std::task::Poll::Ready(());
            }
        }
        std::task::Poll::Pending
    }));
}

#[test]
fn subscribe_all_and_set() {
    model(|| {
        let registry = Registry::new();
        let handle = registry.register("", Serving).unwrap();
        let thread = thread::spawn(move || handle.set_not_serving());
        let mut subscriber = registry.subscribe_all();
        follow_all(&mut subscriber, NotServing);
        thread.join().unwrap();
    });
}

#[test]
fn subscribe_all_and_register() {
    model(|| {
        let registry = Registry::new();
        let registering = registry.clone();
        let thread = thread::spawn(move || registering.register("a", Unknown).map(drop));
        let mut subscriber = registry.subscribe_all();
        follow_all(&mut subscriber, Unknown);
        thread.join().unwrap().unwrap();
    });
}
