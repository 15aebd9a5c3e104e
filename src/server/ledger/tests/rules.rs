//! The rules of the ledger, one by one.

use super::super::*;
use super::door::{Door, limits};

#[test]
fn the_connection_that_does_least_for_longest_of_the_address_that_holds_most_makes_room() {
    let mut door = Door::new(limits(8, 8));
    // Another address's idle connection is older than all, and stays.
    let other = door.settled(1, Doing::Unused);
    let hoard = [
        Doing::Watching,
        Doing::Working,
        Doing::Idle,
        Doing::Idle,
        Doing::Unused,
        Doing::Unused,
    ]
    .map(|doing| door.settled(2, doing));
    let another = door.settled(3, Doing::Idle);
    door.wait();
    for leaver in [4, 5, 2, 3] {
        assert_eq!(hoard[leaver].told(), None);
        // From addresses that hold nothing.
        door.settled(10 + u32::try_from(leaver).unwrap(), Doing::Working);
        assert_eq!(hoard[leaver].told(), Some("leave"));
    }
    for stays in [&other, &another, &hoard[0], &hoard[1]] {
        assert_eq!(stays.told(), None);
    }
}

#[test]
fn a_newer_connection_does_not_make_room_for_an_older_one_of_the_same_millisecond() {
    let mut door = Door::new(limits(2, 4));
    let mut come = || {
        let (client, key) = door.come(1).unwrap();
        door.ledger.settle(door.now, key);
        client.does(Doing::Unused, door.now);
        (client, key)
    };
    let (first, first_key) = come();
    let (second, _) = come();
    let (third, _) = come();
    assert_eq!((first.told(), second.told()), (Some("leave"), None));
    door.ledger.remove(first_key);
    let (fourth, _) = door.come(1).unwrap();
    assert_eq!((second.told(), third.told()), (Some("leave"), None));
    door.come(1).unwrap();
    assert_eq!((third.told(), fourth.told()), (Some("leave"), None));
}

#[test]
fn a_call_that_has_come_since_keeps_a_connection() {
    let mut door = Door::new(limits(3, 3));
    let clients = [1, 1, 1].map(|address| door.settled(address, Doing::Unused));
    door.wait();
    clients[0].does(Doing::Idle, door.now);
    door.settled(2, Doing::Unused);
    assert_eq!(clients[0].told(), None);
    assert_eq!(clients[1].told(), Some("leave"));
}

#[test]
fn a_client_that_has_just_come_has_time_for_its_first_call() {
    let mut door = Door::new(limits(3, 3));
    let watching = [1, 1].map(|address| door.settled(address, Doing::Watching));
    door.wait();
    let fresh = door.settled(1, Doing::Unused);
    door.settled(1, Doing::Watching);
    assert_eq!(fresh.told(), None);
    assert_eq!(watching[0].told(), Some("leave"));
    door.wait();
    door.settled(1, Doing::Watching);
    assert_eq!(fresh.told(), Some("leave"));
}

#[test]
fn work_makes_no_room_for_the_same_address_and_some_for_one_that_has_less() {
    let mut door = Door::new(limits(4, 4));
    let busy = [1, 1, 1, 1].map(|address| door.settled(address, Doing::Working));
    door.wait();
    assert!(door.come(1).is_none());
    assert!(busy.iter().all(|client| client.told().is_none()));
    door.settled(2, Doing::Working);
    let told: Vec<_> = busy.iter().filter_map(|client| client.told()).collect();
    assert_eq!(told, ["leave"]);
}

#[test]
fn the_last_places_are_for_connections_that_have_had_no_call() {
    let mut door = Door::new(limits(100, 100));
    // 98 clients at work, each at an address of its own, and room for two more.
    let busy: Vec<_> = (0..98).map(|n| door.settled(n, Doing::Working)).collect();
    let reserved: Vec<_> = (0..5)
        .map(|n| door.settled(200 + n, Doing::Working))
        .collect();
    assert!(busy.iter().all(|client| client.told().is_none()));
    let told: Vec<_> = reserved.iter().map(|client| client.told()).collect();
    let leave = Some("leave");
    assert_eq!(told, [leave, leave, leave, None, None]);
    // Not for one that is there already.
    assert!(door.come(7).is_none());
}

