//! Groups.

use super::super::ServingStatus::{NotServing, ServiceUnknown, Serving, Unknown};
use super::*;

fn statuses(registry: &Registry, names: &[&str]) -> Vec<ServingStatus> {
    let status = |name: &&str| registry.get_service_status(name);
    names.iter().map(status).collect()
}

/// The status of a group of four with these members, by the definition.
fn defined(needed: usize, members: &[ServingStatus]) -> ServingStatus {
    let count = |status| members.iter().filter(|member| **member == status).count();
    let may_serve = members.len() - count(NotServing);
    match (count(Serving) >= needed, may_serve >= needed) {
        (true, _) => Serving,
        (false, true) => Unknown,
        (false, false) => NotServing,
    }
}

#[test]
fn a_group_is_what_its_members_make_it() {
    let names = ["a", "b", "c", "d"];
    for needed in 0..=4 {
        let registry = Registry::new();
        registry.group("g", Group::at_least(needed, names)).unwrap();
        // Every change of one member to any status, from every state.
        for state in 0..4usize.pow(4) {
            let wanted = |i: usize| ServingStatus::ALL[state / 4usize.pow(i as u32) % 4];
            for (i, name) in names.iter().enumerate() {
                registry.set_service_status(name, wanted(i)).unwrap();
                let members = statuses(&registry, &names);
                assert_eq!(
                    registry.get_service_status("g"),
                    defined(needed, &members),
                    "{needed} of {members:?}"
                );
            }
        }
    }
}

#[test]
fn all_any_and_none() {
    let registry = Registry::new();
    registry
        .group("all", Group::all_of(["a", "b", "a"]))
        .unwrap();
    registry
        .group("any", Group::any_of(["a", "b", "a"]))
        .unwrap();
    registry.group("none", Group::all_of::<&str>([])).unwrap();
    let groups = ["all", "any", "none"];
    assert_eq!(statuses(&registry, &groups), [Unknown, Unknown, Serving]);
    registry.set_service_status("a", Serving).unwrap();
    assert_eq!(statuses(&registry, &groups), [Unknown, Serving, Serving]);
    registry.set_service_status("b", NotServing).unwrap();
    assert_eq!(statuses(&registry, &groups), [NotServing, Serving, Serving]);
    registry.set_service_status("a", NotServing).unwrap();
    assert_eq!(
        statuses(&registry, &groups),
        [NotServing, NotServing, Serving]
    );
    let services = registry.services();
    assert!(services.contains(&("any".to_owned(), NotServing)));
}

#[test]
fn members_that_are_not_registered_count_as_unknown_and_are_not_listed() {
    let registry = small(3);
    registry.group("g", Group::all_of(["a"])).unwrap();
    assert_eq!(registry.get_service_status("a"), ServiceUnknown);
    assert_eq!(registry.services().len(), 2);
    registry.register("a", Serving).unwrap();
    assert_eq!(registry.get_service_status("g"), Serving);
    registry.clear("a");
    assert_eq!(registry.get_service_status("g"), Unknown);
    let full = RegistryError::Full { max: 3 };
    assert_eq!(registry.register("b", Serving).unwrap_err(), full);
}

#[test]
fn a_watcher_of_a_member_that_is_not_registered_hears_of_it() {
    let registry = Registry::new();
    let (count, waker) = Count::new();
    let mut watcher = parked("a", &registry, &waker);
    let mut group = parked("g", &registry, &waker);
    registry.group("g", Group::all_of(["a"])).unwrap();
    assert_eq!(count.take(), 2, "both names have places now");
    assert!(poll(&mut watcher, &waker).is_pending());
    assert_eq!(poll(&mut group, &waker), Poll::Ready(Unknown));
    assert!(poll(&mut group, &waker).is_pending());
    registry.set_service_status("a", Serving).unwrap();
    assert_eq!(count.take(), 2);
    assert_eq!(poll(&mut watcher, &waker), Poll::Ready(Serving));
    assert_eq!(poll(&mut group, &waker), Poll::Ready(Serving));
}

