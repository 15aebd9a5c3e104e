//! The rules of a connection's times.

use super::*;

const SECOND: Duration = Duration::from_secs(1);
/// How many bytes a blocked socket has to take in its time.
const STEP: u64 = 16 << 10;

fn config() -> Config {
    Config {
        max_connection_idle: Some(30 * SECOND),
        write_stall_timeout: 20 * SECOND,
        ..Config::default()
    }
}

fn busy(read: u64, written: u64) -> Activity {
    Activity {
        read,
        written,
        write_blocked: false,
        busy: true,
        called: false,
        swollen: false,
        crowded: false,
    }
}

#[test]
fn a_connection_without_calls_is_to_leave_after_the_idle_time() {
    let start = Instant::now();
    let mut lifetime = Lifetime::new(&config(), start);
    lifetime.observe(
        start,
        Activity {
            busy: false,
            ..busy(24, 0)
        },
    );
    assert_eq!(lifetime.next(), Some(start + 30 * SECOND));
    // A call, and then its end.
    lifetime.observe(start + 10 * SECOND, busy(50, 0));
    assert_eq!(lifetime.next(), None);
    lifetime.observe(
        start + 90 * SECOND,
        Activity {
            busy: false,
            ..busy(50, 20)
        },
    );
    assert_eq!(lifetime.due(start + 119 * SECOND), None);
    assert_eq!(lifetime.due(start + 120 * SECOND), Some(Verdict::Leave));
    lifetime.leave(Some(start + 125 * SECOND));
    assert_eq!(lifetime.due(start + 124 * SECOND), None);
    assert_eq!(lifetime.due(start + 125 * SECOND), Some(Verdict::Cut));
    assert_eq!(
        (lifetime.due(start + 125 * SECOND), lifetime.next()),
        (None, None)
    );
}

#[test]
fn a_time_that_was_told_holds_until_something_may_make_it_earlier() {
    let start = Instant::now();
    let config = Config {
        keepalive_interval: Some(20 * SECOND),
        ..config()
    };
    let mut lifetime = Lifetime::new(&config, start);
    let quiet = |read| Activity {
        busy: false,
        ..busy(read, 9)
    };
    let mut read = 0;
    let mut told = |lifetime: &mut Lifetime, activity: Activity| {
        read += 1;
        let activity = Activity { read, ..activity };
        lifetime.observe(start + SECOND * read as u32, activity);
        let is_told = lifetime.is_told();
        lifetime.next();
        is_told
    };
    assert!(!told(&mut lifetime, quiet(0)));
    assert!(!told(&mut lifetime, busy(0, 9)));
    assert!(told(&mut lifetime, busy(0, 9)));
    let kinds = [
        quiet(0),
        Activity {
            swollen: true,
            ..quiet(0)
        },
        Activity {
            crowded: true,
            ..quiet(0)
        },
        Activity {
            write_blocked: true,
            ..quiet(0)
        },
    ];
    for kind in kinds {
        assert!(!told(&mut lifetime, kind));
        assert!(told(&mut lifetime, kind));
    }
    // A PING that waits for its answer, the answer, and a GOAWAY change the times.
    assert!(!told(&mut lifetime, busy(0, 9)));
    assert_eq!(lifetime.due(start + 40 * SECOND), Some(Verdict::Ping));
    assert!(!lifetime.is_told());
    lifetime.next();
    assert!(!told(&mut lifetime, busy(0, 9)));
    assert!(told(&mut lifetime, busy(0, 9)));
    lifetime.leave(Some(start));
    assert!(!lifetime.is_told());
}

#[test]
fn calls_answered_at_once_put_the_idle_time_off() {
    let start = Instant::now();
    let mut lifetime = Lifetime::new(&config(), start);
    for i in 1..10 {
        let activity = Activity {
            busy: false,
            ..busy(i * 100, i * 50)
        };
        lifetime.observe(start + SECOND * i as u32, activity);
    }
    assert_eq!(lifetime.next(), Some(start + 39 * SECOND));
}

/// PINGs do not put that off.
#[test]
fn a_connection_that_was_crowded_leaves_after_a_minute_without_a_call() {
    let start = Instant::now();
    let crowded = |read| Activity {
        crowded: true,
        busy: false,
        ..busy(read, 9)
    };
    let leaves = |idle| {
        let config = Config {
            max_connection_idle: idle,
            ..config()
        };
        let mut lifetime = Lifetime::new(&config, start);
        lifetime.observe(start, busy(9, 9));
        assert_eq!(lifetime.next(), None);
        for second in 1..4 {
            lifetime.observe(start + SECOND * second, crowded(10 + u64::from(second)));
        }
        lifetime.next().map(|at| at - start)
    };
    assert_eq!(leaves(Some(300 * SECOND)), Some(61 * SECOND));
    assert_eq!(leaves(Some(5 * SECOND)), Some(6 * SECOND));
    assert_eq!(leaves(None), None);
}

