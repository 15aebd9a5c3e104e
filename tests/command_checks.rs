//! The built command as a sidecar: statuses that checks, groups and a configuration file decide.
#![cfg(all(feature = "cli", unix))]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/certs.rs"]
mod certs;
#[path = "support/dir.rs"]
mod dir;
#[path = "support/command.rs"]
mod support;

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    thread,
};

use certs::Ca;
use dir::Dir;
use support::{Running, line, listening, run, serve};

/// `watch` of one service, whose next lines are its changes.
fn watch(addr: &str, service: &str) -> Running {
    Running::new(["watch", "--no-reconnect", addr, "--service", service])
}

/// The status that `watch` shows after any UNKNOWN.
fn decided(watch: &mut Running) -> String {
    match watch.line() {
        line if line == "UNKNOWN" => watch.line(),
        line => line,
    }
}

#[test]
fn a_tcp_check_follows_the_port() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let check = format!("db[period=20ms]=tcp:127.0.0.1:{port}");
    let (mut server, addr) = serve(&["--check", &check]);
    let mut db = watch(&addr, "db");
    assert_eq!(decided(&mut db), "SERVING");
    assert_eq!(line(&mut server.stderr), "check \"db\": passed");
    drop(listener);
    assert_eq!(db.line(), "NOT_SERVING");
    let said = line(&mut server.stderr);
    assert!(
        said.starts_with(&format!("check \"db\": 127.0.0.1:{port}: ")),
        "{said}"
    );
}

#[test]
fn a_command_that_exits_with_zero_serves() {
    let dir = Dir::new();
    let ready = dir.path("is ready");
    let check = format!("a.B[period=20ms]=exec:test -e '{ready}'");
    let (_server, addr) = serve(&["--check", &check]);
    let mut service = watch(&addr, "a.B");
    assert_eq!(decided(&mut service), "NOT_SERVING");
    fs::write(&ready, "").unwrap();
    assert_eq!(service.line(), "SERVING");
    fs::remove_file(&ready).unwrap();
    assert_eq!(service.line(), "NOT_SERVING");
}

#[test]
fn a_file_that_is_gone_is_too_old() {
    let dir = Dir::new();
    let beat = dir.write("beat", "");
    let check = format!("spool[period=20ms]=age:{beat}:1h");
    let (_server, addr) = serve(&["--check", &check]);
    let mut spool = watch(&addr, "spool");
    assert_eq!(decided(&mut spool), "SERVING");
    fs::remove_file(&beat).unwrap();
    assert_eq!(spool.line(), "NOT_SERVING");
}

#[test]
fn an_http_check_follows_the_status() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Each answer is the next of these, and the last one is for ever.
    let answer = move || {
        let mut answers = ["200 OK", "503 Busy"].iter();
        let mut answer = answers.next().unwrap();
        for io in listener.incoming() {
            let mut io = io.unwrap();
            let mut lines = BufReader::new(io.try_clone().unwrap()).lines();
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            let _ = write!(io, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
            answer = answers.next().unwrap_or(answer);
        }
    };
    let server = thread::Builder::new().name("server".to_owned());
    server.spawn(answer).unwrap();
    let check = format!("web[period=20ms]=http://127.0.0.1:{port}/ready");
    let (mut server, addr) = serve(&["--check", &check]);
    let mut web = watch(&addr, "web");
    if decided(&mut web) == "SERVING" {
        assert_eq!(web.line(), "NOT_SERVING");
    }
    assert_eq!(line(&mut server.stderr), "check \"web\": passed");
    let expected = format!("check \"web\": 127.0.0.1:{port}: HTTP 503");
    assert_eq!(line(&mut server.stderr), expected);
}

