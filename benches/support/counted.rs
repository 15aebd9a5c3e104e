//! An operation, so many times, for scripts/bench-registry.sh: the script has valgrind count the instructions of `counted_loop` alone.

use std::hint::black_box;

/// Does `operation` so many times, and nothing else.
#[inline(never)]
pub(crate) fn counted_loop(times: u64, mut operation: impl FnMut(u64)) {
    for i in 0..times {
        operation(black_box(i));
    }
}

/// The program's arguments: OPERATION TIMES.
pub(crate) fn arguments() -> (String, u64) {
    let mut arguments = std::env::args().skip(1);
    let operation = arguments.next().expect("an operation");
    let times = arguments.next().and_then(|times| times.parse().ok());
    (operation, times.expect("a number"))
}
