//! Random programs of registry operations against a `HashMap`: see `fuzz/bodies/registry_ops.rs`.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "the model asserts its own invariants"
)]

#[allow(
    unreachable_pub,
    reason = "the fuzz target calls it from another crate"
)]
#[path = "../fuzz/bodies/registry_ops.rs"]
mod registry_ops;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_registry_agrees_with_a_map(program in prop::collection::vec(any::<u8>(), 0..600)) {
        registry_ops::run(&program);
    }
}

/// A program that fills the registry, drains it, and hands the seat over, with watchers throughout.
#[test]
fn a_fixed_program_reaches_every_corner() {
    let mut program = Vec::new();
    for name in 0..10 {
        program.extend([11, name, 12, name, 12, name, 2, name, 1]);
    }
    // Two drivers, of which the first leaves while changes are queued.
    program.extend([
        15, 255, 15, 255, 4, 1, 2, 4, 2, 2, 15, 0, 12, 1, 8, 4, 1, 1, 10, 1, 1, 12, 1,
    ]);
    program.extend([9, 7, 1, 12, 1, 14, 1, 15, 0]);
    registry_ops::run(&program);
}

/// Groups of groups, leases that become stale and are back, results in a row, and subscribers, through a shutdown.
#[test]
fn a_fixed_program_reaches_every_corner_of_the_plane() {
    let mut program = vec![25, 0, 25, 1, 11, 0, 12, 0, 12, 0];
    // "" counts "a", "b" and "ab"; then "a" would count "".
    program.extend([
        16,
        0,
        1,
        0b111,
        16,
        1,
        1,
        0b1000_0000,
        16,
        1,
        2,
        1,
        16,
        0,
        9,
        255,
    ]);
    // Two leases of "b", of which one does not beat; time passes; the holder beats again.
    program.extend([17, 2, 1, 17, 2, 0, 21, 18, 1, 21, 12, 0, 25, 1]);
    program.extend([17, 0, 0, 16, 2, 0, 0, 19, 0, 21, 17, 2, 1, 20, 0]);
    for good in [0, 1, 0, 0, 1, 1] {
        program.extend([2, 1, 0, 23, 1, 2, 2, 22, 1, good, 22, 1, good, 24, 1, good]);
    }
    program.extend([8, 22, 1, 1, 22, 1, 1, 10, 0, 1, 9, 7, 0, 7, 1, 21, 25, 1]);
    registry_ops::run(&program);
}