#[test]
fn a_check_of_another_grpc_server_follows_its_service() {
    let dir = Dir::new();
    let control = dir.path("control");
    let set = |status| run(["set", "--control", &control, "my.Service", status]);
    let (_other, other) = serve(&["--control", &control]);
    let asks = format!("asks[period=20ms]=grpc:{other}/my.Service");
    let hears = format!("hears[period=1s,watch]=grpc:{other}/my.Service");
    let (_server, addr) = serve(&["--check", &asks, "--check", &hears]);
    let mut watches = ["asks", "hears"].map(|name| watch(&addr, name));
    for service in &mut watches {
        assert_eq!(decided(service), "NOT_SERVING");
    }
    for (status, shown) in [
        ("serving", "SERVING"),
        ("unknown", "NOT_SERVING"),
        ("serving", "SERVING"),
    ] {
        assert_eq!(set(status).0, 0);
        for service in &mut watches {
            assert_eq!(service.line(), shown);
        }
    }
}

#[test]
fn a_check_of_a_grpc_server_over_tls() {
    let dir = Dir::new();
    let (ca, other) = (Ca::new("ca"), Ca::new("other"));
    let identity = ca.server();
    let cert = dir.write("cert", &identity.cert);
    let key = dir.write("key", &identity.key);
    let trusted = dir.write("ca", ca.pem());
    let untrusted = dir.write("other", other.pem());
    let (_peer, peer) = serve(&["--tls-cert", &cert, "--tls-key", &key]);
    let good = format!("good[period=20ms,timeout=1m,ca={trusted}]=grpcs:{peer}");
    let bad = format!("bad[period=20ms,timeout=1m,ca={untrusted}]=grpcs:{peer}");
    let plain = format!("plain[period=20ms,timeout=1m]=grpc:{peer}");
    let (_server, addr) = serve(&["--check", &good, "--check", &bad, "--check", &plain]);
    assert_eq!(decided(&mut watch(&addr, "good")), "SERVING");
    assert_eq!(decided(&mut watch(&addr, "bad")), "NOT_SERVING");
    assert_eq!(decided(&mut watch(&addr, "plain")), "NOT_SERVING");
}

/// Reads until no process has the pipe open any more.
fn until_all_are_gone(mut pipe: File) {
    let mut rest = Vec::new();
    pipe.read_to_end(&mut rest).unwrap();
}

/// The shell and what it has started have the pipe open. If one of them were left, the test would not end.
fn hanging(pipe: &str) -> String {
    format!("exec:sh -c 'exec 9>{pipe}; sleep 100000 & sleep 100000'")
}

#[test]
fn a_command_is_killed_with_its_group_at_the_timeout() {
    let dir = Dir::new();
    let pipe = dir.pipe("pipe");
    let check = format!("slow[period=1s,timeout=100ms]={}", hanging(&pipe));
    let (mut server, _addr) = serve(&["--check", &check]);
    let pipe = File::open(&pipe).unwrap();
    until_all_are_gone(pipe);
    assert_eq!(
        line(&mut server.stderr),
        "check \"slow\": no answer within 100ms"
    );
}

#[test]
fn commands_are_killed_when_the_server_ends() {
    for signals in [1, 2] {
        let dir = Dir::new();
        let pipe = dir.pipe("pipe");
        let check = format!("slow[period=1s,timeout=1h]={}", hanging(&pipe));
        let (mut server, _addr) = serve(&[
            "--check",
            &check,
            "--drain-linger",
            if signals == 1 { "0s" } else { "1h" },
        ]);
        let pipe = File::open(&pipe).unwrap();
        server.signal("TERM");
        assert_eq!(line(&mut server.stderr), "draining");
        if signals == 2 {
            server.signal("TERM");
        }
        until_all_are_gone(pipe);
        assert_eq!(server.end().0, 0);
    }
}