#[test]
fn groups_nest_and_the_overall_status_may_be_one() {
    let registry = Registry::new();
    registry.group("", Group::all_of(["x", "y"])).unwrap();
    registry.group("x", Group::any_of(["a", "b"])).unwrap();
    registry.group("y", Group::all_of(["b", "c"])).unwrap();
    for name in ["a", "b", "c"] {
        registry.set_service_status(name, Serving).unwrap();
    }
    assert_eq!(statuses(&registry, &["", "x", "y"]), [Serving; 3]);
    // Through both ways at once.
    registry.set_service_status("b", NotServing).unwrap();
    assert_eq!(
        statuses(&registry, &["", "x", "y"]),
        [NotServing, Serving, NotServing]
    );
    registry.set_service_status("b", Serving).unwrap();
    assert_eq!(statuses(&registry, &["", "x", "y"]), [Serving; 3]);
}

#[test]
fn a_group_that_cannot_be_made_changes_nothing() {
    let registry = small(5);
    registry.group("g", Group::all_of(["a"])).unwrap();
    registry.group("h", Group::all_of(["g"])).unwrap();
    registry.set_service_status("a", Serving).unwrap();
    let lease = registry.hold("l").unwrap();
    let before = registry.services();
    let cases = [
        ("g", Group::all_of(["g"]), RegistryError::GroupCycle),
        ("g", Group::any_of(["a", "h"]), RegistryError::GroupCycle),
        ("a", Group::any_of(["h"]), RegistryError::GroupCycle),
        (
            "g",
            Group::at_least(2, ["a", "a"]),
            RegistryError::GroupTooSmall {
                needed: 2,
                members: 1,
            },
        ),
        (
            "g",
            Group::any_of::<&str>([]),
            RegistryError::GroupTooSmall {
                needed: 1,
                members: 0,
            },
        ),
        ("l", Group::all_of(["a"]), RegistryError::IsLeased),
        // One more name fits nowhere, whether it is the group's, or a member's behind known ones.
        ("n", Group::all_of(["a"]), RegistryError::Full { max: 5 }),
        (
            "g",
            Group::all_of(["a", "n"]),
            RegistryError::Full { max: 5 },
        ),
        (
            "g",
            Group::all_of(["a", "far too long"]),
            RegistryError::NameTooLong { len: 12, max: 8 },
        ),
        (
            "g",
            Group::all_of(["a"]).informational(["far too long"]),
            RegistryError::NameTooLong { len: 12, max: 8 },
        ),
    ];
    for (name, group, error) in cases {
        let what = format!("{name}: {group:?}");
        assert_eq!(registry.group(name, group), Err(error), "{what}");
        assert_eq!(registry.services(), before, "{what}");
        assert_eq!(registry.shared.slab.len(), 5, "{what}");
    }
    registry.set_service_status("a", NotServing).unwrap();
    assert_eq!(statuses(&registry, &["g", "h"]), [NotServing; 2]);
    drop(lease);
}

#[test]
fn a_group_is_not_set_by_hand() {
    let registry = Registry::new();
    let handle = registry.register("g", NotServing).unwrap();
    registry.set_service_status("a", Serving).unwrap();
    registry.group("g", Group::all_of(["a"])).unwrap();
    assert_eq!(handle.status(), Serving);
    let error = Err(RegistryError::IsGroup);
    assert_eq!(registry.set_service_status("g", NotServing), error);
    assert_eq!(registry.set_service_status("g", Serving), error);
    assert_eq!(registry.register("g", Unknown).map(drop), error);
    assert_eq!(registry.hold("g").map(drop), error);
    handle.set_not_serving();
    handle.set_with_reason(NotServing, "by hand");
    handle.report_at(false, None, std::time::Instant::now());
    assert_eq!(handle.status(), Serving);
    assert_eq!(registry.status_of("g").reason, None);
}

