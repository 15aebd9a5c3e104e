//! The probes against real peers of this process.
#![cfg(feature = "checks")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use grpc_health::client::Target;
use grpc_health::plane::Probe;
use grpc_health::plane::probes::{FileAge, Grpc, Http, Tcp};
use grpc_health::{HealthService, Registry, Server, ServingStatus};
use h2::server::SendResponse;
use http::HeaderName;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task;

/// Asks once. The error is the reason.
async fn ask(probe: &mut impl Probe) -> Result<(), String> {
    let answer = probe.probe().await;
    answer.map_err(|reason| reason.to_string())
}

/// An address that nobody listens on, for as long as the socket is kept.
fn refusing() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, addr)
}

#[tokio::test]
async fn tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    assert_eq!(ask(&mut Tcp::new(addr.to_string())).await, Ok(()));
    let (_socket, addr) = refusing();
    let error = ask(&mut Tcp::new(addr.to_string())).await.unwrap_err();
    assert!(error.starts_with(&format!("{addr}: ")), "{error}");
}

/// Answers one connection with `answer`, and returns what the peer has sent.
fn answering(answer: Vec<u8>) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let (mut io, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if io.read(&mut byte).unwrap() == 0 {
                break;
            }
            request.extend(byte);
        }
        // A peer that has seen enough may have gone.
        let _ = io.write_all(&answer);
        String::from_utf8(request).unwrap()
    });
    (addr, serving)
}

async fn get(answer: impl Into<Vec<u8>>, path: &str) -> (Result<(), String>, String) {
    let (addr, serving) = answering(answer.into());
    let mut probe: Http = format!("http://{addr}{path}").parse().unwrap();
    let result = ask(&mut probe).await;
    let request = serving.join().unwrap();
    (
        result.map_err(|why| why.replace(&addr.to_string(), "ADDR")),
        request,
    )
}

#[tokio::test]
async fn http_statuses() {
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Ok(())),
        ("HTTP/1.1 204 No Content\r\n\r\n", Ok(())),
        ("HTTP/1.0 200 OK\r\n\r\nok", Ok(())),
        (
            "HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n",
            Ok(()),
        ),
        // What follows an informational answer is the answer.
        (
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 503 Busy\r\n\r\n",
            Err("ADDR: HTTP 503"),
        ),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nnot found",
            Err("ADDR: HTTP 404"),
        ),
        ("HTTP/1.1 400 Bad\r\n\r\n", Err("ADDR: HTTP 400")),
    ] {
        let (result, _) = get(answer, "/").await;
        assert_eq!(result, expected.map_err(str::to_owned), "{answer}");
    }
}

#[tokio::test]
async fn an_http_request() {
    let (result, request) = get("HTTP/1.1 200 OK\r\n\r\n", "/ready?full=1").await;
    assert_eq!(result, Ok(()));
    let mut lines = request.lines();
    assert_eq!(lines.next(), Some("GET /ready?full=1 HTTP/1.1"));
    let lines: Vec<_> = lines.collect();
    assert!(lines.contains(&"connection: close"), "{request}");
    let host = lines
        .iter()
        .find(|line| line.starts_with("host: 127.0.0.1:"));
    assert!(host.is_some(), "{request}");
    assert!(!request.contains("content-length"), "{request}");
}

#[tokio::test]
async fn what_is_no_http_answer_is_a_failure() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(32 * 1024));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(101));
    for answer in [
        "",
        "SSH-2.0-x\r\n",
        "HTTP/1.1 200",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        &long,
        &many,
    ] {
        let (result, _) = get(answer, "/").await;
        assert!(result.is_err(), "{answer:.30}");
    }
    let (_socket, addr) = refusing();
    let mut probe: Http = format!("http://{addr}").parse().unwrap();
    assert!(ask(&mut probe).await.is_err());
}

/// An answer without an end must not be read without an end.
#[tokio::test]
async fn the_body_of_an_http_answer_is_not_read() {
    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    answer.resize(8 << 20, b'x');
    let (result, _) = get(answer, "/").await;
    assert_eq!(result, Ok(()));
}

#[test]
fn urls() {
    for url in [
        "http://a",
        "http://a:1/b?c",
        "http://[::1]:1/",
        "http://127.0.0.1/",
    ] {
        assert!(url.parse::<Http>().is_ok(), "{url}");
    }
    for (url, why) in [
        ("", "expected a URL"),
        ("a", "expected a URL"),
        ("/a", "expected a URL"),
        ("ftp://a", "expected a URL"),
        ("http://u:p@a", "expected a URL"),
        ("http://:1", "expected a URL"),
        ("http://a/ b", "expected a URL"),
        ("https://a", "https is not supported"),
    ] {
        let error = url.parse::<Http>().unwrap_err().to_string();
        assert!(error.starts_with(why), "{url}: {error}");
    }
}

