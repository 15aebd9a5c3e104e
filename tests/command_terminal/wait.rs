//! `wait`: for scripts and init containers.

use http::Response;

use crate::{
    Served,
    dir::Dir,
    lists::scripted,
    support::{Running, line, run},
};

#[test]
fn what_has_the_status_is_not_waited_for() {
    let dir = Dir::new();
    let served = Served::new(&dir, "a", &["b=not-serving", "c=unknown"]);
    for (until, service) in [
        ("serving", ""),
        ("not-serving", "b"),
        ("unknown", "c"),
        ("service-unknown", "absent"),
    ] {
        let args = ["wait", &served.addr, "--until", until, "--service", service];
        let (code, stdout, stderr) = run(args);
        assert_eq!((code, stdout.as_str()), (0, ""), "{until}: {stderr}");
    }
    let (code, stdout, stderr) = run(["wait", "--quiet", &served.addr]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "", ""));
    let none = format!("unix:{}", dir.path("none"));
    let (code, _, stderr) = run(["wait", &none, "--until", "unreachable"]);
    assert_eq!(code, 0, "{stderr}");
}

/// All targets at the same time, from servers that start late.
#[test]
fn servers_that_start_are_waited_for() {
    let dir = Dir::new();
    let addrs = ["a", "b"].map(|name| format!("unix:{}", dir.path(name)));
    let [a, b] = &addrs;
    let mut wait = Running::new(["wait", "--timeout", "1h", a, b]);
    for _ in 0..2 {
        let said = line(&mut wait.stderr);
        assert!(said.contains("  UNREACHABLE  ("), "{said}");
    }
    let a = Served::new(&dir, "a", &["=not-serving"]);
    let said = line(&mut wait.stderr);
    assert!(
        said.contains("  \"\"  NOT_SERVING  was UNREACHABLE for "),
        "{said}"
    );
    let _b = Served::new(&dir, "b", &[]);
    let said = line(&mut wait.stderr);
    assert!(
        said.contains("  \"\"  SERVING  was UNREACHABLE for "),
        "{said}"
    );
    // One of two is not enough: the command still waits, and says what changes.
    a.tell(&["set", "", "unknown"]);
    let said = line(&mut wait.stderr);
    assert!(said.contains("  UNKNOWN  was NOT_SERVING for "), "{said}");
    a.tell(&["set", "", "serving"]);
    let (code, stdout, stderr) = wait.end();
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
}

#[test]
fn a_server_that_goes_is_waited_for() {
    let dir = Dir::new();
    let served = Served::new(&dir, "a", &[]);
    let mut wait = Running::new([
        "wait",
        "--until",
        "unreachable",
        "--timeout",
        "1h",
        &served.addr,
    ]);
    assert!(line(&mut wait.stderr).contains("  SERVING"));
    served.kill();
    assert_eq!(wait.end().0, 0);
}

/// As a proxy without a server behind it answers.
#[test]
fn a_server_that_answers_unavailable_was_unreachable() {
    let (runtime, addr) = scripted(|_, mut respond| {
        let head = Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", "14")
            .header("grpc-message", "no healthy upstream");
        respond.send_response(head.body(()).unwrap(), true).ok()
    });
    let mut watch = Running::new(["watch", &addr]);
    let said = watch.line();
    let columns: Vec<&str> = said.split('\t').collect();
    assert_eq!(
        [columns[3], columns[6]],
        ["FAILED", "no healthy upstream"],
        "{said}"
    );
    watch.signal("INT");
    assert_eq!(watch.end().0, 3);
    let wait = ["wait", "--until", "unreachable", "--timeout", "1h", &addr];
    let mut wait = Running::new(wait);
    let said = line(&mut wait.stderr);
    assert!(said.contains("  FAILED  (no healthy upstream)"), "{said}");
    runtime.shutdown_background();
    let (code, _, stderr) = wait.end();
    assert_eq!(code, 0, "{stderr}");
}

/// The codes are those of `check` for the same state. All of them wait at once, long enough to hear of every state.
#[test]
fn after_the_timeout_the_code_says_what_was_missing() {
    let dir = Dir::new();
    let served = Served::new(&dir, "a", &["=not-serving"]);
    let (down, none) = (&served.addr, &format!("unix:{}", dir.path("none\u{1b}[2J")));
    let no_health = &served.no_health();
    let table = [
        (&[down][..], 4, "\"\" is NOT_SERVING"),
        (&[none], 2, "\"\" is UNREACHABLE ("),
        (&[no_health], 3, "\"\" is FAILED ("),
        (&[down, no_health], 3, "NOT_SERVING, unix:"),
        (&[no_health, none, down], 2, "FAILED ("),
    ];
    let waiting: Vec<_> = table
        .iter()
        .map(|(targets, ..)| {
            let args = ["wait", "--quiet", "--timeout", "5s"].map(String::from);
            Running::new(args.iter().chain(targets.iter().copied()))
        })
        .collect();
    for (wait, (targets, expected, words)) in waiting.into_iter().zip(table) {
        let (code, stdout, stderr) = wait.end();
        assert_eq!(
            (code, stdout.as_str()),
            (expected, ""),
            "{targets:?}: {stderr}"
        );
        assert!(
            stderr.starts_with("error: not SERVING within 5s: unix:"),
            "{stderr}"
        );
        assert!(stderr.contains(words), "{stderr}");
        assert_eq!(
            (stderr.lines().count(), stderr.contains('\x1b')),
            (1, false)
        );
    }
}