#[test]
fn a_cleared_group_is_a_service_again() {
    let registry = Registry::new();
    registry.group("g", Group::all_of(["a"])).unwrap();
    registry.group("h", Group::all_of(["g"])).unwrap();
    registry.set_service_status("a", Serving).unwrap();
    registry.clear("g");
    assert_eq!(statuses(&registry, &["g", "h"]), [ServiceUnknown, Unknown]);
    registry.set_service_status("a", NotServing).unwrap();
    assert_eq!(statuses(&registry, &["g", "h"]), [ServiceUnknown, Unknown]);
    registry.set_service_status("g", Serving).unwrap();
    assert_eq!(statuses(&registry, &["g", "h"]), [Serving, Serving]);
    // The cycle is no cycle any more.
    registry.group("a", Group::all_of(["h"])).unwrap();
    assert_eq!(registry.get_service_status("a"), Serving);
}

#[test]
fn a_group_is_replaced_by_a_new_one_of_its_name() {
    let registry = Registry::new();
    for (name, status) in [("a", Serving), ("b", NotServing)] {
        registry.set_service_status(name, status).unwrap();
    }
    registry.group("g", Group::all_of(["a"])).unwrap();
    registry.group("h", Group::all_of(["g"])).unwrap();
    assert_eq!(statuses(&registry, &["g", "h"]), [Serving, Serving]);
    registry.group("g", Group::all_of(["b"])).unwrap();
    assert_eq!(statuses(&registry, &["g", "h"]), [NotServing, NotServing]);
    registry.set_service_status("a", NotServing).unwrap();
    registry.set_service_status("b", Serving).unwrap();
    assert_eq!(statuses(&registry, &["g", "h"]), [Serving, Serving]);
}

#[test]
fn a_shutdown_hides_a_group_unless_it_is_pinned() {
    let registry = Registry::new();
    registry.group("g", Group::all_of(["a"])).unwrap();
    registry.group("live", Group::all_of(["a"])).unwrap();
    registry.pin("live").unwrap();
    registry.set_service_status("a", Serving).unwrap();
    registry.shutdown();
    assert_eq!(
        statuses(&registry, &["a", "g", "live"]),
        [NotServing, NotServing, Serving]
    );
    // A member that is set meanwhile is counted.
    registry.set_service_status("a", Unknown).unwrap();
    assert_eq!(
        statuses(&registry, &["a", "g", "live"]),
        [NotServing, NotServing, Unknown]
    );
    registry.group("late", Group::all_of(["a"])).unwrap();
    assert_eq!(registry.get_service_status("late"), NotServing);
    registry.resume();
    assert_eq!(
        statuses(&registry, &["a", "g", "live", "late"]),
        [Unknown; 4]
    );
}

#[test]
fn informational_members_are_shown_and_do_not_count() {
    let registry = Registry::new();
    registry.set_service_status("a", Serving).unwrap();
    let group = Group::all_of(["a"]).informational(["cache", "later", "cache"]);
    registry.group("g", group).unwrap();
    registry.set_service_status("cache", NotServing).unwrap();
    assert_eq!(registry.get_service_status("g"), Serving);
    let member = |name: &str, status, critical| Member {
        name: name.to_owned(),
        status,
        critical,
    };
    let members = [
        member("a", Serving, true),
        member("cache", NotServing, false),
        member("later", ServiceUnknown, false),
    ];
    assert_eq!(registry.members("g"), members);
    assert_eq!(registry.members("a"), []);
    assert_eq!(registry.members("absent"), []);
}

/// A waker runs outside the ledger's lock, so it may do with the registry what it likes.
#[test]
fn a_waker_may_set_a_member_of_the_group_that_woke_it() {
    struct Sets(Registry);
    impl Wake for Sets {
        fn wake(self: Arc<Self>) {
            self.0.set_service_status("b", Serving).unwrap();
            self.0.group("other", Group::all_of(["g"])).unwrap();
            let _ = self.0.status_of("g");
        }
    }
    let registry = Registry::new();
    registry.group("g", Group::all_of(["a", "b"])).unwrap();
    let waker = Waker::from(Arc::new(Sets(registry.clone())));
    let _watcher = parked("g", &registry, &waker);
    registry.set_service_status("a", NotServing).unwrap();
    registry.set_service_status("a", Serving).unwrap();
    assert_eq!(statuses(&registry, &["g", "other"]), [Serving, Serving]);
}