/// Such a URL was once taken for one without a port, and the probe asked port 80.
#[test]
fn a_url_with_a_bad_port_is_refused() {
    for port in ["80x", "65536", "99999", "-5", "+80", "0", "", "80:80"] {
        for host in ["127.0.0.1", "[::1]", "a"] {
            let error = format!("http://{host}:{port}/")
                .parse::<Http>()
                .unwrap_err();
            let expected = [
                "the port must be a number from 1 to 65535",
                "expected a URL",
            ];
            let said = error.to_string();
            assert!(
                expected.iter().any(|why| said.starts_with(why)),
                "{host}:{port}: {said}"
            );
        }
    }
    assert!("http://[::1]80/".parse::<Http>().is_err());
    let error = "http://127.0.0.1:80x/".parse::<Http>().unwrap_err();
    assert!(error.to_string().contains("from 1 to 65535"), "{error}");
}

/// A file of the test's own.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let name = format!("grpc-health-probe-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, "").unwrap();
        Self(path)
    }

    fn modified(&self, at: SystemTime) {
        let file = std::fs::File::options().write(true).open(&self.0).unwrap();
        file.set_modified(at).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn the_age_of_a_file() {
    let file = File::new("age");
    let mut probe = FileAge::new(&file.0, Duration::from_secs(60));
    assert_eq!(ask(&mut probe).await, Ok(()));
    file.modified(SystemTime::now() - Duration::from_secs(90));
    let error = ask(&mut probe).await.unwrap_err();
    assert!(error.contains(": not modified for 9"), "{error}");
    // Another machine's clock, or a clock that was set back.
    file.modified(SystemTime::now() + Duration::from_secs(90));
    assert_eq!(ask(&mut probe).await, Ok(()));
    drop(file);
    assert!(ask(&mut probe).await.is_err());
}

#[cfg(unix)]
#[tokio::test]
async fn exit_codes_of_commands() {
    use grpc_health::plane::probes::Command;

    let sh = |script: &str| Command::new("sh", ["-c", script]);
    assert_eq!(ask(&mut sh("exit 0")).await, Ok(()));
    for (mut probe, why) in [
        (sh("exit 3"), "sh: exit code 3"),
        (sh("kill -9 $$"), "sh: killed by signal 9"),
        (
            Command::new("grpc-health-no-such", [""; 0]),
            "grpc-health-no-such: no such command",
        ),
        // Its input is empty, and it is a group of its own.
        (sh("read line"), "sh: exit code 1"),
        (
            sh("[ $(ps -o pgid= -p $$) = $$ ] && exit 7"),
            "sh: exit code 7",
        ),
    ] {
        assert_eq!(ask(&mut probe).await, Err(why.to_owned()));
    }
}

/// A health server on a port of its own.
async fn health(registry: &Registry) -> (SocketAddr, Server<HealthService>) {
    let service = HealthService::new(registry.clone());
    let server = Server::builder().service(service).bind("127.0.0.1:0").await;
    let server = server.unwrap();
    tokio::spawn(server.serve());
    (server.local_addr().unwrap(), server)
}

#[tokio::test]
async fn another_grpc_server() {
    let registry = Registry::new();
    let (addr, _server) = health(&registry).await;
    let grpc = |service: &str| Grpc::new(Target::from(addr), service);
    assert_eq!(ask(&mut grpc("")).await, Ok(()));
    let mut probe = grpc("a");
    let error = ask(&mut probe).await.unwrap_err();
    assert_eq!(error, format!("{addr}: NOT_FOUND: unknown service"));
    for (status, expected) in [
        (ServingStatus::Unknown, Err(format!("{addr}: UNKNOWN"))),
        (ServingStatus::Serving, Ok(())),
        (
            ServingStatus::NotServing,
            Err(format!("{addr}: NOT_SERVING")),
        ),
    ] {
        registry.set_service_status("a", status).unwrap();
        assert_eq!(ask(&mut probe).await, expected);
    }
    let (_socket, addr) = refusing();
    assert!(ask(&mut Grpc::new(Target::from(addr), "")).await.is_err());
}

/// One connection does for all runs, and a new one is made when that is gone.
#[tokio::test]
async fn a_grpc_probe_connects_again_after_a_failure() {
    let registry = Registry::new();
    let (addr, server) = health(&registry).await;
    let mut probe = Grpc::new(Target::from(addr), "").watch();
    for _ in 0..3 {
        assert_eq!(ask(&mut probe).await, Ok(()));
    }
    assert_eq!(server.stats().connections, 1);
    server.shutdown().await;
    assert!(ask(&mut probe).await.is_err());
    registry.resume();
    let server = Server::builder()
        .service(HealthService::new(registry))
        .bind(addr)
        .await
        .unwrap();
    tokio::spawn(server.serve());
    assert_eq!(ask(&mut probe).await, Ok(()));
}

/// A server whose calls the test answers, and which tells of each connection. To abort the task of a connection closes the socket, as
/// servers and proxies close an idle one: without a GOAWAY.
async fn scripted(
    script: impl Fn(&str, SendResponse<Bytes>) + Clone + Send + Sync + 'static,
) -> (SocketAddr, UnboundedReceiver<task::JoinHandle<()>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, connections) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let script = script.clone();
            let _ = tell.send(tokio::spawn(async move {
                let mut connection = h2::server::handshake(tcp).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    script(request.uri().path(), respond);
                }
            }));
        }
    });
    (addr, connections)
}

