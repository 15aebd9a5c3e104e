//! Names, statuses, limits, shutdown.

use std::ops::ControlFlow;

use super::super::ServingStatus::{NotServing, ServiceUnknown, Serving, Unknown};
use super::*;

#[test]
fn a_new_registry_serves_and_knows_no_other_name() {
    let registry = Registry::new();
    assert_eq!(registry.get_service_status(""), Serving);
    assert_eq!(registry.get_service_status("a"), ServiceUnknown);
    assert_eq!(registry.services(), [(String::new(), Serving)]);
    assert_eq!(
        registry.limits(),
        Limits {
            max_services: 16_384,
            max_name_len: 200
        }
    );
}

#[test]
fn set_registers_a_new_name_and_any_status_can_be_set() {
    let registry = Registry::new();
    for status in ServingStatus::ALL {
        registry.set_service_status("a", status).unwrap();
        assert_eq!(registry.get_service_status("a"), status);
    }
}

#[test]
fn register_of_a_known_name_sets_its_status() {
    let registry = Registry::new();
    let first = registry.register("a", Serving).unwrap();
    let second = registry.register("a", NotServing).unwrap();
    assert_eq!((first.status(), second.status()), (NotServing, NotServing));
    first.set_serving();
    assert_eq!(second.status(), Serving);
    second.set_not_serving();
    assert_eq!(registry.get_service_status("a"), NotServing);
    assert_eq!((first.name(), second.name()), ("a", "a"));
}

#[test]
fn setting_service_unknown_is_clear() {
    let registry = small(2);
    registry
        .set_service_status("absent", ServiceUnknown)
        .unwrap();
    registry
        .set_service_status("far too long a name", ServiceUnknown)
        .unwrap();
    registry.set_service_status("a", Serving).unwrap();
    registry.set_service_status("a", ServiceUnknown).unwrap();
    assert_eq!(registry.get_service_status("a"), ServiceUnknown);
    assert_eq!(registry.services(), [(String::new(), Serving)]);
}

#[test]
fn clear_of_an_absent_name_is_a_no_op() {
    let registry = small(2);
    registry.clear("absent");
    registry.clear("far too long a name");
    registry.register("a", Serving).unwrap();
    assert_eq!(registry.services().len(), 2);
}

#[test]
fn a_cleared_name_keeps_its_place_for_itself_and_a_handle_revives_it() {
    let registry = small(2);
    let handle = registry.register("a", Serving).unwrap();
    registry.clear("a");
    assert_eq!(handle.status(), ServiceUnknown);
    assert_eq!(
        registry.register("b", Serving).unwrap_err(),
        RegistryError::Full { max: 2 }
    );
    handle.set(NotServing);
    assert_eq!(registry.get_service_status("a"), NotServing);
    registry.clear("a");
    registry.set_service_status("a", Serving).unwrap();
    assert_eq!(handle.status(), Serving);
}

#[test]
fn a_name_too_many_or_too_long_is_an_error_that_says_so() {
    let registry = small(2);
    registry.set_service_status("12345678", Serving).unwrap();
    let full = registry.set_service_status("b", Serving).unwrap_err();
    assert_eq!(full, RegistryError::Full { max: 2 });
    assert_eq!(
        full.to_string(),
        "the registry is full: 2 services, cleared ones included"
    );
    let long = registry.register("123456789", Serving).unwrap_err();
    assert_eq!(long, RegistryError::NameTooLong { len: 9, max: 8 });
    assert_eq!(
        long.to_string(),
        "service name of 9 bytes is longer than the 8 allowed"
    );
    assert_eq!(registry.watch("123456789").unwrap_err(), long);
    assert_eq!(registry.get_service_status("123456789"), ServiceUnknown);
    assert_eq!(registry.pin("123456789").unwrap_err(), long);
    assert_eq!(registry.pin("b").unwrap_err(), full);
}

#[test]
fn the_empty_name_is_always_registered() {
    let registry = Registry::with_limits(Limits {
        max_services: 0,
        max_name_len: 0,
    });
    assert_eq!(registry.limits().max_services, 1);
    assert_eq!(registry.get_service_status(""), Serving);
    assert_eq!(
        registry.register("", NotServing).unwrap().status(),
        NotServing
    );
}

