//! Words and their changes.

use proptest::prelude::*;

use super::*;

fn status() -> impl Strategy<Value = ServingStatus> {
    (0..4usize).prop_map(|i| ServingStatus::ALL[i])
}

proptest! {
    #[test]
    fn setting_a_field_leaves_the_others(raw: u64, status in status(), on: bool) {
        let word = Word(raw);

        let set = word.with_status(status);
        prop_assert_eq!(set.status(), status);
        prop_assert_eq!(set.0 & !STATUS, raw & !STATUS);

        let set = word.with_pinned(on);
        prop_assert_eq!(set.pinned(), on);
        prop_assert_eq!(set.0 & !PINNED, raw & !PINNED);

        let set = word.with_drained(on);
        prop_assert_eq!(set.drained(), on);
        prop_assert_eq!(set.0 & !DRAINED, raw & !DRAINED);

        let set = word.with(WATCHED, on);
        prop_assert_eq!(set.watched(), on);
        prop_assert_eq!(set.0 & !WATCHED, raw & !WATCHED);

        let set = word.with(HOOKED, on);
        prop_assert_eq!(set.hooked(), on);
        prop_assert_eq!(set.0 & !HOOKED, raw & !HOOKED);

        let set = word.next_version();
        prop_assert_eq!(set.version(), word.version().wrapping_add(1) & (u64::MAX >> 6));
        prop_assert_eq!(set.0 & 0x3f, raw & 0x3f);
    }

    #[test]
    fn the_version_counts_changes_of_what_is_shown(
        raw: u64, to in status(), drained: bool, pinned: bool,
    ) {
        let before = Word(raw);
        let word = AtomicWord::new(before);
        let change = |w: Word| w.with_status(to).with_drained(drained).with_pinned(pinned);
        let told = word.update(change);
        if before.hooked() {
            prop_assert_eq!((told, word.load()), (Updated::Hooked, before));
            prop_assert_eq!(word.update_while_locked(change), (before, word.load()));
        }
        let after = word.load();
        let changed = before.shown() != after.shown();
        prop_assert_eq!((after.status(), after.drained(), after.pinned()), (to, drained, pinned));
        prop_assert_eq!(after.watched(), before.watched());
        prop_assert_eq!(told == Updated::Watched, !before.hooked() && changed && before.watched());
        prop_assert_eq!(after.hooked(), before.hooked());
        let expected = if changed { before.next_version() } else { before };
        prop_assert_eq!(after.version(), expected.version());
    }
}

#[test]
fn drained_shows_not_serving_unless_pinned_or_cleared() {
    use ServingStatus::*;
    for status in ServingStatus::ALL {
        let word = Word::new(status, false);
        assert_eq!(word.shown(), status);
        assert_eq!(word.with_pinned(true).with_drained(true).shown(), status);
        let drained = if status == ServiceUnknown {
            ServiceUnknown
        } else {
            NotServing
        };
        assert_eq!(word.with_drained(true).shown(), drained);
        assert_eq!(Word::new(status, true), word.with_drained(true));
    }
}

#[test]
fn the_version_wraps_without_touching_the_rest() {
    let word = Word(u64::MAX).next_version();
    assert_eq!((word.version(), word.0), (0, 0x3f));
}
