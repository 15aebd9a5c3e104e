//! Every flag that is not about TLS.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::{
    SERVING,
    dir::Dir,
    expect, probe,
    servers::{Answer, Background},
    support::{Running, run, serve},
    without_times,
};

#[test]
fn addr_in_every_form() {
    let (_server, addr) = serve(&[]);
    let port = addr.rsplit_once(':').unwrap().1;
    for target in [
        format!(":{port}"),
        format!("localhost:{port}"),
        format!("LOCALHOST:{port}"),
        format!("dns:///localhost:{port}"),
        format!("passthrough:///{addr}"),
        addr.clone(),
    ] {
        expect(&target, &[], 0, &[SERVING]);
    }
}

#[test]
fn addr_of_a_unix_socket() {
    let files = Dir::new();
    // Relative: the whole path may be too long for a socket.
    let dir = std::env::temp_dir().join(format!("probe-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("s").to_str().unwrap().to_owned();
    let name = format!("@{}", files.path("abstract").replace('/', "-"));
    let name = name.get(..100).unwrap_or(&name);
    let mut server = Running::new(["serve", "--unix", &path, "--unix", name]);
    for _ in 0..2 {
        assert!(server.line().starts_with("listening on unix:"));
    }
    for target in [
        format!("unix://{path}"),
        format!("unix:{path}"),
        format!("unix:{name}"),
        format!("unix-abstract:{}", &name[1..]),
    ] {
        expect(&target, &[], 0, &[SERVING]);
    }
    std::fs::remove_dir_all(&dir).unwrap();
    let target = format!("unix://{path}");
    let line = format!(
        "error: failed to connect service at \"{target}\": No such file or directory (os error 2)"
    );
    expect(&target, &[], 2, &[&line]);
    // An abstract name that says nothing.
    let name = format!("probe-silent-{}", std::process::id());
    let addr = SocketAddr::from_abstract_name(&name).unwrap();
    let _silent = UnixListener::bind_addr(&addr).unwrap();
    let target = format!("unix-abstract:{name}");
    let (code, _, stderr) = probe(&target, &["-connect-timeout=100ms"]);
    assert_eq!(code, 2, "{stderr}");
    let line = format!("timeout: failed to connect service \"{target}\" within 100ms\n");
    assert!(stderr.starts_with(&line), "{stderr}");
}

#[test]
fn one_dash_or_two_and_values_in_either_place() {
    let (_server, addr) = serve(&["--service", "a=not-serving"]);
    let with_equals = format!("-addr={addr}");
    let two_dashes = format!("--addr={addr}");
    for flags in [
        &["-addr", &addr, "-service", "a"][..],
        &["--addr", &addr, "--service", "a"],
        &[&with_equals, "-service=a"],
        &[&two_dashes, "--service=a", "-tls=false", "-v=0"],
        &[&two_dashes, "--service=b", "--service=a"],
        &[
            "-connect-timeout=1m30s",
            "-rpc-timeout",
            "1.5h",
            &with_equals,
            "-service=a",
        ],
    ] {
        let (code, _, stderr) = run([&["probe"], flags].concat());
        assert_eq!(code, 4, "{flags:?}: {stderr}");
    }
}

#[test]
fn what_is_behind_the_flags_is_said_to_have_no_effect() {
    let (_server, addr) = serve(&[]);
    let warning =
        "warning: flags end at \"false\": this argument, and all behind it, have no effect";
    expect(
        &addr,
        &["-v=false", "false", "-service=a"],
        0,
        &[warning, SERVING],
    );
}

#[test]
fn user_agent() {
    let background = Background::new();
    let (addr, asked) = background.scripted(Answer::serving());
    let version = env!("CARGO_PKG_VERSION");
    for (flags, expected) in [
        (&[][..], "grpc_health_probe "),
        (&["-user-agent", "me/1"], "me/1 "),
        (&["-user-agent="], ""),
    ] {
        expect(&addr, flags, 0, &[SERVING]);
        let (head, _) = asked.recv().unwrap();
        let expected = format!("{expected}grpc-health/{version}");
        assert_eq!(head.headers["user-agent"], expected, "{flags:?}");
    }
}

#[test]
fn rpc_header_service_and_timeout_arrive() {
    let background = Background::new();
    let (addr, asked) = background.scripted(Answer::serving());
    let flags = [
        "-rpc-header=X-Tenant: \t shop: 1",
        "-rpc-header",
        "x-tenant:cart",
        "-rpc-header=key-bin:a",
        "-service=s",
        "-rpc-timeout=1m30s",
    ];
    expect(&addr, &flags, 0, &[SERVING]);
    let (head, body) = asked.recv().unwrap();
    assert_eq!(head.uri.path(), "/grpc.health.v1.Health/Check");
    let tenants: Vec<_> = head.headers.get_all("x-tenant").iter().collect();
    assert_eq!(tenants, ["shop: 1", "cart"]);
    assert_eq!(head.headers["key-bin"], "YQ");
    assert!(head.headers.contains_key("grpc-timeout"));
    assert_eq!(body[..], [0, 0, 0, 0, 3, 10, 1, b's']);
}

#[test]
fn gzip_of_requests_and_replies() {
    // This crate's server reads the request.
    let (_server, addr) = serve(&["--service", "a=not-serving"]);
    expect(&addr, &["-gzip"], 0, &[SERVING]);
    let line = "service unhealthy (responded with \"NOT_SERVING\")";
    expect(&addr, &["-gzip", "-service=a"], 4, &[line]);

    let background = Background::new();
    let (addr, asked) = background.scripted(Answer::serving());
    expect(&addr, &["-gzip", "-service=a"], 0, &[SERVING]);
    let (head, body) = asked.recv().unwrap();
    assert_eq!(head.headers["grpc-encoding"], "gzip");
    assert_eq!(head.headers["grpc-accept-encoding"], "identity,gzip");
    // Compressed flag, length, gzip.
    assert_eq!((body[0], &body[5..8]), (1, &[0x1f, 0x8b, 8][..]));
    let message = grpc_health::wire::gzip::inflate(&body[5..], 100).unwrap();
    assert_eq!(message[..], [10, 1, b'a']);

    // As grpc-go does, a server may answer gzip with gzip; without -gzip it may not.
    let member = grpc_health::wire::gzip::deflate(&[8, 1]);
    let len = u32::try_from(member.len()).unwrap().to_be_bytes();
    let envelope = [&[1], &len[..], &member].concat();
    let (addr, _asked) = background.scripted(Answer::Message(envelope, "gzip"));
    expect(&addr, &["-gzip"], 0, &[SERVING]);
    let line = "error: health rpc failed: rpc error: code = Internal desc = the server sent a compressed message in an encoding that the \
                client does not accept";
    expect(&addr, &[], 3, &[line]);
    // Damaged.
    let envelope = [&[1, 0, 0, 0, 3], &member[..3]].concat();
    let (addr, _asked) = background.scripted(Answer::Message(envelope, "gzip"));
    let line = "error: health rpc failed: rpc error: code = Internal desc = the compressed message is not gzip";
    expect(&addr, &["-gzip"], 3, &[line]);
}

#[test]
fn v_says_what_is_done() {
    let (_server, addr) = serve(&[]);
    let flags = [
        "-v",
        "-rpc-timeout=90s",
        "-rpc-header=authorization: secret",
    ];
    let (code, stdout, stderr) = probe(&addr, &flags);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    let expected = format!(
        "parsed options:\n\
         > addr={addr} conn_timeout=1s rpc_timeout=1m30s\n\
         > rpc-headers=authorization\n\
         > tls=false\n\
         > alts=false\n\
         > spiffe=false\n\
         establishing connection\n\
         connection established (took N)\n\
         time elapsed: connect=N rpc=N\n\
         status: SERVING\n"
    );
    let lines = stderr.lines().map(|line| {
        let is_time = line.contains("took") || line.contains("elapsed");
        let line = if is_time {
            without_times(line)
        } else {
            line.to_owned()
        };
        line.replace("Nms", "N")
            .replace("N\u{b5}s", "N")
            .replace("Ns", "N")
            + "\n"
    });
    assert_eq!(lines.collect::<String>(), expected);
}

#[test]
fn version_goes_to_stdout() {
    for args in [
        &["-version"][..],
        &["--version"],
        &["-v", "-version", "-tls-no-verify"],
    ] {
        let (code, stdout, stderr) = run([&["probe"], args].concat());
        let version = concat!("grpc-health ", env!("CARGO_PKG_VERSION"), "\n");
        assert_eq!((code, &*stdout, &*stderr), (0, version, ""), "{args:?}");
    }
}
