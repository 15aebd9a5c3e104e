//! `check` and `list`: targets, repetition, JSON.

use std::io::BufRead;

use crate::{
    Served,
    dir::Dir,
    support::{Running, line, run, serve},
};

#[test]
fn a_target_may_name_the_service() {
    let (_server, addr) = serve(&["--service", "a.B=not-serving", "--service", "c/d=unknown"]);
    for (target, service, status) in [
        (addr.clone(), None, "SERVING"),
        (format!("{addr}/"), None, "SERVING"),
        (format!("{addr}/a.B"), None, "NOT_SERVING"),
        (format!("{addr}/c/d"), None, "UNKNOWN"),
        (format!("ipv4:{addr}/a.B"), None, "NOT_SERVING"),
        (format!("dns:///{addr}/a.B"), None, "NOT_SERVING"),
        (addr.clone(), Some("a.B"), "NOT_SERVING"),
        // The target comes before the option.
        (format!("{addr}/"), Some("a.B"), "SERVING"),
        (format!("{addr}/c/d"), Some("a.B"), "UNKNOWN"),
    ] {
        let mut args = vec!["check", &target];
        args.extend(service.iter().flat_map(|name| ["--service", *name]));
        let (_, stdout, stderr) = run(&args);
        assert_eq!(stdout, format!("{status}\n"), "{args:?}: {stderr}");
    }
    let (code, _, stderr) = run(["list", &format!("{addr}/a.B")]);
    assert_eq!(code, 1, "{stderr}");
}

#[test]
fn the_service_of_a_unix_socket_is_an_option() {
    let dir = Dir::new();
    let served = Served::new(&dir, "a", &["b=not-serving"]);
    let (code, stdout, stderr) = run(["check", &served.addr, "--service", "b"]);
    assert_eq!((code, stdout.as_str()), (4, "NOT_SERVING\n"), "{stderr}");
}