#[test]
fn a_group_is_computed_from_checks_and_may_be_the_whole_server() {
    let dir = Dir::new();
    let (a, b) = (dir.path("a"), dir.path("b"));
    let checks = [("a", &a), ("b", &b)];
    let checks = checks.map(|(name, path)| format!("{name}[period=20ms]=exec:test -e {path}"));
    let (_server, addr) = serve(&[
        "--check",
        &checks[0],
        "--check",
        &checks[1],
        "--group",
        "=all:a,b",
        "--group",
        "one=any:a,b",
        "--pin",
        "one",
    ]);
    let (mut all, mut one) = (watch(&addr, ""), watch(&addr, "one"));
    assert_eq!(decided(&mut all), "NOT_SERVING");
    assert_eq!(decided(&mut one), "NOT_SERVING");
    fs::write(&a, "").unwrap();
    assert_eq!(one.line(), "SERVING");
    fs::write(&b, "").unwrap();
    assert_eq!(all.line(), "SERVING");
    fs::remove_file(&a).unwrap();
    assert_eq!(all.line(), "NOT_SERVING");
    let (code, stdout, _) = run(["list", &addr]);
    assert_eq!(
        (code, stdout.as_str()),
        (
            4,
            "\tNOT_SERVING\na\tNOT_SERVING\nb\tSERVING\none\tSERVING\n"
        )
    );
}

/// One failure decides nothing, and the next run is far away.
#[test]
fn a_check_of_the_whole_server_ignored_first() {
    for (options, status) in [("first=not-serving,", "NOT_SERVING\n"), ("", "UNKNOWN\n")] {
        let check = format!("[{options}fall=2,period=24h]=exec:false");
        let (_server, addr) = serve(&["--check", &check]);
        assert_eq!(run(["check", &addr]).1, status, "{check}");
    }
}

