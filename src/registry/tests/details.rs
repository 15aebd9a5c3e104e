//! Reasons, times, history, and results.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use super::super::ServingStatus::{NotServing, ServiceUnknown, Serving, Unknown};
use super::*;

fn reason(registry: &Registry, name: &str) -> Option<String> {
    let reason = registry.status_of(name).reason;
    reason.map(|reason| reason.as_str().to_owned())
}

#[test]
fn a_reason_lasts_until_the_status_changes() {
    let registry = Registry::new();
    let handle = registry.register("a", Serving).unwrap();
    assert_eq!(reason(&registry, "a"), None);
    handle.set_with_reason(NotServing, "db pool exhausted");
    assert_eq!(reason(&registry, "a").as_deref(), Some("db pool exhausted"));
    assert_eq!(registry.status_of("a").status, NotServing);
    handle.set_not_serving();
    assert_eq!(reason(&registry, "a").as_deref(), Some("db pool exhausted"));
    handle.set_with_reason(NotServing, "disk full".to_owned());
    assert_eq!(reason(&registry, "a").as_deref(), Some("disk full"));
    handle.set_serving();
    assert_eq!(reason(&registry, "a"), None);
    handle.set_with_reason(Serving, "warmed up");
    assert_eq!(reason(&registry, "a").as_deref(), Some("warmed up"));
    registry.clear("a");
    let details = registry.status_of("a");
    assert_eq!((details.status, details.reason), (ServiceUnknown, None));
    assert_eq!(registry.status_of("absent").status, ServiceUnknown);
}

#[test]
fn a_shutdown_is_a_reason_and_hides_that_of_the_service() {
    let registry = Registry::new();
    let handle = registry.register("a", Serving).unwrap();
    handle.set_with_reason(Unknown, "starting");
    registry.shutdown();
    let details = registry.status_of("a");
    assert_eq!(details.status, NotServing);
    assert_eq!(
        reason(&registry, "a").as_deref(),
        Some("the registry is shut down")
    );
    registry.resume();
    assert_eq!(reason(&registry, "a").as_deref(), Some("starting"));
    registry.pin("a").unwrap();
    registry.shutdown();
    assert_eq!(reason(&registry, "a").as_deref(), Some("starting"));
}

#[test]
fn a_group_has_the_reason_of_the_member_that_is_down() {
    let registry = Registry::new();
    registry.group("g", Group::all_of(["a", "b", "c"])).unwrap();
    assert_eq!(
        reason(&registry, "g").as_deref(),
        Some("a is SERVICE_UNKNOWN")
    );
    for name in ["a", "b", "c"] {
        registry.set_service_status(name, Serving).unwrap();
    }
    assert_eq!(reason(&registry, "g"), None);
    let c = registry.register("c", NotServing).unwrap();
    assert_eq!(reason(&registry, "g").as_deref(), Some("c is NOT_SERVING"));
    c.set_with_reason(NotServing, "no route");
    assert_eq!(reason(&registry, "g").as_deref(), Some("c: no route"));
    registry.set_service_status("a", Unknown).unwrap();
    assert_eq!(reason(&registry, "g").as_deref(), Some("c: no route"));
    c.set_serving();
    assert_eq!(reason(&registry, "g").as_deref(), Some("a is UNKNOWN"));
}

/// A clock of the test's own, one second a reading.
fn clock() -> Moment {
    static START: Mutex<Option<(Instant, u64)>> = Mutex::new(None);
    let mut start = START.lock().unwrap();
    let (start, read) = start.get_or_insert_with(|| (Instant::now(), 0));
    *read += 1;
    Moment {
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(*read),
        monotonic: *start + Duration::from_secs(*read),
    }
}

