//! The built command, from outside: its lines, its exit codes, its signals.
#![cfg(all(feature = "cli", unix))]
#![allow(clippy::unwrap_used)]

#[path = "support/dir.rs"]
mod dir;
#[path = "support/command.rs"]
mod support;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufReader, Read, Write},
    net::{TcpListener, TcpStream, ToSocketAddrs},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, Stdio},
};

use bytes::Bytes;
use dir::Dir;
use http::Request;
use support::{Running, command, line, listening, run, serve};

/// A stdout or stderr that nobody reads.
fn closed() -> Stdio {
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    OwnedFd::from(ours).into()
}

// --- Arguments ---

#[test]
fn bad_arguments() {
    let long_alias = format!("/x={}", "n".repeat(201));
    let table: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["frobnicate"], "unrecognized subcommand"),
        (&["serve", "--nope"], "unexpected argument '--nope'"),
        (&["serve", "extra"], "unexpected argument 'extra'"),
        (&["serve", "--listen"], "a value is required"),
        (
            &["serve", "--listen", "50051"],
            "expected IP:PORT, HOST:PORT or :PORT",
        ),
        (
            &["serve", "--listen", "127.0.0.1"],
            "expected IP:PORT, HOST:PORT or :PORT",
        ),
        (
            &["serve", "--listen", "127.0.0.1:65536"],
            "expected IP:PORT, HOST:PORT or :PORT",
        ),
        (
            &["serve", "--listen", "::1:0"],
            "expected IP:PORT, HOST:PORT or :PORT",
        ),
        (
            &["serve", "--service", "a=SERVING"],
            "none of serving, not-serving, unknown",
        ),
        (
            &["serve", "--service", "a="],
            "none of serving, not-serving, unknown",
        ),
        (&["serve", "--threads", "0"], "'0' for '--threads <N>'"),
        (&["serve", "--threads=-1"], "--threads"),
        (&["serve", "--threads", "two"], "--threads"),
        // A number of threads that made the runtime panic.
        (
            &["serve", "--threads", "18446744073709551615"],
            "expected a whole number from 1 to 1024",
        ),
        (&["serve", "--pin", "a"], "no such --service"),
        (
            &["serve", "--drain-linger", "soon"],
            "expected a whole number",
        ),
        (&["serve", "--alias", "health"], "expected the path"),
        (&["serve", "--alias", "/a?b=c"], "expected the path"),
        (
            &["serve", "--alias", &long_alias],
            "a name has at most 200 bytes",
        ),
        (
            &["serve", "--service-header", "grpc-status"],
            "expected a header",
        ),
        (&["serve", "--live-service", "a"], "--http1"),
        (&["check"], "<ADDR[/SERVICE]>"),
        (&["check", "localhost"], "expected HOST:PORT"),
        (&["check", "::1:50051"], "write [::1]:50051"),
        (&["check", "http://localhost:1/"], "write localhost:1 alone"),
        (&["list", "dns:///localhost"], "write localhost:50051"),
        (
            &["watch", "ipv4:[::1]:1"],
            "write such as ipv4:127.0.0.1:50051",
        ),
        (&["check", "localhost:grpc"], "expected HOST:PORT"),
        (
            &["check", "localhost:1", "--timeout", "0s"],
            "must be greater than zero",
        ),
        (
            &["check", "localhost:1", "--timeout", "1"],
            "expected a whole number and",
        ),
        (
            &["check", "localhost:1", "--connect-timeout", "x"],
            "expected a whole number and",
        ),
        (
            &["check", "localhost:1", "--service"],
            "a value is required",
        ),
        (
            &["watch", "localhost:1", "--timeout", "0s"],
            "must be greater than zero",
        ),
        (
            &["list", "localhost:1", "--service", "a"],
            "unexpected argument '--service'",
        ),
        (&["list"], "<ADDR>"),
    ];
    for (args, expected) in table {
        let (code, stdout, stderr) = run(*args);
        assert_eq!((code, stdout.as_str()), (1, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
}

#[test]
fn a_service_the_registry_refuses() {
    let long = "a".repeat(201);
    let (code, stdout, stderr) = run(["serve", "--listen", "127.0.0.1:0", "--service", &long]);
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert!(stderr.contains("200"), "{stderr}");
}

#[test]
fn help_and_version() {
    for args in [
        &["--help"][..],
        &["-h"],
        &["help"],
        &["help", "serve"],
        &["watch", "--help"],
    ] {
        let (code, stdout, stderr) = run(args);
        assert_eq!((code, stderr.as_str()), (0, ""), "{args:?}");
        assert!(stdout.contains("Usage: grpc-health"), "{args:?}: {stdout}");
    }
    assert!(
        run(["serve", "--help"])
            .1
            .contains("[default: 127.0.0.1:50051]")
    );
    let version = concat!("grpc-health ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run(["--version"]), (0, version.to_owned(), String::new()));
}

/// `watch` over one connection, which prints nothing but statuses.
fn watch(addr: &str, service: &str) -> Running {
    Running::new(["watch", "--no-reconnect", addr, "--service", service])
}

// --- Reasons ---

#[test]
fn reasons_are_printed_if_both_ends_are_told_to() {
    let (server, addr) = serve(&["--reasons", "--service", "a\tb=not-serving"]);
    let (code, stdout, stderr) = run(["check", &addr, "--service", "a\tb", "--reasons"]);
    assert_eq!(code, 4, "{stderr}");
    let columns: Vec<_> = stdout.trim_end_matches('\n').split('\t').collect();
    assert_eq!(
        (columns[0], columns[2], columns.len()),
        ("NOT_SERVING", "", 3)
    );
    // 2026-11-27T02:05:00.123Z
    assert_eq!(
        (columns[1].len(), &columns[1][10..11]),
        (24, "T"),
        "{stdout}"
    );
    let (_, listed, stderr) = run(["list", &addr, "--reasons"]);
    assert_eq!(
        listed,
        format!("\tSERVING\t\t\na\\tb\t{stdout}"),
        "{stderr}"
    );
    assert_eq!(
        run(["check", &addr, "--service", "a\tb"]).1,
        "NOT_SERVING\n"
    );
    server.signal("TERM");
    assert_eq!(server.end().0, 0);

    let (_server, addr) = serve(&[]);
    assert_eq!(run(["check", &addr, "--reasons"]).1, "SERVING\t\t\n");
}

// --- serve ---

#[test]
fn one_line_for_each_listener() {
    let mut server = Running::new(["serve", "--listen", "127.0.0.1:0", "--listen", "[::1]:0"]);
    let addrs = [listening(&mut server), listening(&mut server)];
    assert!(addrs[0].is_ipv4() && addrs[1].is_ipv6(), "{addrs:?}");
    for addr in addrs {
        let (code, stdout, stderr) = run(["check", &addr.to_string()]);
        assert_eq!((code, stdout.as_str()), (0, "SERVING\n"), "{stderr}");
    }
    server.signal("TERM");
    let (code, stdout, _) = server.end();
    assert_eq!((code, stdout.as_str()), (0, ""));
}

#[test]
fn every_address_takes_both_families() {
    for listen in ["[::]:0", ":0"] {
        let mut server = Running::new(["serve", "--listen", listen]);
        let addr = listening(&mut server);
        assert!(addr.ip().is_unspecified());
        for ip in ["127.0.0.1", "[::1]"] {
            let (code, _, stderr) = run(["check", &format!("{ip}:{}", addr.port())]);
            assert_eq!(code, 0, "{listen}, {ip}: {stderr}");
        }
    }
}

/// On every address that the name stands for here, all with one port.
#[test]
fn a_name_is_all_its_addresses() {
    let addrs = ("localhost", 0).to_socket_addrs().unwrap();
    let ips: BTreeSet<_> = addrs.map(|addr| addr.ip()).collect();
    let mut server = Running::new(["serve", "--listen", "localhost:0"]);
    let listening: Vec<_> = ips.iter().map(|_| listening(&mut server)).collect();
    let listened: BTreeSet<_> = listening.iter().map(|addr| addr.ip()).collect();
    assert_eq!(listened, ips);
    let port = listening[0].port();
    assert!(listening.iter().all(|addr| addr.port() == port));
    let (code, _, stderr) = run(["check", &format!("localhost:{port}")]);
    assert_eq!(code, 0, "{stderr}");

    let (code, stdout, stderr) = run(["serve", "--listen", "no..where:0"]);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(
        stderr.contains("cannot listen on no..where:0: "),
        "{stderr}"
    );
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    // The first could be listened on, but nothing is said before all are.
    for listen in [
        &["--listen", &addr][..],
        &["--listen", "127.0.0.1:0", "--listen", &addr],
    ] {
        let (code, stdout, stderr) = run([&["serve"], listen].concat());
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(
            stderr.contains(&format!("cannot listen on {addr}: ")),
            "{stderr}"
        );
    }
}

/// Asks over HTTP/1.1: the status line, and the body.
fn get(io: &mut (impl Read + Write), path: &str) -> (String, String) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    io.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    io.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[test]
fn probes_over_http_1_on_every_listener() {
    let dir = Dir::new();
    let socket = dir.path("socket");
    let args = [
        "--http1",
        "--unix",
        &socket,
        "--service",
        "down=not-serving",
        "--live-service",
        "down",
    ];
    let (mut server, addr) = serve(&args);
    assert!(server.line().starts_with("listening on unix:"));
    let ok = ("HTTP/1.1 200 OK".to_owned(), "SERVING\n".to_owned());
    let down = (
        "HTTP/1.1 503 Service Unavailable".to_owned(),
        "NOT_SERVING\n".to_owned(),
    );
    let tcp = || TcpStream::connect(&addr).unwrap();
    assert_eq!(get(&mut tcp(), "/readyz"), ok);
    assert_eq!(get(&mut tcp(), "/livez"), down);
    assert_eq!(get(&mut tcp(), "/healthz/down"), down);
    assert_eq!(get(&mut tcp(), "/nope").0, "HTTP/1.1 404 Not Found");
    let mut unix = UnixStream::connect(&socket).unwrap();
    assert_eq!(get(&mut unix, "/readyz"), ok);
    // The same port speaks gRPC.
    let (code, stdout, _) = run(["check", &addr]);
    assert_eq!((code, stdout.as_str()), (0, "SERVING\n"));
    server.signal("TERM");
    assert_eq!(server.end().0, 0);
    assert!(dir.names().is_empty(), "the server removes its socket");
}

#[test]
fn a_mirror_and_an_alias() {
    let (_server, addr) = serve(&["--mirror", "--service", "a=not-serving", "--alias", "/x=a"]);
    let (code, _, stderr) = run(["check", &addr, "--service", "a"]);
    assert_eq!(code, 3);
    assert!(stderr.contains("UNAVAILABLE"), "{stderr}");
}

#[test]
fn worker_threads() {
    let (server, addr) = serve(&["--threads", "2"]);
    assert_eq!(run(["check", &addr]).0, 0);
    server.signal("TERM");
    assert_eq!(server.end().0, 0);
}

#[test]
fn either_signal_drains() {
    for signal in ["TERM", "INT"] {
        let (server, addr) = serve(&["--service", "a"]);
        let mut registered = watch(&addr, "a");
        let mut absent = watch(&addr, "b");
        assert_eq!(registered.line(), "SERVING");
        assert_eq!(absent.line(), "SERVICE_UNKNOWN");
        server.signal(signal);
        assert_eq!(registered.line(), "NOT_SERVING");
        for watch in [registered, absent] {
            let (code, stdout, stderr) = watch.end();
            assert_eq!((code, stdout.as_str()), (3, ""));
            assert!(stderr.contains("UNAVAILABLE"), "{stderr}");
        }
        let (code, stdout, stderr) = server.end();
        assert_eq!((code, stdout.as_str()), (0, ""));
        assert!(stderr.contains("draining"), "{stderr}");
    }
}

/// A terminal that closes, and a `reload` for every service of a machine, send one.
#[test]
fn a_hangup_is_survived() {
    let (mut server, addr) = serve(&[]);
    for _ in 0..2 {
        server.signal("HUP");
        let said = line(&mut server.stderr);
        assert!(said.starts_with("SIGHUP ignored: "), "{said}");
    }
    assert_eq!(run(["check", &addr]).0, 0);
    server.signal("TERM");
    assert_eq!(server.end().0, 0);
}

/// While the drain lingers everything is served, and a pinned service is up.
#[test]
fn a_drain_lingers_and_spares_what_is_pinned() {
    let args = ["--service", "live", "--pin", "live", "--drain-linger", "1h"];
    let (server, addr) = serve(&args);
    let mut watch = watch(&addr, "");
    assert_eq!(watch.line(), "SERVING");
    server.signal("TERM");
    assert_eq!(watch.line(), "NOT_SERVING");
    for (service, answer) in [("live", (0, "SERVING\n")), ("", (4, "NOT_SERVING\n"))] {
        let check = Running::new(["check", &addr, "--service", service]);
        let (code, stdout, _) = check.end();
        assert_eq!((code, stdout.as_str()), answer);
    }
    server.signal("TERM");
    assert_eq!(server.end().0, 0);
}

/// A call that has not been sent whole holds the drain up; a second signal does not wait for it.
#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let (mut server, addr) = serve(&[]);
    let tcp = tokio::net::TcpStream::connect(&addr).await.unwrap();
    let (client, connection) = h2::client::handshake(tcp).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let request = |path: &str| {
        Request::post(format!("http://{addr}{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap()
    };
    let (_reply, mut unfinished) = client
        .send_request(request("/grpc.health.v1.Health/Check"), false)
        .unwrap();
    unfinished
        .send_data(Bytes::from_static(&[0]), false)
        .unwrap();
    // Once a later call is answered, the server has seen that one.
    let (reply, _) = client.send_request(request("/x/y"), true).unwrap();
    assert_eq!(reply.await.unwrap().headers()["grpc-status"], "12");

    server.signal("TERM");
    assert_eq!(line(&mut server.stderr), "draining");
    server.signal("TERM");
    let (code, stdout, stderr) = server.end();
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (0, "", "stopping at once\n")
    );
    connection.abort();
}

/// Clients that compress by default exist.
#[tokio::test]
async fn a_question_compressed_with_gzip() {
    let (_server, addr) = serve(&["--service", "a=not-serving"]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&[10, 1, b'a']).unwrap();
    let message = gzip.finish().unwrap();
    let len = u32::try_from(message.len()).unwrap().to_be_bytes();
    let envelope = [&[1], &len[..], &message].concat();

    let tcp = tokio::net::TcpStream::connect(&addr).await.unwrap();
    let (client, connection) = h2::client::handshake(tcp).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::post(format!("http://{addr}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-encoding", "gzip");
    let mut client = client.ready().await.unwrap();
    let (reply, mut body) = client
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    body.send_data(envelope.into(), true).unwrap();
    let mut reply = reply.await.unwrap().into_body();
    let message = reply.data().await.unwrap().unwrap();
    assert_eq!(&message[..], [0, 0, 0, 0, 2, 8, 2]);
    connection.abort();
}

// --- check, watch, list ---

#[test]
fn check() {
    let services = [
        "--service",
        "a.B",
        "--service",
        "b=not-serving",
        "--service",
        "c=d=unknown",
    ];
    let (_server, addr) = serve(&services);
    let table = [
        ("", 0, "SERVING"),
        ("a.B", 0, "SERVING"),
        ("b", 4, "NOT_SERVING"),
    ];
    for (name, code, status) in table.into_iter().chain([("c=d", 4, "UNKNOWN")]) {
        let expected = (code, format!("{status}\n"), String::new());
        assert_eq!(
            run(["check", &addr, "--service", name]),
            expected,
            "{name:?}"
        );
    }
    let (code, stdout, stderr) = run(["check", &addr, "--service", "absent"]);
    assert_eq!((code, stdout.as_str()), (3, ""));
    assert!(stderr.contains("NOT_FOUND"), "{stderr}");
}

#[test]
fn the_server_as_a_whole() {
    let (_server, addr) = serve(&["--service", "=not-serving"]);
    assert_eq!(
        run(["check", &addr]),
        (4, "NOT_SERVING\n".to_owned(), String::new())
    );
}

#[test]
fn list() {
    let (_server, addr) = serve(&["--service", "b", "--service", "a.B"]);
    let expected = "\tSERVING\na.B\tSERVING\nb\tSERVING\n".to_owned();
    assert_eq!(run(["list", &addr]), (0, expected, String::new()));

    let (_server, addr) = serve(&["--service", "b=not-serving", "--service", "a\tB=unknown"]);
    let expected = "\tSERVING\na\\tB\tUNKNOWN\nb\tNOT_SERVING\n".to_owned();
    assert_eq!(run(["list", &addr]), (4, expected, String::new()));
}

/// A status message that would turn the terminal's text around, hide some, and begin a line of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_status_message_does_nothing_to_the_terminal() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(tcp).await.unwrap();
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        let head = http::Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", "14")
            .header("grpc-message", "a%0Ab%1B[2J%E2%80%AEc%EF%BB%BFd");
        respond.send_response(head.body(()).unwrap(), true).unwrap();
        while connection.accept().await.is_some() {}
    });
    let (code, stdout, stderr) = run(["check", &addr]);
    assert_eq!((code, stdout.as_str()), (3, ""));
    assert_eq!(
        stderr,
        "error: health rpc failed: UNAVAILABLE: a\\nb\\u{1b}[2J\\u{202e}c\\u{feff}d\n"
    );
    server.await.unwrap();
}

/// A server that takes connections, and whose side of them the test writes.
fn mute(say: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    // Not the test's name: the thread goes on after the test.
    let server = std::thread::Builder::new().name("server".to_owned());
    let serve = move || listener.incoming().for_each(|tcp| say(tcp.unwrap()));
    server.spawn(serve).unwrap();
    addr
}

const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

#[test]
fn a_watch_of_a_mute_server_ends() {
    let addr = mute(|mut tcp| {
        tcp.write_all(&SETTINGS).unwrap();
        std::mem::forget(tcp);
    });
    let (code, stdout, stderr) = run(["watch", "--no-reconnect", &addr, "--timeout", "50ms"]);
    assert_eq!((code, stdout.as_str()), (3, ""));
    assert_eq!(
        stderr,
        "error: health rpc failed: DEADLINE_EXCEEDED: the server has not answered within 50ms\n"
    );
}

/// Every interim response is a whole head, `:status: 103`.
#[test]
fn interim_responses_without_end_are_left() {
    let addr = mute(|mut tcp| {
        tcp.write_all(&SETTINGS).unwrap();
        let interim = [0, 0, 5, 1, 4, 0, 0, 0, 1, 0x08, 3, b'1', b'0', b'3'];
        let interim = [&interim[..]].concat().repeat(1_000);
        // The call must be there first: the client reads nothing else than its SETTINGS and the request.
        let mut heard = [0; 1 << 10];
        let mut requests = 0;
        while requests == 0 {
            let n = Read::read(&mut tcp, &mut heard).unwrap();
            assert_ne!(n, 0, "the client has called");
            requests = heard[..n]
                .windows(6)
                .filter(|text| text == b"needle")
                .count();
        }
        while tcp.write_all(&interim).is_ok() {}
    });
    let watch = ["watch", "--no-reconnect", &addr, "--service", "needle"];
    let (code, stdout, stderr) = run([&watch[..], &["--timeout", "1h"]].concat());
    assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
    let why = "the server sent too many frames that answer nothing";
    assert!(stderr.ends_with(&format!("{why}\n")), "{stderr}");
}

#[test]
fn no_connection() {
    // Bound by a socket that does not listen: nobody else can take the port meanwhile.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let _context = runtime.enter();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = socket.local_addr().unwrap().to_string();
    for command in [&["check"][..], &["watch", "--no-reconnect"], &["list"]] {
        let (code, stdout, stderr) = run([command, &[&addr]].concat());
        assert_eq!((code, stdout.as_str()), (2, ""), "{command:?}: {stderr}");
        assert!(
            stderr.contains(&format!("failed to connect to {addr}: ")),
            "{stderr}"
        );
    }
}

/// Every name that gRPC has for one address.
#[test]
fn every_way_to_write_an_address() {
    let (_server, addr) = serve(&[]);
    let port = addr.rsplit_once(':').unwrap().1;
    for target in [
        format!(":{port}"),
        format!("localhost:{port}"),
        format!("dns:///localhost:{port}"),
        format!("dns:localhost:{port}"),
        format!("passthrough:///{addr}"),
        format!("ipv4:{addr}"),
        format!("ipv4:127.0.0.1:1,{addr}"),
        format!("[::ffff:127.0.0.1]:{port}"),
    ] {
        let (code, stdout, stderr) = run(["check", &target]);
        assert_eq!(
            (code, stdout.as_str()),
            (0, "SERVING\n"),
            "{target}: {stderr}"
        );
    }
}

// --- Nobody reads ---

#[test]
fn a_closed_stdout() {
    let (_server, addr) = serve(&["--service", "a=not-serving"]);
    let table: [(&[&str], i32); 7] = [
        (&["check", &addr], 0),
        (&["check", &addr, "--service", "a"], 4),
        (&["watch", &addr], 0),
        (&["watch", &addr, "--service", "a"], 4),
        (&["watch", "--no-reconnect", &addr], 0),
        (&["watch", "--no-reconnect", &addr, "--service", "a"], 4),
        (&["list", &addr], 4),
    ];
    for (args, code) in table {
        let output = command(args).stdout(closed()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert_eq!(output.stderr, b"", "{args:?}");
    }
    let help = command(["--help"]).stdout(closed()).output().unwrap();
    assert_eq!((help.status.code(), &help.stderr[..]), (Some(0), &b""[..]));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_stdout_was_not_said() {
    let (_server, addr) = serve(&[]);
    for args in [
        &["check", &addr][..],
        &["check", "--json", &addr],
        &["check", "--count", "2", &addr],
        &["list", &addr],
        &["list", "--json", &addr],
        &["watch", &addr],
        &["watch", "--no-reconnect", &addr],
        &["man"],
        &["completions", "bash"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command(args).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let expected = "error: cannot write to stdout: No space left on device";
        assert!(said.starts_with(expected), "{args:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{args:?}: {said}");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_server_with_a_closed_stdout_serves_on() {
    let mut child = command(["serve", "--listen", "127.0.0.1:0"])
        .stdout(closed())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let said = line(&mut stderr);
    assert!(said.starts_with("cannot write to stdout: "), "{said}");
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", "TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_closed_stderr() {
    let output = command(["check", "nowhere"])
        .stderr(closed())
        .output()
        .unwrap();
    assert_eq!(
        (output.status.code(), &output.stdout[..]),
        (Some(1), &b""[..])
    );
}