#[test]
fn the_oldest_handshake_of_the_address_that_has_most_makes_room() {
    let mut door = Door::new(limits(100, 8));
    let (slow, _) = door.come(1).unwrap();
    door.now += 1;
    let hoard: Vec<_> = (0..8)
        .map(|_| {
            door.now += 1;
            door.come(2).unwrap().0
        })
        .collect();
    // An address has half of them.
    let cut = hoard
        .iter()
        .filter(|client| client.told() == Some("cut"))
        .count();
    assert_eq!(
        (cut, hoard[3].told(), hoard[4].told()),
        (4, Some("cut"), None)
    );
    for n in 3..6 {
        door.come(n).unwrap();
    }
    assert_eq!(hoard[4].told(), None);
    door.come(6).unwrap();
    assert_eq!((hoard[4].told(), hoard[5].told()), (Some("cut"), None));
    assert_eq!(slow.told(), None);
    assert_eq!(
        door.ledger.take_evicted(),
        Evicted {
            handshakes: 5,
            connections: 0
        }
    );
}

#[test]
fn a_connection_over_loopback_counts_as_a_sixteenth() {
    let mut door = Door::new(limits(24, 24));
    let loopback = 0x7f00_0001;
    let proxy: Vec<_> = (0..22)
        .map(|_| door.settled(loopback, Doing::Unused))
        .collect();
    let remote = [1, 1].map(|address| door.settled(address, Doing::Unused));
    door.wait();
    door.settled(2, Doing::Working);
    assert!(proxy.iter().all(|client| client.told().is_none()));
    assert_eq!(remote[0].told(), Some("leave"));
}

#[test]
fn those_that_leave_are_few_and_the_oldest_is_cut_for_one_more() {
    let mut door = Door::new(limits(32, 32));
    let first: Vec<_> = (0..32).map(|_| door.settled(1, Doing::Idle)).collect();
    door.wait();
    for _ in 0..4 {
        door.settled(1, Doing::Idle);
    }
    let told: Vec<_> = first.iter().take(4).map(|client| client.told()).collect();
    let (cut, leave) = (Some("cut"), Some("leave"));
    assert_eq!(told, [cut, leave, leave, leave]);
}

#[test]
fn connections_that_were_cut_and_have_not_closed_are_few() {
    let limits = limits(32, 32);
    let mut door = Door::new(limits);
    let mut come = 0;
    while door.come(1).is_some() {
        come += 1;
        assert!(come < 1_000, "no bound");
    }
    // An address has half of the handshakes.
    assert_eq!(come, 16 + limits.going() + 1);
}

#[test]
fn an_address_has_as_many_connections_as_were_set() {
    let mut door = Door::new(Limits {
        per_address: Some(2),
        ..limits(100, 100)
    });
    let (_, first) = door.come(1).unwrap();
    door.come(1).unwrap();
    assert!(door.come(1).is_none());
    door.come(2).unwrap();
    door.ledger.remove(first);
    door.come(1).unwrap();
}

#[test]
fn connections_that_have_had_a_call_are_counted_up_to_a_number() {
    let mut door = Door::new(limits(100, 100));
    for doing in [Doing::Unused, Doing::Idle, Doing::Watching, Doing::Working] {
        door.settled(1, doing);
    }
    assert_eq!(door.ledger.used(Address::V4(1), 16), 3);
    assert_eq!(door.ledger.used(Address::V4(1), 2), 2);
    assert_eq!(door.ledger.used(Address::V4(2), 2), 0);
}

#[test]
fn connections_that_have_had_a_call_are_counted_behind_a_crowd_without_a_call() {
    let mut door = Door::new(limits(1_000, 1_000));
    for _ in 0..100 {
        door.settled(1, Doing::Watching);
    }
    // Noted as arriving until they have had their time.
    assert_eq!(door.ledger.used(Address::V4(1), 16), 16);
    for _ in 0..64 {
        door.come(1).unwrap();
    }
    assert_eq!(door.ledger.used(Address::V4(1), 16), 16);
    door.wait();
    for _ in 0..64 {
        door.come(1).unwrap();
    }
    assert_eq!(door.ledger.used(Address::V4(1), 16), 16);
}

#[test]
fn a_newcomer_that_gets_no_place_cuts_no_handshake() {
    // One place of 50 is reserved.
    let mut door = Door::new(limits(50, 1));
    for address in 1..50 {
        door.settled(address, Doing::Working);
    }
    let (last, _) = door.come(100).unwrap();
    // This address has a call at work, and as many connections as every other.
    assert!(door.come(1).is_none());
    assert_eq!(last.told(), None);
    // This one has nothing.
    door.come(101).unwrap();
    assert_eq!(last.told(), Some("cut"));
}