#[test]
fn what_is_wrong_with_the_arguments() {
    let dir = Dir::new();
    let config = dir.write(
        "c.toml",
        "[check.db]\ntcp = \"x\"\n[check.b]\nexec = \"true\"\nrise = 0\n",
    );
    let missing = dir.path("missing");
    let big = dir.write("big.toml", vec![b'#'; (1 << 20) + 1]);
    let binary = dir.write("binary.toml", [0xff]);
    let lease = dir.write("lease.toml", "[lease]\na = '1s'\n");
    let certs = format!("a[ca={missing}]=grpcs:a:1");
    let table: &[(&[&str], &str)] = &[
        (&["--check", "db"], "expected NAME=KIND:TARGET"),
        (&["--check", "db=udp:1"], "no kind of check"),
        (&["--group", "g=some:a"], "expected all:A,B"),
        (&["--lease", "a=1s"], "--control <PATH>"),
        (&["--control", "@a"], "an abstract name has no permissions"),
        (
            &["--check", "a=exec:true", "--service", "a"],
            "error: the check \"a\" is a --service already\n",
        ),
        (
            &["--check", "a=exec:true", "--check", "a=exec:true"],
            "error: the check \"a\" is a --check already\n",
        ),
        (
            &["--group", "a=all:b", "--group", "b=all:a"],
            "error: the group \"a\" contains itself\nerror: the group \"b\" contains itself\n",
        ),
        (&["--check", &certs], "error: the check \"a\": "),
        (&["--config", &missing], "missing: No such file"),
        (
            &["--config", &big],
            "big.toml: the file is larger than 1048576 bytes\n",
        ),
        (
            &["--config", &binary],
            "binary.toml: the file is not UTF-8\n",
        ),
        (
            &["--config", &lease],
            "lease.toml:2: the lease \"a\" needs --control\n",
        ),
        (&["--config", &config], "c.toml:2: expected tcp:HOST:PORT"),
        (
            &["--config", &config],
            "c.toml:5: rise = 0: expected a whole number from 1\n",
        ),
    ];
    for (args, expected) in table {
        let (code, stdout, stderr) = run([&["serve", "--listen", "127.0.0.1:0"], *args].concat());
        assert_eq!((code, stdout.as_str()), (1, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
}

#[test]
fn the_help_has_examples() {
    let (code, stdout, _) = run(["serve", "--help"]);
    assert_eq!(code, 0);
    for example in [
        "--check 'db=tcp:127.0.0.1:5432'",
        "--group 'ready=all:db,api,cache?'",
        "[check.db]",
        "Exit codes:",
    ] {
        assert!(stdout.contains(example), "{example}");
    }
}

/// What `list` shows, sorted by name.
fn listed(addr: &str) -> String {
    run(["list", addr]).1
}

#[test]
fn a_hangup_reads_the_file_again() {
    let dir = Dir::new();
    let first = "[check.a]\nexec = 'true'\nperiod = '20ms'\n[check.b]\nexec = 'false'\nperiod = '20ms'\n\
                 [group]\ng = 'all:a'\nh = 'all:g'\n";
    let config = dir.write("c.toml", first);
    let (mut server, addr) = serve(&["--config", &config]);
    let (mut a, mut b) = (watch(&addr, "a"), watch(&addr, "b"));
    assert_eq!(decided(&mut a), "SERVING");
    assert_eq!(decided(&mut b), "NOT_SERVING");
    let mut said = [line(&mut server.stderr), line(&mut server.stderr)];
    said.sort();
    assert_eq!(
        said,
        ["check \"a\": passed", "check \"b\": false: exit code 1"]
    );

    // What cannot be used leaves everything as it is, and every mistake is named.
    dir.write("c.toml", "[check.a]\nexec = ''\n[check.b]\ntcp = 'x'\n");
    server.signal("HUP");
    for expected in [
        "c.toml:2: expected exec:",
        "c.toml:4: expected tcp:",
        "error: configuration kept",
    ] {
        let said = line(&mut server.stderr);
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(
        listed(&addr),
        "\tSERVING\na\tSERVING\nb\tNOT_SERVING\ng\tSERVING\nh\tSERVING\n"
    );

    // One check goes, one is another one and keeps its status until it has run, one comes; two groups change places.
    dir.write(
        "c.toml",
        "[check.b]\nexec = 'true'\nperiod = '20ms'\n[check.c]\nexec = 'true'\nperiod = '24h'\n[group]\ng = 'all:h'\nh = 'all:b'\n",
    );
    server.signal("HUP");
    assert_eq!(line(&mut server.stderr), "configuration read again");
    assert_eq!(a.line(), "SERVICE_UNKNOWN");
    assert_eq!(b.line(), "SERVING");
    assert_eq!(line(&mut server.stderr), "check \"b\": passed");
    assert_eq!(
        listed(&addr),
        "\tSERVING\nb\tSERVING\nc\tUNKNOWN\ng\tSERVING\nh\tSERVING\n"
    );

    // A file that is gone is no empty file.
    fs::remove_file(&config).unwrap();
    server.signal("HUP");
    let said = line(&mut server.stderr);
    assert!(said.contains("c.toml: No such file"), "{said}");
    assert_eq!(line(&mut server.stderr), "error: configuration kept");
    assert_eq!(
        listed(&addr),
        "\tSERVING\nb\tSERVING\nc\tUNKNOWN\ng\tSERVING\nh\tSERVING\n"
    );
    server.signal("TERM");
    assert_eq!(server.end().0, 0);
}

#[test]
fn a_hangup_made_the_whole_server_unknown() {
    let dir = Dir::new();
    let down = "exec = 'false'\nperiod = '20ms'\n";
    let config = dir.write("c.toml", "");
    let (server, addr) = serve(&["--config", &config]);
    for decided in [
        format!("[check.'']\n{down}"),
        format!("[check.a]\n{down}[group]\n'' = 'all:a'\n"),
    ] {
        let mut whole = watch(&addr, "");
        assert_eq!(whole.line(), "SERVING");
        dir.write("c.toml", &decided);
        server.signal("HUP");
        while whole.line() != "NOT_SERVING" {}
        dir.write("c.toml", "");
        server.signal("HUP");
        assert_eq!(whole.line(), "SERVING");
        assert_eq!(run(["check", &addr]).1, "SERVING\n");
    }
}

#[test]
fn a_hangup_left_checks_their_old_certificates() {
    let dir = Dir::new();
    let (old, new) = (Ca::new("old"), Ca::new("new"));
    let identity = new.server();
    let (cert, key) = (
        dir.write("cert", &identity.cert),
        dir.write("key", &identity.key),
    );
    let (_peer, peer) = serve(&["--tls-cert", &cert, "--tls-key", &key]);
    let ca = dir.path("ca");
    let check = format!("[check.a]\ngrpcs = '{peer}'\nca = '{ca}'\nperiod = '20ms'\n");
    let config = dir.write("c.toml", check);
    let check = format!("a[ca={ca},period=20ms]=grpcs:{peer}");
    for args in [["--config", &config], ["--check", &check]] {
        dir.write("ca", old.pem());
        let (mut server, addr) = serve(&args);
        let mut a = watch(&addr, "a");
        assert_eq!(decided(&mut a), "NOT_SERVING");
        let said = line(&mut server.stderr);
        assert!(said.contains("signed by no authority"), "{said}");
        dir.write("ca", new.pem());
        server.signal("HUP");
        assert_eq!(line(&mut server.stderr), "configuration read again");
        assert_eq!(a.line(), "SERVING");
    }
}

/// The configuration has been read when the server reads its certificate, here from a pipe.
#[test]
fn a_hangup_before_the_server_listened_was_lost() {
    let dir = Dir::new();
    let identity = Ca::new("ca").server();
    let (cert, key) = (dir.pipe("cert"), dir.write("key", &identity.key));
    let config = dir.write("c.toml", "[group]\na = 'all:x'\n");
    let plain = ["--listen-plain", "127.0.0.1:0"];
    let tls = ["--tls-cert", &cert, "--tls-key", &key];
    let serve = ["serve", "--listen", "127.0.0.1:0", "--config", &config];
    let mut server = Running::new([&serve[..], &plain, &tls].concat());
    let mut writer = File::options().write(true).open(&cert).unwrap();
    dir.write("c.toml", "[group]\nb = 'all:x'\n");
    server.signal("HUP");
    writer.write_all(identity.cert.as_bytes()).unwrap();
    drop(writer);
    assert_eq!(line(&mut server.stderr), "configuration read again");
    listening(&mut server);
    let addr = listening(&mut server).to_string();
    assert_eq!(listed(&addr), "\tSERVING\nb\tUNKNOWN\n");
}

#[test]
fn a_hangup_took_away_what_arguments_name() {
    let dir = Dir::new();
    let config = dir.write("c.toml", "[group]\na = 'all:x'\n");
    for args in [
        &["--watchdog", "a"][..],
        &["--pin", "a"],
        &["--http1", "--live-service", "a"],
    ] {
        dir.write("c.toml", "[group]\na = 'all:x'\n");
        let (mut server, addr) = serve(&[&["--config", &config], args].concat());
        dir.write("c.toml", "");
        server.signal("HUP");
        let option = args.iter().rev().nth(1).unwrap();
        let expected = format!("error: {option} \"a\": no such --service");
        assert_eq!(line(&mut server.stderr), expected);
        assert_eq!(line(&mut server.stderr), "error: configuration kept");
        assert_eq!(listed(&addr), "\tSERVING\na\tUNKNOWN\n");
        // The start refuses the same.
        let (code, stdout, stderr) = run([&["serve", "--config", &config], args].concat());
        assert_eq!((code, stdout.as_str()), (1, ""));
        assert_eq!(stderr, format!("{expected}\n"));
    }
}

#[test]
fn what_has_not_changed_goes_on() {
    let dir = Dir::new();
    let (pipe, runs) = (dir.pipe("pipe"), dir.path("runs"));
    let script = format!("echo run >> {runs}; exec 9>{pipe}; sleep 100000");
    let slow =
        format!("[check.slow]\nexec = \"sh -c '{script}'\"\nperiod = \"20ms\"\ntimeout = \"1h\"\n");
    let config = dir.write("c.toml", &slow);
    let (mut server, _addr) = serve(&["--config", &config]);
    let _pipe = File::open(&pipe).unwrap();
    dir.write(
        "c.toml",
        format!("{slow}[check.new]\nexec = \"true\"\nperiod = \"20ms\"\n"),
    );
    server.signal("HUP");
    assert_eq!(line(&mut server.stderr), "configuration read again");
    assert_eq!(line(&mut server.stderr), "check \"new\": passed");
    server.signal("TERM");
    assert_eq!(server.end().0, 0);
    assert_eq!(fs::read_to_string(&runs).unwrap(), "run\n");
}