#[test]
fn services_are_sorted_and_visit_can_break_off() {
    let registry = Registry::new();
    for (name, status) in [("b", Unknown), ("c", Serving), ("a", NotServing)] {
        registry.set_service_status(name, status).unwrap();
    }
    registry.clear("c");
    let expected = [("", Serving), ("a", NotServing), ("b", Unknown)];
    assert_eq!(
        registry.services(),
        expected.map(|(name, status)| (name.to_owned(), status))
    );

    let mut visited = Vec::new();
    registry.visit(|name, _| {
        visited.push(name.to_owned());
        if visited.len() == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!(visited, ["", "b"]);
}

#[test]
fn sets_during_shutdown_are_remembered_and_shown_on_resume() {
    let registry = Registry::new();
    let a = registry.register("a", Serving).unwrap();
    registry.set_service_status("b", Unknown).unwrap();
    registry.shutdown();
    registry.shutdown();
    assert_eq!(
        (a.status(), registry.get_service_status("b")),
        (NotServing, NotServing)
    );
    a.set(Unknown);
    registry.set_service_status("b", Serving).unwrap();
    registry.set_service_status("new", Serving).unwrap();
    assert!(
        registry
            .services()
            .iter()
            .all(|(_, status)| *status == NotServing)
    );
    registry.resume();
    assert_eq!(
        (a.status(), registry.get_service_status("b")),
        (Unknown, Serving)
    );
    assert_eq!(registry.get_service_status("new"), Serving);
    assert_eq!(registry.get_service_status(""), Serving);
}

#[test]
fn a_cleared_name_stays_unknown_during_shutdown() {
    let registry = Registry::new();
    registry.set_service_status("before", Serving).unwrap();
    registry.set_service_status("during", Serving).unwrap();
    registry.clear("before");
    registry.shutdown();
    assert_eq!(registry.get_service_status("during"), NotServing);
    registry.clear("during");
    for name in ["before", "during", "absent"] {
        assert_eq!(registry.get_service_status(name), ServiceUnknown);
    }
}

#[test]
fn a_pinned_service_is_exempt_from_shutdown() {
    let registry = Registry::new();
    registry.set_service_status("live", Serving).unwrap();
    registry.pin("live").unwrap();
    registry.shutdown();
    assert_eq!(registry.get_service_status("live"), Serving);
    assert!(registry.unpin("live"));
    assert_eq!(registry.get_service_status("live"), NotServing);
    registry.pin("live").unwrap();
    registry.set_service_status("live", Unknown).unwrap();
    assert_eq!(registry.get_service_status("live"), Unknown);
    assert!(!registry.unpin("absent"));
}

#[test]
fn a_name_may_be_pinned_before_it_has_a_status() {
    let registry = Registry::with_limits(Limits::new().max_services(3));
    registry.pin("live").unwrap();
    assert_eq!(registry.get_service_status("live"), ServiceUnknown);
    assert_eq!(registry.services(), [(String::new(), Serving)]);
    registry.set_service_status("live", Serving).unwrap();
    registry.shutdown();
    assert_eq!(registry.get_service_status("live"), Serving);
    // So may one that comes during the shutdown.
    registry.pin("late").unwrap();
    let late = registry.register("late", Serving).unwrap();
    assert_eq!(late.status(), Serving);
    // The two have taken the places that there were.
    let full = registry.pin("one more").unwrap_err();
    assert_eq!(full, RegistryError::Full { max: 3 });
    registry.clear("late");
    registry.pin("late").unwrap();
    late.set_serving();
    assert_eq!(late.status(), Serving);
    assert!(registry.unpin("late"));
    assert_eq!(late.status(), NotServing);
}

#[test]
fn what_is_public_can_be_sent_shared_and_printed() {
    fn check<T: Send + Sync + std::fmt::Debug + 'static>() {}
    check::<Registry>();
    check::<ServiceHandle>();
    check::<Watcher>();
    check::<Driver>();
    check::<RegistryError>();
    let registry = Registry::new();
    let debug = format!("{registry:?} {:?}", registry.watch("x").unwrap());
    assert!(
        debug.contains("registered: 1") && debug.contains("name: \"x\""),
        "{debug}"
    );
    let handle = registry.register("", Unknown).unwrap();
    assert!(format!("{handle:?}").contains("status: Unknown"));
}
