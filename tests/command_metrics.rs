//! `serve --metrics`: the page that a Prometheus server reads.
#![cfg(all(feature = "cli", unix))]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/dir.rs"]
mod dir;
#[path = "support/command.rs"]
mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use support::{Running, run, serve};

fn with_page() -> (Running, String, String) {
    let (mut server, addr) = serve(&["--metrics", "127.0.0.1:0", "--service", "down=not-serving"]);
    let page = page(&mut server);
    (server, addr, page)
}

/// The address of the page, from the next line.
fn page(server: &mut Running) -> String {
    let said = server.line();
    let page = said.strip_prefix("metrics on http://").unwrap();
    page.strip_suffix("/metrics").unwrap().to_owned()
}

/// The whole answer to a request.
fn ask(page: &str, request: &[u8]) -> String {
    let mut io = TcpStream::connect(page).unwrap();
    // The server may close the connection in the middle of a bad request.
    let _ = io.write_all(request);
    let mut answer = Vec::new();
    let _ = io.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

const GET: &[u8] = b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n";

#[test]
fn the_page_counts_checks() {
    let (_server, addr, page) = with_page();
    assert_eq!(run(["check", &addr]).0, 0);
    assert_eq!(run(["check", &addr, "--service", "down"]).0, 4);
    let answer = ask(&page, GET);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for line in [
        r#"grpc_health_checks{prober="other",result="SERVING"} 1"#,
        r#"grpc_health_checks{prober="other",result="NOT_SERVING"} 1"#,
        r#"grpc_health_status{service="down",status="NOT_SERVING"} 1"#,
    ] {
        assert!(
            answer.lines().any(|found| found == line),
            "{line}: {answer}"
        );
    }
    let labels = r#"rpc_system_name="grpc",rpc_method="grpc.health.v1.Health/Check",rpc_response_status_code="OK",le="+Inf""#;
    let bucket = &format!("rpc_server_call_duration_bucket{{{labels}}} 2");
    assert!(answer.contains(bucket), "{answer}");
}

#[test]
fn names_with_backslashes_were_confused() {
    let names = [r"a\b", r"a\\b=not-serving", r#"q\""#, "n\\\n", r"\"];
    let services = names.map(|name| ["--service", name]).concat();
    let (mut server, addr) = serve(&[&["--metrics", "127.0.0.1:0"], &services[..]].concat());
    let page = page(&mut server);
    // The server tells of the statuses when the first connection comes.
    assert_eq!(run(["check", &addr]).0, 0);
    let answer = ask(&page, GET);
    for line in [
        r#"grpc_health_status{service="a\\b",status="SERVING"} 1"#,
        r#"grpc_health_status{service="a\\\\b",status="NOT_SERVING"} 1"#,
        r#"grpc_health_status{service="q\\\"",status="SERVING"} 1"#,
        r#"grpc_health_status{service="n\\\n",status="SERVING"} 1"#,
        r#"grpc_health_status{service="\\",status="SERVING"} 1"#,
    ] {
        assert!(
            answer.lines().any(|found| found == line),
            "{line}: {answer}"
        );
    }
}

#[test]
fn everything_else_is_refused() {
    let (_server, _addr, page) = with_page();
    let status = |request: &[u8]| {
        let answer = ask(&page, request);
        answer.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(
        status(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        "HTTP/1.1 404 Not Found"
    );
    assert_eq!(
        status(b"POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"),
        "HTTP/1.1 405 Method Not Allowed"
    );
    let huge = [
        GET.strip_suffix(b"\r\n").unwrap(),
        b"a: ",
        &[b'x'; 64 * 1024],
    ]
    .concat();
    let refused = status(&huge);
    assert!(
        refused.is_empty() || refused.starts_with("HTTP/1.1 431"),
        "{refused}"
    );
    let many = [
        GET.strip_suffix(b"\r\n").unwrap(),
        &b"a: b\r\n".repeat(1_000),
        b"\r\n",
    ]
    .concat();
    let refused = status(&many);
    assert!(
        refused.is_empty() || refused.starts_with("HTTP/1.1 431"),
        "{refused}"
    );
    let head = ask(&page, b"HEAD /metrics HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn readers_that_send_nothing_keep_no_reader_out() {
    let (_server, _addr, page) = with_page();
    let silent: Vec<_> = (0..100)
        .map(|_| TcpStream::connect(&page).unwrap())
        .collect();
    let answer = ask(&page, GET);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    // The oldest are closed, and so the number of connections is bounded.
    let mut oldest = &silent[0];
    assert_eq!(oldest.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let (_server, addr) = serve(&[]);
    let (code, stdout, stderr) = run(["serve", "--listen", "127.0.0.1:0", "--metrics", &addr]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(
        stderr.starts_with(&format!("error: --metrics: cannot listen on {addr}: ")),
        "{stderr}"
    );
}

/// glibc reads the file HOSTALIASES before it asks for a name without dots, and here the file is a pipe: the search hangs.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_page_whose_name_was_searched_kept_the_server_from_its_end() {
    let dir = dir::Dir::new();
    let pipe = dir.pipe("aliases");
    for signal in ["TERM", "INT"] {
        let listen = ["serve", "--listen", "127.0.0.1:0", "--metrics", "nowhere:0"];
        let mut command = support::command(listen);
        command.env("HOSTALIASES", &pipe);
        let server = Running::spawn(command);
        let writer = std::fs::File::options().write(true).open(&pipe).unwrap();
        server.signal(signal);
        let (code, stdout, stderr) = server.end();
        assert_eq!((code, stdout.as_str()), (0, ""));
        assert_eq!(stderr, "stopped before the server listened\n");
        drop(writer);
    }
}
