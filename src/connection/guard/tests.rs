//! The policy against a plain count, in any pieces.

use std::time::Duration;

use proptest::prelude::*;

use super::frames::*;
use super::limits::Limits;
use super::policy::{Flood, Policy};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const GOAWAY: u8 = 0x7;
const NEVER: Duration = Duration::MAX;
const SECOND: Duration = Duration::from_secs(1);

fn frame(kind: u8, flags: u8, len: usize) -> Vec<u8> {
    let mut frame = (len as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags, 0, 0, 0, 1]);
    // These payloads would be frame heads if the policy read payloads.
    frame.extend([0, 0, 0, PING, 0, 0, 0, 0, 0].iter().cycle().take(len));
    frame
}

fn greeted(limits: &Limits) -> Policy {
    let mut policy = Policy::new(limits);
    assert_eq!(policy.read(PREFACE, || unreachable!()), Ok(()));
    policy
}

/// How many of these frames pass at once.
fn pass(policy: &mut Policy, frame: &[u8], most: usize) -> usize {
    (0..most)
        .take_while(|_| policy.read(frame, || Duration::ZERO).is_ok())
        .count()
}

#[test]
fn each_kind_has_its_own_budget() {
    let limits = Limits {
        ping: 1,
        settings: 2,
        priority: 3,
        window_update: 4,
        reset: 5,
        unknown: 6,
        empty: 7,
        refill: NEVER,
        late_streams: 0,
        stream_window: 0,
    };
    let kinds = [
        (PING, 0, 8, 1, Flood::Ping),
        (PING, ACK, 8, 1, Flood::Ping),
        (SETTINGS, 0, 6, 2, Flood::Settings),
        (SETTINGS, ACK, 0, 2, Flood::Settings),
        (PRIORITY, 0, 5, 3, Flood::Priority),
        (WINDOW_UPDATE, 0, 4, 4, Flood::WindowUpdate),
        (RST_STREAM, 0, 4, 5, Flood::Reset),
        (GOAWAY, 0, 8, 6, Flood::Unknown),
        (0xb, 0, 0, 6, Flood::Unknown),
        (DATA, 0, 0, 7, Flood::Empty),
        (HEADERS, END_HEADERS, 0, 7, Flood::Empty),
        (CONTINUATION, 0, 0, 7, Flood::Empty),
    ];
    for (kind, flags, len, burst, flood) in kinds {
        let mut policy = greeted(&limits);
        let frame = frame(kind, flags, len);
        assert_eq!(pass(&mut policy, &frame, 100), burst, "kind {kind}");
        assert_eq!(policy.read(b"", || unreachable!()), Err(flood));
    }
}

#[test]
fn what_a_request_is_made_of_is_never_too_much() {
    let mut policy = greeted(&Limits::all(0, NEVER));
    let request = [
        frame(HEADERS, 0, 1),
        frame(CONTINUATION, END_HEADERS, 0),
        frame(DATA, 0, 1),
        frame(DATA, END_STREAM, 0),
        frame(HEADERS, END_HEADERS | END_STREAM, 0),
    ]
    .concat();
    assert_eq!(pass(&mut policy, &request, 10_000), 10_000);
}

#[test]
fn a_client_that_answers_every_reply_is_never_cut() {
    let mut policy = greeted(&Limits::all(0, NEVER));
    policy.wrote(&frame(SETTINGS, 0, 36));
    assert_eq!(policy.read(&frame(SETTINGS, ACK, 0), || SECOND), Ok(()));
    let reply = [
        frame(HEADERS, END_HEADERS, 30),
        frame(DATA, 0, 7),
        frame(HEADERS, END_HEADERS | END_STREAM, 2),
    ]
    .concat();
    let answer = [
        frame(PING, 0, 8),
        frame(WINDOW_UPDATE, 0, 4),
        frame(WINDOW_UPDATE, 0, 4),
    ]
    .concat();
    // Unused tokens are kept.
    for _ in 0..100_000 {
        policy.wrote(&reply);
    }
    assert_eq!(pass(&mut policy, &answer, 300_000), 300_000);
    assert_eq!(policy.read(&answer, || SECOND), Err(Flood::Ping));
}

