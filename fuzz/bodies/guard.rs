//! What the guard makes of a connection does not depend on the pieces that its bytes come in.
//!
//! Input: the burst, the refill in seconds, the number of piece sizes, the piece sizes; then steps, each the seconds since the last
//! one (the lower 7 bits) and the direction (the upper), a length, and so many bytes. The preface comes before the first step of the
//! peer, unless the refill is over 127.

use std::time::Duration;

use grpc_health::__internals::{Step, guard};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub fn run(data: &[u8]) {
    let [burst, refill, count, rest @ ..] = data else {
        return;
    };
    let (sizes, program) = rest.split_at(rest.len().min(usize::from(*count)));
    let greeting = if *refill > 127 { &[][..] } else { PREFACE };
    let mut steps = vec![Step {
        now: Duration::ZERO,
        written: false,
        bytes: greeting,
    }];
    steps.extend(read(program));

    let judge = |sizes: &[u8]| {
        guard(
            u32::from(*burst),
            Duration::from_secs(u64::from(*refill)),
            cut(&steps, sizes),
        )
    };
    let whole = judge(&[]);
    assert_eq!(judge(sizes), whole);
    assert_eq!(judge(&[1]), whole);
}

fn read(mut program: &[u8]) -> Vec<Step<'_>> {
    let mut now = Duration::ZERO;
    let mut steps = Vec::new();
    while let [head, len, rest @ ..] = program {
        let (bytes, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        now += Duration::from_secs(u64::from(head & 0x7f));
        steps.push(Step {
            now,
            written: head & 0x80 != 0,
            bytes,
        });
        program = rest;
    }
    steps
}

/// The steps in pieces of these sizes, over and over; none: whole.
fn cut<'a>(steps: &[Step<'a>], sizes: &[u8]) -> Vec<Step<'a>> {
    let mut sizes = sizes.iter().cycle();
    let mut pieces = Vec::new();
    for step in steps {
        let mut rest = step.bytes;
        while !rest.is_empty() {
            let size = sizes.next().map_or(usize::MAX, |size| usize::from(*size));
            let (bytes, tail) = rest.split_at(rest.len().min(size.max(1)));
            pieces.push(Step { bytes, ..*step });
            rest = tail;
        }
    }
    pieces
}