fn reply(mut respond: SendResponse<Bytes>, code: u16) {
    let head = http::Response::builder().header("content-type", "application/grpc");
    if code != 0 {
        let head = head.header("grpc-status", code).body(()).unwrap();
        respond.send_response(head, true).unwrap();
        return;
    }
    let head = head.body(()).unwrap();
    let mut stream = respond.send_response(head, false).unwrap();
    let serving = Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]);
    stream.send_data(serving, false).unwrap();
    let ok = http::HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), 0.into())]);
    stream.send_trailers(ok).unwrap();
}

#[tokio::test]
async fn a_connection_that_was_closed_between_two_runs_is_no_failure() {
    let (addr, mut connections) = scripted(|_, respond| reply(respond, 0)).await;
    let mut probe = Grpc::new(Target::from(addr), "");
    for _ in 0..3 {
        assert_eq!(ask(&mut probe).await, Ok(()));
        let connection = connections.recv().await.unwrap();
        connection.abort();
        // The socket is closed by then.
        let _ = connection.await;
    }
}

/// UNAVAILABLE is an answer, too, if the server gives it.
#[tokio::test]
async fn a_server_that_answers_unavailable_is_not_asked_twice() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let script = move |_: &str, respond| match counted.fetch_add(1, SeqCst) {
        0 => reply(respond, 0),
        _ => reply(respond, 14),
    };
    let (addr, _connections) = scripted(script).await;
    let mut probe = Grpc::new(Target::from(addr), "");
    assert_eq!(ask(&mut probe).await, Ok(()));
    assert!(ask(&mut probe).await.is_err());
    assert_eq!(calls.load(SeqCst), 2);
}

/// As behind a proxy that keeps a stream's head back until there is more.
#[tokio::test]
async fn a_watch_that_says_nothing_leaves_the_decision_to_check() {
    let (tell, mut watches) = unbounded_channel();
    let script = move |path: &str, respond| {
        if path.ends_with("/Watch") {
            // The test keeps the call open.
            tell.send(respond).unwrap();
        } else {
            reply(respond, 0);
        }
    };
    let (addr, _connections) = scripted(script).await;
    let mut probe = Grpc::new(Target::from(addr), "").watch();
    let mut open = Vec::new();
    for _ in 0..3 {
        let answer = tokio::time::timeout(Duration::from_secs(10), ask(&mut probe)).await;
        assert_eq!(answer, Ok(Ok(())));
        tokio::select! {
            () = probe.changed() => panic!("nothing has changed"),
            watch = watches.recv() => open.push(watch.unwrap()),
        }
    }
}

#[tokio::test]
async fn a_watching_grpc_probe_hears_of_a_change() {
    let registry = Registry::new();
    registry
        .set_service_status("a", ServingStatus::Serving)
        .unwrap();
    let (addr, server) = health(&registry).await;
    let mut probe = Grpc::new(Target::from(addr), "a").watch();
    assert_eq!(ask(&mut probe).await, Ok(()));
    registry
        .set_service_status("a", ServingStatus::NotServing)
        .unwrap();
    probe.changed().await;
    assert!(ask(&mut probe).await.is_err());
    // The end of the Watch is news, too.
    server.shutdown().await;
    probe.changed().await;
    assert!(ask(&mut probe).await.is_err());
}
