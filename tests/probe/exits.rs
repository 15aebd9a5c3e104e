//! Every exit code, and the texts that come with it.

use crate::{
    SERVING, expect,
    servers::{Answer, Background, Closed, silent},
    support::{Running, run, serve},
};

#[test]
fn code_0_serving() {
    let (_server, addr) = serve(&["--service", "shop.Cart"]);
    expect(&addr, &[], 0, &[SERVING]);
    expect(&addr, &["-service=shop.Cart"], 0, &[SERVING]);
}

#[test]
fn code_1_bad_arguments() {
    let (code, stdout, stderr) = run(["probe"]);
    let expected = "error: -addr not specified\n";
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (1, "", expected));
    for (flags, line) in [
        (
            &["-connect-timeout=0"][..],
            "error: -connect-timeout must be greater than zero (specified: 0s)",
        ),
        (
            &["-rpc-timeout", "-1m30s"],
            "error: -rpc-timeout must be greater than zero (specified: -1m30s)",
        ),
        (
            &["-tls-no-verify"],
            "error: specified -tls-no-verify without specifying -tls",
        ),
        (
            &["-tls", "-spiffe"],
            "error: -tls and -spiffe are mutually incompatible",
        ),
        (
            &["-rpc-header", "grpc-timeout: 1S"],
            "error: invalid -rpc-header \"grpc-timeout\": the name is reserved",
        ),
        (
            &["-user-agent", "a\nb"],
            "error: invalid -user-agent: the value is not printable ASCII",
        ),
        (
            &["-alts"],
            "error: -alts cannot be used: ALTS is not built in (it works on Google Cloud alone)",
        ),
    ] {
        expect("a:1", flags, 1, &[line]);
    }
}

#[test]
fn code_1_flags_that_go_does_not_know_and_help() {
    let usage = {
        let (code, stdout, stderr) = run(["probe", "-h"]);
        assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
        assert!(stderr.starts_with("Usage:\n  -addr string\n"), "{stderr}");
        stderr
    };
    for (flag, error) in [
        ("-foo", "flag provided but not defined: -foo"),
        ("---v", "bad flag syntax: ---v"),
        ("-service", "flag needs an argument: -service"),
        (
            "-connect-timeout=1",
            "invalid value \"1\" for flag -connect-timeout: parse error",
        ),
        (
            "-tls=x",
            "invalid boolean value \"x\" for -tls: parse error",
        ),
        (
            "-rpc-header=x",
            "invalid value \"x\" for flag -rpc-header: invalid RPC header, expected 'key: value', got \"x\"",
        ),
    ] {
        let (code, stdout, stderr) = run(["probe", flag]);
        assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
        assert_eq!(stderr, format!("{error}\n{usage}"));
    }
}

#[test]
fn code_2_a_refused_port_at_once() {
    let closed = Closed::new();
    let addr = closed.addr();
    let line = format!(
        "error: failed to connect service at \"{addr}\": Connection refused (os error 111)"
    );
    // The test would not end within an hour if the probe waited.
    expect(addr, &["-connect-timeout=1h"], 2, &[&line]);
    expect(addr, &["-connect-timeout=1h", "-v=false"], 2, &[&line]);
}

#[test]
fn code_2_an_address_that_is_none() {
    let line = "error: failed to connect service at \"localhost\": expected HOST:PORT, and the port is missing: write localhost:50051";
    expect("localhost", &[], 2, &[line]);
}

#[test]
fn code_2_a_server_that_says_nothing() {
    let (_silent, addr) = silent();
    let line = format!("timeout: failed to connect service \"{addr}\" within 250ms");
    let hint = "hint: the server took the connection and said nothing within 250ms: it may expect TLS, or be no gRPC server";
    expect(&addr, &["-connect-timeout=250ms"], 2, &[&line, hint]);
}

#[test]
fn code_2_a_signal_while_connecting() {
    for name in ["TERM", "INT"] {
        let (silent, addr) = silent();
        let probe = Running::new(["probe", "-addr", &addr, "-connect-timeout=1h"]);
        let (_io, _) = silent.accept().unwrap();
        probe.signal(name);
        let (code, stdout, stderr) = probe.end();
        let expected = format!(
            "cancellation received\nerror: failed to connect service at \"{addr}\": context canceled\n"
        );
        assert_eq!((code, stdout.as_str(), stderr), (2, "", expected), "{name}");
    }
}

#[test]
fn code_3_no_health_service() {
    let background = Background::new();
    let addr = background.without_health();
    let line =
        "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ";
    let (code, stdout, stderr) = crate::probe(&addr, &[]);
    assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
    let message = stderr.strip_prefix(line).unwrap();
    assert!(
        message.len() > 1 && message.lines().count() == 1,
        "{stderr}"
    );
}

#[test]
fn code_3_no_answer_in_time_and_a_signal_while_waiting() {
    let background = Background::new();
    let (addr, asked) = background.scripted(Answer::Nothing);
    let line = "timeout: health rpc did not complete within 250ms";
    expect(&addr, &["-rpc-timeout=250ms"], 3, &[line]);
    asked.recv().unwrap();

    let probe = Running::new(["probe", "-addr", &addr, "-rpc-timeout=1h"]);
    asked.recv().unwrap();
    probe.signal("TERM");
    let (code, stdout, stderr) = probe.end();
    let expected = "cancellation received\n\
                    error: health rpc failed: rpc error: code = Canceled desc = context canceled\n";
    assert_eq!((code, &*stdout, &*stderr), (3, "", expected));
}

#[test]
fn code_3_an_unknown_service_and_any_other_error() {
    let (_server, addr) = serve(&[]);
    let line = "error: health rpc failed: rpc error: code = NotFound desc = unknown service";
    expect(&addr, &["-service", "a"], 3, &[line]);
    let background = Background::new();
    for (code, message, line) in [
        (
            "7",
            "who%20are%20you",
            "code = PermissionDenied desc = who are you",
        ),
        // Nothing that controls a terminal.
        (
            "13",
            "%1B[2Ja%0Ab",
            "code = Internal desc = \\u{1b}[2Ja\\nb",
        ),
        ("99", "", "code = Code(99) desc = "),
    ] {
        let (addr, _) = background.scripted(Answer::Trailers(code, message));
        let line = format!("error: health rpc failed: rpc error: {line}");
        expect(&addr, &[], 3, &[&line]);
    }
    // The server's own word counts as much as the clock.
    let (addr, _) = background.scripted(Answer::Trailers("4", "late"));
    let line = "timeout: health rpc did not complete within 1s";
    expect(&addr, &[], 3, &[line]);
}

#[test]
fn code_4_every_other_status() {
    let (_server, addr) = serve(&["--service", "a=not-serving", "--service", "b=unknown"]);
    for (name, status) in [("a", "NOT_SERVING"), ("b", "UNKNOWN")] {
        let line = format!("service unhealthy (responded with \"{status}\")");
        expect(&addr, &["-service", name], 4, &[&line]);
    }
    let background = Background::new();
    let message = vec![0, 0, 0, 0, 2, 8, 99];
    let (addr, _) = background.scripted(Answer::Message(message, "identity"));
    expect(
        &addr,
        &[],
        4,
        &["service unhealthy (responded with \"99\")"],
    );
}

#[test]
fn code_20_spiffe() {
    let line = "failed to initialize tls credentials with spiffe. error=SPIFFE is not built in: write the certificates of the workload \
                to files, for example with spiffe-helper, and use -tls, -tls-ca-cert, -tls-client-cert and -tls-client-key";
    expect("a:1", &["-spiffe"], 20, &[line]);
}
