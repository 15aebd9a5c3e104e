//! Leases, without the clock that says which ones are stale.

use super::super::ServingStatus::{NotServing, ServiceUnknown, Serving};
use super::*;

fn reason(registry: &Registry, name: &str) -> String {
    let reason = registry.status_of(name).reason;
    reason.map(|reason| reason.to_string()).unwrap_or_default()
}

#[test]
fn a_beat_is_seen_once() {
    let registry = Registry::new();
    let lease = registry.hold("a").unwrap();
    let pulse = Arc::clone(lease.pulse());
    assert_eq!(pulse.sample(), (true, 0), "beaten when it is made");
    assert_eq!(pulse.sample(), (false, 0));
    lease.beat();
    lease.beat();
    assert_eq!(pulse.sample(), (true, 0));
    assert_eq!(pulse.sample(), (false, 0));
}

#[test]
fn patience_nests() {
    let registry = Registry::new();
    let lease = registry.hold("a").unwrap();
    let pulse = lease.pulse();
    assert!(pulse.sample().0);
    let before = lease.be_patient(7);
    assert_eq!(pulse.sample(), (true, 7));
    let inner = lease.be_patient(3);
    assert_eq!(pulse.sample(), (true, 3));
    lease.end_patience(inner);
    assert_eq!(pulse.sample(), (true, 7));
    lease.end_patience(before);
    assert_eq!(pulse.sample(), (true, 0));
}

#[test]
fn a_stale_lease_shows_until_it_is_beaten_again() {
    let registry = Registry::new();
    let lease = registry.hold("a").unwrap();
    assert_eq!(registry.get_service_status("a"), Serving);
    lease.pulse().set_stale(true);
    assert_eq!(registry.get_service_status("a"), NotServing);
    assert_eq!(reason(&registry, "a"), "a lease was not beaten in time");
    lease.pulse().set_stale(false);
    assert_eq!(registry.get_service_status("a"), Serving);
    assert_eq!(reason(&registry, "a"), "");
}

#[test]
fn a_dropped_lease_shows_at_once_and_a_released_one_does_not() {
    let registry = Registry::new();
    drop(registry.hold("a").unwrap());
    assert_eq!(registry.get_service_status("a"), NotServing);
    assert_eq!(reason(&registry, "a"), "a lease was dropped");
    registry.hold("a").unwrap().release();
    assert_eq!(registry.get_service_status("a"), Serving);
    let stale = registry.hold("a").unwrap();
    stale.pulse().set_stale(true);
    stale.release();
    assert_eq!(registry.get_service_status("a"), NotServing);
}

#[test]
fn a_panic_of_the_holder_shows() {
    let registry = Registry::new();
    let lease = registry.hold("a").unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _lease = lease;
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(caught.is_err());
    assert_eq!(registry.get_service_status("a"), NotServing);
}

#[test]
fn all_holders_must_beat() {
    let registry = Registry::new();
    let leases = [registry.hold("a").unwrap(), registry.hold("a").unwrap()];
    for lease in &leases {
        lease.pulse().set_stale(true);
        assert_eq!(registry.get_service_status("a"), NotServing);
    }
    leases[0].pulse().set_stale(false);
    assert_eq!(registry.get_service_status("a"), NotServing);
    leases[1].pulse().set_stale(false);
    assert_eq!(registry.get_service_status("a"), Serving);
}

#[test]
fn a_gap_is_filled_by_a_new_lease_and_forgotten_with_the_last_one() {
    let registry = Registry::new();
    let [first, second, third] = [(); 3].map(|()| registry.hold("a").unwrap());
    drop(first);
    // The others beat, and that is not enough.
    second.pulse().set_stale(true);
    second.pulse().set_stale(false);
    assert_eq!(registry.get_service_status("a"), NotServing);
    let fourth = registry.hold("a").unwrap();
    assert_eq!(registry.get_service_status("a"), Serving);
    drop((second, third, fourth));
    // A smaller crew.
    let _one = registry.hold("a").unwrap();
    assert_eq!(registry.get_service_status("a"), Serving);
}

#[test]
fn releasing_the_lease_that_others_waited_for_lets_the_name_serve() {
    let registry = Registry::new();
    let stale = registry.hold("a").unwrap();
    let _beaten = registry.hold("a").unwrap();
    stale.pulse().set_stale(true);
    assert_eq!(registry.get_service_status("a"), NotServing);
    stale.release();
    assert_eq!(registry.get_service_status("a"), Serving);
}

#[test]
fn a_sampler_that_comes_late_changes_nothing() {
    let registry = Registry::new();
    let lease = registry.hold("a").unwrap();
    let pulse = Arc::clone(lease.pulse());
    lease.release();
    assert!(pulse.is_gone());
    pulse.set_stale(true);
    assert_eq!(registry.get_service_status("a"), Serving);
    drop(registry);
    pulse.set_stale(true);
}

#[test]
fn a_status_set_by_hand_lasts_until_the_leases_change() {
    let registry = Registry::new();
    let lease = registry.hold("a").unwrap();
    registry.set_service_status("a", NotServing).unwrap();
    assert_eq!(registry.get_service_status("a"), NotServing);
    registry.clear("a");
    assert_eq!(registry.get_service_status("a"), ServiceUnknown);
    lease.pulse().set_stale(true);
    assert_eq!(registry.get_service_status("a"), NotServing);
}

#[test]
fn a_lease_moves_the_groups_of_its_name() {
    let registry = Registry::new();
    registry.group("g", Group::all_of(["a"])).unwrap();
    let lease = registry.hold("a").unwrap();
    assert_eq!(registry.get_service_status("g"), Serving);
    lease.pulse().set_stale(true);
    assert_eq!(registry.get_service_status("g"), NotServing);
    lease.pulse().set_stale(false);
    assert_eq!(registry.get_service_status("g"), Serving);
    drop(lease);
    assert_eq!(registry.get_service_status("g"), NotServing);
}

#[test]
fn a_beat_has_cache_lines_of_its_own() {
    assert!(align_of::<Pulse>() >= 128);
    assert!(size_of::<Pulse>() >= 256, "the line, and all else");
}
