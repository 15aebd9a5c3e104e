//! The ledger against a plain model, in steps at random.

use proptest::prelude::*;

use super::super::*;
use super::door::{Client, Door, limits};

#[derive(Debug, Clone)]
enum Step {
    Come(u32),
    Settle(usize),
    Do(usize, u8),
    End(usize),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u32..6).prop_map(Step::Come),
        4 => any::<usize>().prop_map(Step::Settle),
        4 => (any::<usize>(), 0_u8..4).prop_map(|(n, doing)| Step::Do(n, doing)),
        2 => any::<usize>().prop_map(Step::End),
        1 => (0_u16..3_000).prop_map(Step::Wait),
    ]
}

/// What the model knows of a connection.
struct Known {
    client: Arc<Client>,
    key: u64,
    address: u32,
    handshake: bool,
}

fn seated(all: &[Known]) -> impl Iterator<Item = &Known> {
    all.iter().filter(|known| known.client.told().is_none())
}

fn held(all: &[Known], address: u32) -> usize {
    seated(all).filter(|known| known.address == address).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn counts_hold_and_nobody_makes_room_out_of_turn(
        steps in proptest::collection::vec(step(), 1..200),
        (connections, handshakes) in (1_usize..20, 1_usize..20),
    ) {
        let limits = limits(connections, handshakes);
        let mut door = Door::new(limits);
        let mut all: Vec<Known> = Vec::new();
        for step in steps {
            door.now += 1;
            let pick = |n: usize| n.checked_rem(all.len());
            match step {
                Step::Come(address) => {
                    let before: Vec<_> = all.iter().map(|known| known.client.told()).collect();
                    let most = (0..6).map(|other| held(&all, other)).max().unwrap();
                    let full = seated(&all).count() >= connections;
                    let own = held(&all, address);
                    let going = all.len() - seated(&all).count();
                    let came = door.come(address);
                    let evicted: Vec<_> = all.iter().zip(&before)
                        .filter(|(known, before)| before.is_none() && known.client.told().is_some())
                        .map(|(known, _)| known)
                        .collect();
                    prop_assert!(evicted.len() <= 2);
                    for known in &evicted {
                        if known.handshake {
                            continue;
                        }
                        // Only at the limit, and of the newcomer's address or of one that held the most.
                        prop_assert!(full);
                        let of = held(&all, known.address) + 1;
                        prop_assert!(known.address == address || of + 1 >= most, "{of} of {most}");
                        let works = known.client.standing().doing == Doing::Working;
                        prop_assert!(!works || of > own + 1, "work made room: {of}, {own}");
                    }
                    match came {
                        Some((client, key)) => all.push(Known { client, key, address, handshake: true }),
                        // A newcomer from an address without connections is refused only if nobody holds more than one, or if
                        // those that were told to go are still there.
                        None => {
                            prop_assert!(own > 0 || most <= 1 || going > limits.going());
                            prop_assert!(evicted.is_empty(), "for nobody");
                        }
                    }
                }
                Step::Settle(n) => if let Some(n) = pick(n) {
                    let known = &mut all[n];
                    door.ledger.settle(door.now, known.key);
                    if known.handshake {
                        known.client.does(Doing::Unused, door.now);
                    }
                    known.handshake = false;
                },
                Step::Do(n, doing) => if let Some(n) = pick(n) {
                    let doing = [Doing::Idle, Doing::Watching, Doing::Working, Doing::Idle][usize::from(doing)];
                    if !all[n].handshake {
                        all[n].client.does(doing, door.now);
                    }
                },
                Step::End(n) => if let Some(n) = pick(n) {
                    let known = all.swap_remove(n);
                    door.ledger.remove(known.key);
                },
                Step::Wait(time) => door.now += u64::from(time),
            }
            let ledger = &door.ledger;
            let handshaking = seated(&all).filter(|known| known.handshake).count();
            prop_assert_eq!((ledger.seated, ledger.handshakes), (seated(&all).count(), handshaking));
            prop_assert_eq!(ledger.entries.len(), all.len());
            prop_assert!(ledger.seated <= connections && handshaking <= handshakes);
            let leaving = all.iter().filter(|known| known.client.told() == Some("leave")).count();
            prop_assert_eq!(ledger.are_leaving, leaving);
            prop_assert!(leaving <= limits.leaving());
            prop_assert!(all.len() - ledger.seated <= limits.going() + 2);
            for address in 0..6 {
                let of = seated(&all).filter(|known| known.address == address && known.handshake).count();
                prop_assert!(of <= limits.handshakes_of(Address::V4(address)).max(1));
            }
            prop_assert_eq!(ledger.crowds.len(), ledger.by_places.len());
        }
        for known in all {
            door.ledger.remove(known.key);
        }
        let ledger = &door.ledger;
        prop_assert!(ledger.entries.is_empty() && ledger.crowds.is_empty());
        prop_assert!(ledger.by_places.is_empty() && ledger.by_handshakes.is_empty());
        prop_assert_eq!((ledger.seated, ledger.handshakes, ledger.are_leaving), (0, 0, 0));
    }
}