#[test]
fn a_large_frame_may_be_made_room_for_piece_by_piece() {
    let mut policy = greeted(&Limits::all(0, NEVER));
    for (len, updates) in [(1_023, 2), (1_024, 4), (16_384, 34), (16_777_215, 32_768)] {
        policy.wrote(&frame(DATA, 0, len));
        let update = frame(WINDOW_UPDATE, 0, 4);
        assert_eq!(pass(&mut policy, &update, updates), updates, "{len}");
    }
    // One token for each frame, of any size.
    assert_eq!(pass(&mut policy, &frame(PING, 0, 8), 4), 4);
    let update = policy.read(&frame(WINDOW_UPDATE, 0, 4), || SECOND);
    assert_eq!(update, Err(Flood::WindowUpdate));
}

#[test]
fn what_a_client_writes_may_bring_window_updates_along() {
    let mut policy = greeted(&Limits::all(0, NEVER));
    let update = frame(WINDOW_UPDATE, 0, 4);
    let message = [frame(DATA, 0, 1), update.repeat(2)].concat();
    assert_eq!(pass(&mut policy, &message, 10_000), 10_000);
    let last = [frame(DATA, END_STREAM, 0), update.repeat(2)].concat();
    assert_eq!(pass(&mut policy, &last, 1), 1);
    assert_eq!(policy.read(&update, || SECOND), Err(Flood::WindowUpdate));
}

/// 1,000 streams a second for ten minutes, each cancelled after its first reply. Resets without credit are still limited.
#[test]
fn streams_that_were_answered_in_part_may_be_cancelled_at_any_rate() {
    let mut policy = greeted(&Limits::all(1_000, Duration::from_secs(30)));
    let stream = [frame(HEADERS, END_HEADERS, 9), frame(DATA, END_STREAM, 5)].concat();
    let answer = [frame(HEADERS, END_HEADERS, 9), frame(DATA, 0, 7)].concat();
    let reset = frame(RST_STREAM, 0, 4);
    for millis in 0..600_000 {
        let now = || Duration::from_millis(millis);
        assert_eq!(policy.read(&stream, now), Ok(()));
        policy.wrote(&answer);
        assert_eq!(policy.read(&reset, now), Ok(()));
    }
    let rapid = [stream, reset].concat();
    assert_eq!(pass(&mut policy, &rapid, 2_000), 1_000);
    assert_eq!(policy.read(b"", || SECOND), Err(Flood::Reset));
}

#[test]
fn a_reset_behind_a_complete_answer_costs_nothing() {
    let mut policy = greeted(&Limits::all(0, NEVER));
    let refusal = frame(HEADERS, END_HEADERS | END_STREAM, 30);
    let reset = frame(RST_STREAM, 0, 4);
    for _ in 0..10_000 {
        policy.wrote(&refusal);
        assert_eq!(policy.read(&reset, || SECOND), Ok(()));
    }
    policy.excuse_resets(2);
    assert_eq!(pass(&mut policy, &reset, 9), 2);
}

#[test]
fn our_own_questions_may_be_answered() {
    let mut policy = greeted(&Limits::all(0, NEVER));
    policy.wrote(&[frame(PING, 0, 8), frame(PING, ACK, 8)].concat());
    assert_eq!(pass(&mut policy, &frame(PING, ACK, 8), 9), 1);
}