#[test]
fn one_object_for_every_outcome() {
    let (server, addr) = serve(&["--reasons", "--service", "a=not-serving"]);
    let json = |target: &str| run(["check", "--json", target]);
    let begin = |service: &str| format!(r#"{{"address":"{addr}","service":"{service}","#);
    let (code, stdout, stderr) = json(&addr);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let expected = format!(
        r#"{}"status":"SERVING","exit":0,"milliseconds":"#,
        begin("")
    );
    assert!(stdout.starts_with(&expected), "{stdout}");
    assert!(
        stdout.ends_with("\"code\":null,\"error\":null}\n"),
        "{stdout}"
    );
    let (code, stdout, _) = json(&format!("{addr}/a"));
    assert_eq!(code, 4);
    assert!(
        stdout.contains(r#""status":"NOT_SERVING","exit":4,"#),
        "{stdout}"
    );
    assert!(stdout.contains(r#","since":"20"#), "{stdout}");
    let (code, stdout, stderr) = json(&format!("{addr}/absent"));
    assert_eq!(code, 3);
    let expected = format!(
        r#"{}"status":null,"exit":3,"milliseconds":null,"since":null,"reason":null,{}"#,
        begin("absent"),
        r#""code":"NOT_FOUND","error":"health rpc failed: NOT_FOUND"#
    );
    assert!(stdout.starts_with(&expected), "{stdout}");
    // People are told, too.
    assert!(
        stderr.starts_with("error: health rpc failed: NOT_FOUND"),
        "{stderr}"
    );
    server.signal("TERM");
    server.end();
    let dir = Dir::new();
    let (code, stdout, _) = json(&format!("unix:{}", dir.path("none")));
    assert_eq!(code, 2);
    assert!(stdout.contains(r#""exit":2,"#), "{stdout}");
    assert!(
        stdout.contains(r#""code":null,"error":"failed to connect to "#),
        "{stdout}"
    );
    assert_eq!(stdout.lines().count(), 1);
}

/// The lines of the answers, and the two lines of the summary.
fn split(stdout: &str) -> (Vec<&str>, [&str; 2]) {
    let mut lines: Vec<&str> = stdout.lines().collect();
    let times = lines.pop().unwrap();
    let counts = lines.pop().unwrap();
    (lines, [counts, times])
}

fn milliseconds(text: &str) -> f64 {
    text.parse().unwrap()
}

#[test]
fn checks_again_and_again() {
    let (_server, addr) = serve(&["--service", "down=not-serving"]);
    let check = |target: &str| run(["check", target, "--count", "20", "--interval", "0s"]);
    let (code, stdout, stderr) = check(&addr);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let (answers, [counts, times]) = split(&stdout);
    assert_eq!(counts, "20 checks: 20 SERVING, 0 another status, 0 failed");
    let mut took: Vec<f64> = answers
        .iter()
        .map(|answer| milliseconds(answer.strip_prefix("SERVING\t").unwrap()))
        .collect();
    assert_eq!(took.len(), 20);
    took.sort_by(f64::total_cmp);
    let times: Vec<(&str, f64)> = times
        .split(", ")
        .map(|time| {
            let (name, time) = time.strip_suffix(" ms").unwrap().split_once(' ').unwrap();
            (name, milliseconds(time))
        })
        .collect();
    // The value at each rank, and up to 1 % and a microsecond more.
    for ((name, time), (expected, rank)) in times.iter().zip([
        ("min", 1),
        ("p50", 10),
        ("p90", 18),
        ("p99", 20),
        ("max", 20),
    ]) {
        assert_eq!(*name, expected);
        let exact = took[rank - 1];
        assert!(
            (exact..=exact * 1.01 + 0.001).contains(time),
            "{name} {time} {took:?}"
        );
    }

    let (code, stdout, _) = check(&format!("{addr}/down"));
    assert_eq!(code, 4);
    assert_eq!(
        split(&stdout).1[0],
        "20 checks: 0 SERVING, 20 another status, 0 failed"
    );
    let (code, stdout, stderr) = check(&format!("{addr}/absent"));
    assert_eq!((code, stderr.lines().count()), (3, 20));
    assert_eq!(
        stdout,
        "20 checks: 0 SERVING, 0 another status, 20 failed\n"
    );

    let json = ["check", &addr, "--count", "2", "--interval", "0s", "--json"];
    let (code, stdout, _) = run(json);
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!((code, lines.len()), (0, 3));
    let expected = r#"{"summary":{"checks":2,"serving":2,"other":0,"failed":0,"exit":0,"milliseconds":{"min":"#;
    assert!(lines[2].starts_with(expected), "{stdout}");
}

#[test]
fn a_signal_ends_the_checks_with_the_summary() {
    let (_server, addr) = serve(&[]);
    for signal in ["INT", "TERM"] {
        let mut check = Running::new(["check", &addr, "--interval", "1h"]);
        assert!(check.line().starts_with("SERVING\t"));
        check.signal(signal);
        let (code, stdout, stderr) = check.end();
        assert_eq!((code, stderr.as_str()), (0, ""));
        let (answers, [counts, times]) = split(&stdout);
        assert_eq!(answers.len(), 0);
        assert_eq!(counts, "1 checks: 1 SERVING, 0 another status, 0 failed");
        assert!(times.starts_with("min "), "{times}");
    }
}

#[test]
fn a_broken_connection_is_made_anew() {
    let dir = Dir::new();
    let served = Served::new(&dir, "a", &[]);
    let addr = served.addr.clone();
    let mut check = Running::new(["check", &addr, "--interval", "1ms"]);
    assert!(check.line().starts_with("SERVING\t"));
    served.kill();
    let mut said = String::new();
    while !said.contains("failed to connect to unix:") {
        said = line(&mut check.stderr);
    }
    let served = Served::new(&dir, "a", &["back=not-serving"]);
    // Those of the first server were printed before the first failure; a later line is of the second server.
    let mut seen = 0;
    while seen < 100 {
        assert!(check.line().starts_with("SERVING\t"));
        seen += 1;
    }
    check.signal("INT");
    let mut rest = String::new();
    while check.stderr.read_line(&mut rest).unwrap() > 0 {}
    let (code, stdout, _) = check.end();
    assert_eq!(code, 3, "{rest}");
    let counts = split(&stdout).1[0];
    assert!(!counts.ends_with(" 0 failed"), "{counts}");
    drop(served);
}

#[test]
fn a_list_as_an_object() {
    let (_server, addr) = serve(&["--reasons", "--service", "a\x1b[2J=not-serving"]);
    let (code, stdout, stderr) = run(["list", &addr, "--json"]);
    assert_eq!((code, stderr.as_str()), (4, ""));
    assert_eq!(
        stdout,
        format!(
            "{{\"address\":\"{addr}\",\"exit\":4,\"services\":[{{\"service\":\"\",\"status\":\"SERVING\"}},\
             {{\"service\":\"a\\u001b[2J\",\"status\":\"NOT_SERVING\"}}]}}\n"
        )
    );
    let (_, stdout, _) = run(["list", &addr, "--json", "--reasons"]);
    assert!(
        stdout.contains("\"status\":\"NOT_SERVING\",\"since\":\"20"),
        "{stdout}"
    );
    let dir = Dir::new();
    let (code, stdout, _) = run(["list", &format!("unix:{}", dir.path("none")), "--json"]);
    assert_eq!(code, 2);
    assert!(
        stdout.contains("\"exit\":2,\"code\":null,\"error\":\"failed to connect"),
        "{stdout}"
    );
}

#[test]
fn bad_arguments() {
    for (args, expected) in [
        (
            &["check", "a:1", "--count", "0"][..],
            "'0' for '--count <N>'",
        ),
        (
            &["check", "a:1", "--interval", "1"],
            "expected a whole number and",
        ),
        (
            &["check", "a:1", "--json", "--reasons"],
            "cannot be used with",
        ),
        (&["check", "a:1", "b:1"], "unexpected argument 'b:1'"),
        (&["watch"], "<ADDR[/SERVICE]>"),
        (&["watch", "a:1", "--relist", "1s"], "--all"),
        (
            &["watch", "a:1", "--all", "--service", "b"],
            "cannot be used with",
        ),
        (
            &["watch", "a:1", "--no-reconnect", "--json"],
            "cannot be used with",
        ),
        (
            &["watch", "a:1", "b:1", "--no-reconnect"],
            "--no-reconnect takes one target",
        ),
        (&["wait"], "<ADDR[/SERVICE]>"),
        (
            &["wait", "a:1", "--until", "up"],
            "none of serving, not-serving",
        ),
        (
            &["wait", "a:1", "--timeout", "0s"],
            "must be greater than zero",
        ),
        (
            &["wait", "unix:a", "--tls"],
            "--tls cannot be used with unix:a",
        ),
        (&["completions", "csh"], "possible values: bash"),
    ] {
        let (code, stdout, stderr) = run(args);
        assert_eq!((code, stdout.as_str()), (1, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
}