#[test]
fn the_last_changes_are_remembered() {
    let registry = Registry::new();
    let old = registry.register("old", Serving).unwrap();
    registry.record_history_by(3, clock);
    assert_eq!(registry.status_of("old").since, None);
    assert_eq!(registry.history("old"), []);
    old.set_with_reason(NotServing, "first");
    let first = registry.status_of("old").since.unwrap();
    old.set_with_reason(NotServing, "the same status is no change");
    assert_eq!(registry.status_of("old").since, Some(first));
    registry.shutdown();
    assert_eq!(
        registry.status_of("old").since,
        Some(first),
        "shown before, too"
    );
    old.set_serving();
    assert_eq!(registry.history("old").len(), 1, "hidden by the shutdown");
    registry.resume();
    let seen = |registry: &Registry, name: &str| -> Vec<_> {
        let reason = |reason: &Reason| reason.as_str().to_owned();
        let history = registry.history(name);
        assert!(history.is_sorted_by_key(|change| change.at.monotonic));
        history
            .iter()
            .map(|change| (change.status, change.reason.as_ref().map(reason)))
            .collect()
    };
    let down = |text: &str| (NotServing, Some(text.to_owned()));
    assert_eq!(seen(&registry, "old"), [down("first"), (Serving, None)]);
    registry.shutdown();
    registry.clear("old");
    let last = [
        (Serving, None),
        down("the registry is shut down"),
        (ServiceUnknown, None),
    ];
    assert_eq!(seen(&registry, "old"), last);

    // A service that is new while the registry records.
    registry.resume();
    registry.register("new", Serving).unwrap();
    assert_eq!(seen(&registry, "new"), [(Serving, None)]);
    registry.group("g", Group::all_of(["new"])).unwrap();
    registry.set_service_status("new", NotServing).unwrap();
    assert_eq!(
        seen(&registry, "g"),
        [(Serving, None), down("new is NOT_SERVING")]
    );
}

#[test]
fn without_room_for_changes_the_time_is_remembered() {
    let registry = Registry::new();
    registry.record_history_by(0, clock);
    registry.set_service_status("a", Serving).unwrap();
    assert!(registry.status_of("a").since.is_some());
    assert_eq!(registry.history("a"), []);
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn results_count_at_once_by_default() {
    let registry = Registry::new();
    let handle = registry.register("a", Unknown).unwrap();
    let start = Instant::now();
    handle.report_at(true, None, start);
    assert_eq!(handle.status(), Serving);
    handle.report_at(false, Some("refused".into()), start);
    assert_eq!(handle.status(), NotServing);
    assert_eq!(reason(&registry, "a").as_deref(), Some("refused"));
    handle.report_at(false, Some("timed out".into()), start);
    assert_eq!(reason(&registry, "a").as_deref(), Some("timed out"));
    handle.report_at(false, None, start);
    assert_eq!(reason(&registry, "a").as_deref(), Some("timed out"));
    handle.report_at(true, None, start);
    assert_eq!((handle.status(), reason(&registry, "a")), (Serving, None));
}

#[test]
fn hysteresis_counts_results_in_a_row() {
    let registry = Registry::new();
    registry.set_damper("a", 3, 2, Duration::ZERO).unwrap();
    let handle = registry.register("a", Serving).unwrap();
    let start = Instant::now();
    let report = |results: &str| {
        let mut shown = String::new();
        for result in results.chars() {
            handle.report_at(result == '+', None, start);
            shown.push(if handle.status() == Serving { '+' } else { '-' });
        }
        shown
    };
    assert_eq!(report("-+-+--"), "+++++-");
    assert_eq!(report("++-++-+++"), "--------+");
    // `set` means it, at once, and what was counted counts no more.
    assert_eq!(report("-"), "+");
    handle.set_not_serving();
    handle.set_serving();
    assert_eq!(report("--"), "+-");
    assert_eq!(report("++"), "--");
    handle.set_serving();
    handle.set_not_serving();
    assert_eq!(report("+++"), "--+");
}

#[test]
fn a_service_that_fell_stays_down_for_the_dwell() {
    let registry = Registry::new();
    registry.set_damper("a", 2, 1, 10 * SECOND).unwrap();
    let handle = registry.register("a", Serving).unwrap();
    let start = Instant::now();
    let report = |good, second| {
        handle.report_at(good, None, start + second * SECOND);
        handle.status()
    };
    assert_eq!(report(false, 0), NotServing);
    assert_eq!(report(true, 1), NotServing);
    assert_eq!(report(true, 9), NotServing);
    // A bad result meanwhile begins no new dwell, and breaks the row.
    assert_eq!(report(false, 9), NotServing);
    assert_eq!(report(true, 10), NotServing);
    assert_eq!(report(true, 10), Serving);
    // Down at once, however short the time.
    assert_eq!(report(false, 11), NotServing);
    // A status set by hand has no dwell.
    handle.set_serving();
    handle.set_not_serving();
    assert_eq!(report(true, 12), NotServing);
    assert_eq!(report(true, 12), Serving);
}

#[test]
fn a_first_result_needs_as_many_as_any() {
    let registry = Registry::new();
    registry.set_damper("a", 2, 2, Duration::ZERO).unwrap();
    assert_eq!(registry.get_service_status("a"), ServiceUnknown);
    let handle = registry.register("a", Unknown).unwrap();
    let start = Instant::now();
    handle.report_at(true, None, start);
    handle.report_at(false, None, start);
    assert_eq!(handle.status(), Unknown);
    handle.report_at(false, None, start);
    assert_eq!(handle.status(), NotServing);
}