#[test]
fn a_header_block_is_on_its_way_until_its_last_byte() {
    let mut policy = greeted(&Limits::all(9, NEVER));
    let mut read = |bytes: &[u8], seconds| {
        let read = policy.read(bytes, || Duration::from_secs(seconds));
        assert_eq!(read, Ok(()));
        policy.header_block_since().map(|since| since.as_secs())
    };
    // A block that is whole at once is never incomplete, so the clock is not read.
    assert_eq!(read(&frame(HEADERS, END_HEADERS, 5), 1), None);
    let headers = frame(HEADERS, END_HEADERS, 5);
    assert_eq!(read(&headers[..13], 2), Some(2));
    assert_eq!(read(&headers[13..], 3), None);
    assert_eq!(read(&frame(HEADERS, 0, 5), 4), Some(4));
    assert_eq!(read(&frame(CONTINUATION, 0, 5), 5), Some(4));
    assert_eq!(read(&frame(CONTINUATION, END_HEADERS, 5)[..9], 6), Some(4));
    // The end of one block and the beginning of the next in one read.
    assert_eq!(read(&[&[0; 5], &headers[..9]].concat(), 7), Some(7));
    assert_eq!(read(&[0; 5], 8), None);
    assert_eq!(read(&frame(CONTINUATION, END_HEADERS, 0), 9), None);
}

#[test]
fn what_is_no_preface_is_left_to_h2() {
    let mut policy = Policy::new(&Limits::all(0, NEVER));
    for byte in b"PRI * HTTP/1.1\r\n\r\n" {
        assert_eq!(policy.read(&[*byte], || unreachable!()), Ok(()));
    }
    assert_eq!(pass(&mut policy, &frame(PING, 0, 8), 9), 9);
    assert!(policy.is_foreign() && !policy.is_greeting());
}

#[test]
fn the_first_settings_are_seen() {
    let mut policy = greeted(&Limits::all(9, NEVER));
    assert!(policy.is_greeting());
    assert_eq!(policy.read(&frame(SETTINGS, 0, 6), || SECOND), Ok(()));
    assert!(!policy.is_greeting());
}

/// One frame, and the second in which the frame arrives.
fn any_frame() -> impl Strategy<Value = (u8, u8, usize, u64)> {
    (0..12_u8, any::<u8>(), 0..20_usize, 0..3_u64)
}

/// The bytes, and the time of each byte.
fn program(frames: &[(u8, u8, usize, u64)]) -> Vec<(u8, Duration)> {
    let mut now = Duration::ZERO;
    let mut bytes: Vec<_> = PREFACE.iter().map(|byte| (*byte, now)).collect();
    for (kind, flags, len, seconds) in frames {
        now += Duration::from_secs(*seconds);
        let frame = frame(*kind, *flags, *len);
        bytes.extend(frame.iter().map(|byte| (*byte, now)));
    }
    bytes
}

fn judge(limits: &Limits, bytes: &[(u8, Duration)], sizes: &[usize]) -> String {
    let mut policy = Policy::new(limits);
    let mut sizes = sizes.iter().cycle();
    // Pieces end where the time changes.
    for same in bytes.chunk_by(|a, b| a.1 == b.1) {
        let mut rest: Vec<_> = same.iter().map(|(byte, _)| *byte).collect();
        while !rest.is_empty() {
            let size = sizes.next().unwrap_or(&usize::MAX);
            let tail = rest.split_off(rest.len().min(*size));
            if policy.read(&rest, || same[0].1).is_err() {
                return policy.verdict();
            }
            rest = tail;
        }
    }
    policy.verdict()
}

/// The kinds of frames that have a budget, and the names of the budgets.
fn counts(kind: u8, flags: u8, len: usize) -> Option<Flood> {
    let last = flags & END_STREAM != 0;
    match kind {
        DATA | HEADERS => (len == 0 && !last).then_some(Flood::Empty),
        CONTINUATION => (len == 0 && flags & END_HEADERS == 0).then_some(Flood::Empty),
        PRIORITY => Some(Flood::Priority),
        RST_STREAM => Some(Flood::Reset),
        SETTINGS => Some(Flood::Settings),
        PING => Some(Flood::Ping),
        WINDOW_UPDATE => Some(Flood::WindowUpdate),
        _ => Some(Flood::Unknown),
    }
}