/// Such calls leave no trace between two looks but that they have come.
#[test]
fn calls_answered_at_once_keep_a_connection_that_was_crowded() {
    let start = Instant::now();
    let config = Config {
        max_connection_idle: Some(600 * SECOND),
        ..config()
    };
    let mut lifetime = Lifetime::new(&config, start);
    for half_minute in 0..10 {
        let activity = Activity {
            crowded: true,
            called: true,
            busy: false,
            ..busy(u64::from(half_minute), 9)
        };
        let now = start + 30 * SECOND * half_minute;
        lifetime.observe(now, activity);
        assert_eq!(lifetime.due(now), None);
    }
    let last = start + 30 * SECOND * 9;
    assert_eq!(lifetime.next(), Some(last + 60 * SECOND));
}

#[test]
fn a_quiet_connection_gives_memory_back_once() {
    let start = Instant::now();
    let mut lifetime = Lifetime::new(&config(), start);
    let swollen = |read| Activity {
        swollen: true,
        ..busy(read, 9)
    };
    lifetime.observe(start, swollen(9));
    assert_eq!(lifetime.next(), None);
    let quiet = Activity {
        busy: false,
        ..swollen(10)
    };
    lifetime.observe(start + SECOND, quiet);
    assert_eq!(lifetime.next(), Some(start + 2 * SECOND));
    assert_eq!(lifetime.due(start + 2 * SECOND), Some(Verdict::Shrink));
    assert_eq!(lifetime.due(start + 2 * SECOND), None);
    assert_eq!(lifetime.next(), Some(start + 31 * SECOND));
}

#[test]
fn a_socket_that_takes_nothing_is_cut_and_progress_puts_that_off() {
    let start = Instant::now();
    let mut lifetime = Lifetime::new(&config(), start);
    let blocked = |written| Activity {
        write_blocked: true,
        ..busy(9, written)
    };
    lifetime.observe(start, blocked(100));
    lifetime.observe(start + 15 * SECOND, blocked(100));
    assert_eq!(lifetime.next(), Some(start + 20 * SECOND));
    // A byte now and then is not enough.
    lifetime.observe(start + 16 * SECOND, blocked(99 + STEP));
    assert_eq!(lifetime.next(), Some(start + 20 * SECOND));
    lifetime.observe(start + 19 * SECOND, blocked(100 + STEP));
    assert_eq!(lifetime.due(start + 38 * SECOND), None);
    lifetime.observe(start + 38 * SECOND, busy(9, 102 + STEP));
    assert_eq!(lifetime.next(), None);
    lifetime.observe(start + 40 * SECOND, blocked(102 + STEP));
    assert_eq!(lifetime.due(start + 60 * SECOND), Some(Verdict::Cut));
}

#[test]
fn a_silent_peer_is_asked_and_cut_unless_it_says_something() {
    let config = Config {
        keepalive_interval: Some(30 * SECOND),
        keepalive_timeout: 5 * SECOND,
        ..config()
    };
    let start = Instant::now();
    let mut lifetime = Lifetime::new(&config, start);
    lifetime.observe(start, busy(9, 9));
    assert_eq!(lifetime.next(), Some(start + 30 * SECOND));
    assert_eq!(lifetime.due(start + 30 * SECOND), Some(Verdict::Ping));
    assert_eq!(lifetime.due(start + 30 * SECOND), None);
    // It answers.
    lifetime.observe(start + 31 * SECOND, busy(26, 26));
    assert_eq!(lifetime.next(), Some(start + 61 * SECOND));
    assert_eq!(lifetime.due(start + 61 * SECOND), Some(Verdict::Ping));
    // It does not.
    lifetime.observe(start + 62 * SECOND, busy(26, 43));
    assert_eq!(lifetime.due(start + 66 * SECOND), Some(Verdict::Cut));
}

#[test]
fn an_old_connection_is_to_leave_within_a_tenth_of_its_age() {
    let config = Config {
        max_connection_age: Some(1000 * SECOND),
        ..config()
    };
    let start = Instant::now();
    let mut ages: Vec<_> = (0..64)
        .map(|_| {
            let mut lifetime = Lifetime::new(&config, start);
            lifetime.observe(start, busy(9, 9));
            lifetime.next().expect("an age") - start
        })
        .collect();
    ages.sort_unstable();
    ages.dedup();
    assert!(ages.len() > 1, "all the same: {ages:?}");
    let allowed = 900 * SECOND..=1100 * SECOND;
    assert!(ages.iter().all(|age| allowed.contains(age)), "{ages:?}");
}
