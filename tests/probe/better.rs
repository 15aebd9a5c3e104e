//! What grpc_health_probe does not do.

use std::fs;

use crate::{
    SERVING, expect, probe,
    servers::{Answer, Background, Closed, silent},
    support::{Running, command, run, serve},
};

#[test]
fn connect_retry_waits_for_a_server() {
    let closed = Closed::new();
    let addr = closed.addr();
    let retry = ["-connect-retry", "-connect-timeout=300ms"];
    let line = format!("timeout: failed to connect service \"{addr}\" within 300ms");
    let hint = "hint: Connection refused (os error 111)";
    expect(addr, &retry, 2, &[&line, hint]);

    let background = Background::new();
    let addr = background.second_time();
    let hung_up = "the server closed the connection before it said anything: it may expect TLS, or not be ready";
    let line = format!("error: failed to connect service at \"{addr}\": {hung_up}");
    expect(&addr, &[], 2, &[&line]);
    let addr = background.second_time();
    let retry = ["-connect-retry", "-connect-timeout=1m"];
    expect(&addr, &retry, 0, &[SERVING]);
}

#[test]
fn timeout_limits_the_connection_and_the_rpc() {
    let (_silent, addr) = silent();
    let flags = ["-connect-timeout=1h", "-timeout=250ms"];
    let (code, _, stderr) = probe(&addr, &flags);
    let line = format!("timeout: failed to connect service \"{addr}\" within 250ms\n");
    assert!(code == 2 && stderr.starts_with(&line), "{code}: {stderr}");
    let flags = ["-connect-timeout=1h", "-connect-retry", "-timeout=250ms"];
    let (code, _, stderr) = probe(&addr, &flags);
    assert!(code == 2 && stderr.starts_with(&line), "{code}: {stderr}");

    let background = Background::new();
    let (addr, _asked) = background.scripted(Answer::Nothing);
    let line = "timeout: health rpc did not complete within 2s";
    expect(&addr, &["-rpc-timeout=1h", "-timeout=2s"], 3, &[line]);
    // The shorter limit counts.
    let line = "timeout: health rpc did not complete within 100ms";
    expect(&addr, &["-rpc-timeout=100ms", "-timeout=1h"], 3, &[line]);
}

#[test]
fn not_found_exit() {
    let (_server, addr) = serve(&[]);
    for (flag, code) in [
        ("-not-found-exit=5", 5),
        ("-not-found-exit=0", 0),
        ("-not-found-exit=255", 255),
    ] {
        let line = "error: health rpc failed: rpc error: code = NotFound desc = unknown service";
        expect(&addr, &["-service=a", flag], code, &[line]);
        expect(&addr, &[flag], 0, &[SERVING]);
    }
    // Nothing else has this code.
    let background = Background::new();
    let (addr, _asked) = background.scripted(Answer::Trailers("7", ""));
    let line = "error: health rpc failed: rpc error: code = PermissionDenied desc = ";
    expect(&addr, &["-not-found-exit=5"], 3, &[line]);
}

/// The object of `-json`, without the digits of the times.
fn json(addr: &str, flags: &[&str]) -> (i32, String) {
    let (code, stdout, _) = probe(addr, &[&["-json"], flags].concat());
    let mut object = stdout;
    for key in ["\"connect_ms\":", "\"rpc_ms\":"] {
        let (before, after) = object.split_once(key).unwrap();
        let (time, after) = after.split_once(',').unwrap();
        let is_time = time.parse::<f64>().is_ok_and(|time| time > 0.0);
        let shown = if is_time { "N" } else { time };
        object = format!("{before}{key}{shown},{after}");
    }
    (code, object)
}

#[test]
fn json_is_one_object_on_stdout() {
    let (_server, addr) = serve(&["--service", "a=not-serving"]);
    let closed = Closed::new();
    let object = |addr: &str, rest: &str| format!("{{\"address\":\"{addr}\",{rest}}}\n");
    for (addr, flags, code, rest) in [
        (
            addr.as_str(),
            &[][..],
            0,
            r#""service":"","status":"SERVING","exit":0,"connect_ms":N,"rpc_ms":N,"error":null"#
                .to_owned(),
        ),
        (
            &addr,
            &["-service=a"],
            4,
            r#""service":"a","status":"NOT_SERVING","exit":4,"connect_ms":N,"rpc_ms":N,"#
                .to_owned()
                + r#""error":"service unhealthy (responded with \"NOT_SERVING\")""#,
        ),
        (
            &addr,
            &["-service=b", "-not-found-exit=9"],
            9,
            r#""service":"b","status":null,"exit":9,"connect_ms":N,"rpc_ms":null,"#.to_owned()
                + r#""error":"error: health rpc failed: rpc error: code = NotFound desc = unknown service""#,
        ),
        (
            "x:1",
            &["-tls", "-alts"],
            1,
            r#""service":"","status":null,"exit":1,"connect_ms":null,"rpc_ms":null,"#.to_owned()
                + r#""error":"error: -tls and -alts are mutually incompatible""#,
        ),
    ] {
        assert_eq!(json(addr, flags), (code, object(addr, &rest)), "{flags:?}");
    }
    let (code, found) = json(closed.addr(), &["-service=\u{e9}\n"]);
    assert_eq!(code, 2);
    let service = "\"service\":\"\u{e9}\\u000a\",\"status\":null,\"exit\":2,";
    assert!(found.contains(service), "{found}");
    assert!(found.contains("Connection refused"), "{found}");
}

#[test]
fn proxies_are_never_asked() {
    let (_server, addr) = serve(&[]);
    let closed = Closed::new();
    let mut probe = command(["probe", "-addr", &addr]);
    for name in ["http_proxy", "https_proxy", "all_proxy", "grpc_proxy"] {
        let proxy = format!("http://{}", closed.addr());
        probe.env(name, &proxy).env(name.to_uppercase(), &proxy);
    }
    assert_eq!(probe.output().unwrap().status.code(), Some(0));
}

/// Neither for the runtime nor for the name.
#[cfg(target_os = "linux")]
#[test]
fn there_is_one_thread() {
    let (silent, addr) = silent();
    let port = addr.rsplit_once(':').unwrap().1;
    for target in [&addr, &format!("localhost:{port}")] {
        let probe = Running::new(["probe", "-addr", target, "-connect-timeout=1h"]);
        let (_io, _) = silent.accept().unwrap();
        let status = fs::read_to_string(format!("/proc/{}/status", probe.pid())).unwrap();
        assert!(status.contains("\nThreads:\t1\n"), "{target}: {status}");
    }
}

/// Another process looks at the options, and sees nothing that it must not.
#[test]
fn arguments_that_are_not_text() {
    use std::os::unix::ffi::OsStrExt;
    let arg = std::ffi::OsStr::from_bytes(b"-addr=\xff");
    let (code, stdout, stderr) = run(["probe".as_ref(), arg]);
    let expected = "error: the argument \"-addr=\u{fffd}\" is not UTF-8\n";
    assert_eq!((code, &*stdout, &*stderr), (1, "", expected));
}