proptest! {
    #[test]
    fn the_verdict_does_not_depend_on_the_pieces(
        frames in prop::collection::vec(any_frame(), 0..60),
        sizes in prop::collection::vec(1..40_usize, 1..20),
        burst in 0..6_u32,
        refill in 0..20_u64,
    ) {
        let limits = Limits::all(burst, Duration::from_secs(refill));
        let bytes = program(&frames);
        let whole = judge(&limits, &bytes, &[]);
        prop_assert_eq!(&judge(&limits, &bytes, &sizes), &whole);
        prop_assert_eq!(&judge(&limits, &bytes, &[1]), &whole);
    }

    #[test]
    fn without_a_refill_the_verdict_is_a_count(
        frames in prop::collection::vec(any_frame(), 0..60),
        sizes in prop::collection::vec(1..40_usize, 1..20),
        burst in 0..6_usize,
    ) {
        let limits = Limits::all(burst as u32, NEVER);
        let mut seen = Vec::new();
        let mut expected = None;
        let mut earned = 0;
        for (kind, flags, len, _) in &frames {
            let Some(kind) = counts(*kind, *flags, *len) else {
                earned += 2 * usize::from(*kind == DATA);
                continue;
            };
            seen.push(kind);
            let most = burst + if kind == Flood::WindowUpdate { earned } else { 0 };
            if seen.iter().filter(|other| **other == kind).count() > most {
                expected = Some(kind);
                break;
            }
        }
        let verdict = judge(&limits, &program(&frames), &sizes);
        let expected = format!("flood {expected:?},");
        prop_assert!(verdict.starts_with(&expected), "{} is not {}", verdict, expected);
    }
}

#[test]
fn headers_are_counted_until_they_are_forgotten_or_their_streams_reset() {
    let mut policy = greeted(&Limits::all(100, NEVER));
    let mut read = |frames: &[Vec<u8>], forget: bool| {
        if forget {
            policy.begin_turn(1);
        }
        policy.read(&frames.concat(), || Duration::ZERO).unwrap();
        policy.headers()
    };
    let headers = |len| frame(HEADERS, END_HEADERS, len);
    let reset = frame(RST_STREAM, 0, 4);
    assert_eq!(read(&[headers(50), frame(DATA, 0, 1_000)], false), 50);
    assert_eq!(read(&[headers(30)], false), 80);
    let block = [frame(HEADERS, 0, 7), frame(CONTINUATION, END_HEADERS, 8)];
    assert_eq!(read(&block, true), 15);
    assert_eq!(read(&[headers(40)], false), 55);
    assert_eq!(read(std::slice::from_ref(&reset), false), 15);
    assert_eq!(read(&[block.concat(), reset.clone()], false), 15);
    // No more than there was.
    assert_eq!(read(&[reset.clone(), reset], true), 0);
}

/// A client may reset a finished stream again and again. Such a reset gives nothing back, whatever blocks have arrived since.
#[test]
fn the_reset_of_another_stream_gives_no_header_budget_back() {
    let mut policy = greeted(&Limits::all(100, NEVER));
    let on = |stream, mut frame: Vec<u8>| {
        frame[8] = stream;
        frame
    };
    let headers = |stream, len| on(stream, frame(HEADERS, END_HEADERS, len));
    let reset = |stream| on(stream, frame(RST_STREAM, 0, 4));
    let mut read = |frames: &[Vec<u8>]| {
        policy.read(&frames.concat(), || Duration::ZERO).unwrap();
        policy.headers()
    };
    assert_eq!(read(&[headers(3, 50), reset(1)]), 50);
    assert_eq!(read(&[headers(5, 20), reset(3)]), 70);
    assert_eq!(read(&[reset(5)]), 50);
    // Once only.
    assert_eq!(read(&[reset(5), reset(5)]), 50);
}
