//! An operation, so many times, for scripts/bench-registry.sh: the script has valgrind count the instructions of `counted_loop` alone.

use std::fmt::Display;
use std::hint::black_box;

use grpc_health::registry::ServingStatus;

/// The name of a service.
pub(crate) fn name(i: impl Display) -> String {
    format!("acme.inventory.v1.Service{i}")
}

/// Another status than that of the number before.
pub(crate) fn status(i: u64) -> ServingStatus {
    if i % 2 == 0 {
        ServingStatus::NotServing
    } else {
        ServingStatus::Serving
    }
}

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
