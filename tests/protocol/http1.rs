//! Health probes over HTTP/1 on a listener that asks for them.
#![cfg(feature = "http1")]

use crate::fixture::Fixture;
use crate::support::grpc::{NOT_SERVING, SERVING};
use crate::support::host;
use crate::support::io::Trickle;
use crate::support::peer::{PIPE, Peer};
use grpc_health::ServingStatus::{NotServing, Serving};
use grpc_health::server::{Builder, ListenOptions, Stats};
use grpc_health::service::{
    Admission, Answer, Background, Head, Lifecycle, Message, Method, Probe, ProbeAnswer, Rejection,
    Reply, Service, Unimplemented,
};
use grpc_health::{HealthService, Registry, Router, Server};
use std::future::Ready;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// The client's end of a connection, whose text is read as it comes.
struct Plain {
    io: DuplexStream,
    served: JoinHandle<()>,
}

fn connect_to<S: Service>(server: &Server<S>, capacity: usize) -> Plain {
    let options = ListenOptions::new().http1().live_service("up");
    let (io, theirs) = tokio::io::duplex(capacity);
    let server = server.with_listen_options(options);
    let served = host::spawn(server.serve_connection(theirs));
    Plain { io, served }
}

impl Fixture {
    fn plain(&self) -> Plain {
        connect_to(&self.server, PIPE)
    }
}

impl Plain {
    async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.io
            .write_all(text.as_ref())
            .await
            .expect("an open connection");
    }

    /// One answer: its status, its fields and its body.
    async fn answer(&mut self) -> (u16, String, String) {
        let head = self.head().await;
        let field = "content-length: ";
        let length = head.lines().find_map(|line| line.strip_prefix(field));
        let mut body = vec![0; length.expect("a length").parse().unwrap()];
        timeout(HOUR, self.io.read_exact(&mut body))
            .await
            .expect("a body")
            .unwrap();
        (status(&head), head, String::from_utf8(body).unwrap())
    }

    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = timeout(HOUR, self.io.read_u8()).await.expect("an answer");
            head.push(byte.expect("an answer before the end"));
        }
        String::from_utf8(head).unwrap()
    }

    async fn get(&mut self, target: &str) -> (u16, String) {
        self.send(get(target)).await;
        let (status, _, body) = self.answer().await;
        (status, body)
    }

    /// Everything up to the end of the connection.
    async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let read = timeout(HOUR, self.io.read_to_end(&mut rest)).await;
        read.expect("the end of the connection").unwrap();
        String::from_utf8(rest).unwrap()
    }
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n")
}

fn status(head: &str) -> u16 {
    let line = head.strip_prefix("HTTP/1.1 ").expect(head);
    line[..3].parse().unwrap()
}

fn server(
    build: impl FnOnce(Builder<HealthService>) -> Builder<HealthService>,
) -> Server<HealthService> {
    let service = HealthService::new(Registry::new());
    build(Server::builder().service(service)).build()
}

fn stats<S: Service>(server: &Server<S>) -> Stats {
    server.stats()
}

#[tokio::test(start_paused = true)]
async fn probes_are_answered_on_one_connection() {
    let fixture = Fixture::new();
    let mut plain = fixture.plain();
    let serving = (200, "SERVING\n".to_owned());
    let down = (503, "NOT_SERVING\n".to_owned());
    for target in [
        "/livez",
        "/readyz",
        "/healthz",
        "/healthz/up",
        "http://h/readyz",
    ] {
        assert_eq!(plain.get(target).await, serving, "{target}");
    }
    assert_eq!(plain.get("/healthz/down").await, down);
    for target in ["/", "/healthz/nope", "/grpc.health.v1.Health/Check", "*"] {
        assert_eq!(plain.get(target).await.0, 404, "{target}");
    }
    fixture.set("", NotServing);
    fixture.set("up", NotServing);
    for target in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(plain.get(target).await, down, "{target}");
    }
    let (_, body) = plain.get("/readyz?verbose").await;
    assert_eq!(
        body,
        "[-]  NOT_SERVING\n[-] down NOT_SERVING\n[-] up NOT_SERVING\nNOT_SERVING\n"
    );
    plain
        .send("GET /healthz HTTP/1.1\r\nhost: a\r\naccept: application/json\r\n\r\n")
        .await;
    let (_, head, body) = plain.answer().await;
    assert!(
        head.contains("content-type: application/json\r\n"),
        "{head}"
    );
    assert_eq!(body, "{\"status\":\"NOT_SERVING\"}\n");
    assert_eq!(stats(&fixture.server).calls, 15);
}

#[tokio::test(start_paused = true)]
async fn an_answer_byte_for_byte() {
    let fixture = Fixture::new();
    let mut plain = fixture.plain();
    let before = SystemTime::now() - SECOND;
    plain.send("HEAD /readyz HTTP/1.1\r\nhost: a\r\n\r\n").await;
    plain.send("GET /readyz HTTP/1.0\r\n\r\n").await;
    let (rest, dates) = without_dates(&plain.rest().await);
    let fields = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 8\r\n\
                  cache-control: no-store\r\nx-content-type-options: nosniff\r\n";
    let expected = format!("{fields}\r\n{fields}connection: close\r\n\r\nSERVING\n");
    assert_eq!(rest, expected);
    assert_eq!(dates.len(), 2);
    for date in dates {
        // The field has whole seconds.
        assert!((before..=SystemTime::now()).contains(&date), "{date:?}");
    }
    plain.served.await.unwrap();
}

/// Answers without their fields `date`, and the dates.
fn without_dates(answers: &str) -> (String, Vec<SystemTime>) {
    let is_date = |line: &&str| line.starts_with("date: ");
    let (dates, lines): (Vec<&str>, _) = answers.split_inclusive("\r\n").partition(is_date);
    let read = |line: &str| httpdate::parse_http_date(line["date: ".len()..].trim_end());
    let read = |line| read(line).expect("a date");
    (lines.concat(), dates.into_iter().map(read).collect())
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_a_date_and_one_to_a_head_no_body() {
    let long = "a".repeat(17_000);
    for (request, expected) in [
        (
            "/readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
            200,
        ),
        ("/nope HTTP/1.0\r\n\r\n", 404),
        ("/readyz HTTP/1.1\r\n\r\n", 400),
        ("/readyz HTTP/1.1\nhost: a\n\n", 400),
        ("/ HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n", 400),
        ("/ HTTP/9.9\r\nhost: a\r\n\r\n", 505),
        (&long, 431),
        ("/readyz HTTP", 408),
    ] {
        for method in ["HEAD", "GET", "\r\nHEAD"] {
            let fixture = Fixture::new();
            let mut plain = fixture.plain();
            plain.send(format!("{method} {request}")).await;
            let (rest, dates) = without_dates(&plain.rest().await);
            assert_eq!((status(&rest), dates.len()), (expected, 1), "{request}");
            let (_, body) = rest.split_once("\r\n\r\n").expect("a head");
            assert_eq!(body.is_empty(), method != "GET", "{method} {request}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_listener_speaks_http_2() {
    let fixture = Fixture::new();
    let server = fixture
        .server
        .with_listen_options(ListenOptions::new().http1());
    let (ours, theirs) = tokio::io::duplex(PIPE);
    host::spawn(server.serve_connection(Trickle::new(theirs)));
    let mut peer = Peer::handshake(ours, &[]).await;
    assert_eq!(peer.check("up").await, SERVING);
    assert_eq!(peer.check("down").await, NOT_SERVING);
}

#[tokio::test(start_paused = true)]
async fn requests_may_arrive_byte_by_byte_and_many_at_once() {
    let fixture = Fixture::new();
    let (io, theirs) = tokio::io::duplex(PIPE);
    let server = fixture
        .server
        .with_listen_options(ListenOptions::new().http1());
    let served = host::spawn(server.serve_connection(Trickle::new(theirs)));
    let mut plain = Plain { io, served };
    for _ in 0..3 {
        assert_eq!(plain.get("/readyz").await.0, 200);
    }
    let mut plain = fixture.plain();
    // As many as fit: the answers wait in the pipe.
    let pipelined: String = (0..100)
        .map(|n| get(["/readyz", "/healthz/down", "/nope"][n % 3]))
        .collect();
    plain.send(pipelined).await;
    for n in 0..100 {
        assert_eq!(plain.answer().await.0, [200, 503, 404][n % 3], "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_option_the_listener_speaks_no_http_1() {
    let fixture = Fixture::new();
    let answer = |options: Option<ListenOptions>| {
        let server = match options {
            None => fixture.server.clone(),
            Some(options) => fixture.server.with_listen_options(options),
        };
        async move {
            let (mut io, theirs) = tokio::io::duplex(PIPE);
            host::spawn(server.serve_connection(theirs));
            io.write_all(get("/readyz").as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            timeout(HOUR, io.read_to_end(&mut answer))
                .await
                .unwrap()
                .unwrap();
            answer
        }
    };
    let exact = answer(None).await;
    assert!(!exact.starts_with(b"HTTP/1.1"));
    // SETTINGS first, as ever.
    assert_eq!(exact[3], 4);
    assert_eq!(answer(Some(ListenOptions::new().mirror())).await, exact);
}

/// Sends `text`, and expects one answer with `expected`, the end of the connection, and no answer to what stands behind.
async fn expect_refused(text: &str, expected: u16) {
    let fixture = Fixture::new();
    let mut plain = fixture.plain();
    plain.send(get("/readyz")).await;
    plain.send(text).await;
    plain.send(get("/smuggled")).await;
    assert_eq!(plain.answer().await.0, 200);
    let rest = plain.rest().await;
    assert_eq!(status(&rest), expected, "{text:?}");
    assert_eq!(rest.matches("HTTP/1.1 ").count(), 1, "{text:?} {rest}");
    assert!(rest.contains("\r\nconnection: close\r\n"), "{rest}");
    plain.served.await.unwrap();
    let refused = u64::from(expected != 405);
    assert_eq!(
        stats(&fixture.server).connection_errors,
        refused,
        "{text:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn shapes_of_smuggling_end_the_connection_unanswered() {
    let post = "POST /readyz HTTP/1.1\r\nhost: a\r\n";
    let get = "GET /readyz HTTP/1.1\r\nhost: a\r\n";
    for fields in [
        "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
        "content-length: 4\r\ncontent-length: 5\r\n\r\nabcd",
        "content-length: 4, 4\r\n\r\nabcd",
        "content-length: +4\r\n\r\nabcd",
        "content-length : 4\r\n\r\nabcd",
        "transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "x: a\r\n content-length: 4\r\n\r\nabcd",
        "x: a\ncontent-length: 4\r\n\r\nabcd",
        "x: a\rcontent-length: 4\r\n\r\nabcd",
        "x: a\n\nabcd",
        "host: b\r\n\r\n",
    ] {
        expect_refused(&format!("{post}{fields}"), 400).await;
        expect_refused(&format!("{get}{fields}"), 400).await;
    }
    for body in [
        "content-length: 4\r\n\r\nabcd",
        "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        expect_refused(&format!("{get}{body}"), 400).await;
        expect_refused(&format!("{post}{body}"), 405).await;
    }
    expect_refused("GET /readyz HTTP/1.1\r\n\r\n", 400).await;
    expect_refused("GET /readyz\r\n\r\n", 400).await;
    expect_refused("GET /readyz HTTP/3.0\r\nhost: a\r\n\r\n", 505).await;
    expect_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505).await;
}

#[tokio::test(start_paused = true)]
async fn heads_over_the_limit_are_refused_without_being_kept() {
    let fixture = Fixture::new();
    // 16 KiB by default; a whole request below the limit is served.
    let long = |n: usize| {
        format!(
            "GET /readyz HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
            "y".repeat(n)
        )
    };
    let mut plain = fixture.plain();
    plain.send(long(16_300)).await;
    assert_eq!(plain.answer().await.0, 200);
    plain.send(&long(16_400)).await;
    assert_eq!(plain.answer().await.0, 431);
    let mut plain = fixture.plain();
    plain.send(format!("GET /{}", "a".repeat(17_000))).await;
    assert_eq!(plain.answer().await.0, 431);
    let fields = "x: y\r\n".repeat(101);
    let mut plain = fixture.plain();
    plain.send(format!("GET / HTTP/1.1\r\n{fields}\r\n")).await;
    assert_eq!(plain.answer().await.0, 431);
    assert_eq!(plain.rest().await, "");
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_has_ten_seconds_and_a_silent_client_too() {
    let fixture = Fixture::new();
    let start = Instant::now();
    let mut silent = fixture.plain();
    assert_eq!(silent.rest().await, "");
    assert_eq!(start.elapsed().as_secs(), 10);

    // A byte a second, on a new connection and on one that was in use.
    for used in [false, true] {
        let mut slow = fixture.plain();
        if used {
            assert_eq!(slow.get("/readyz").await.0, 200);
            tokio::time::sleep(100 * SECOND).await;
        }
        let start = Instant::now();
        for byte in get("/readyz").bytes().take(9) {
            slow.send([byte]).await;
            tokio::time::sleep(SECOND).await;
        }
        let (status, head, _) = slow.answer().await;
        assert_eq!(status, 408);
        assert!(head.contains("connection: close"));
        assert_eq!(start.elapsed().as_secs(), 10);
        assert_eq!(slow.rest().await, "");
    }
    assert_eq!(stats(&fixture.server).connections_timed_out, 3);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_and_one_that_probes_is_not() {
    let fixture = Fixture::new();
    let mut plain = fixture.plain();
    for _ in 0..20 {
        assert_eq!(plain.get("/readyz").await.0, 200);
        tokio::time::sleep(100 * SECOND).await;
    }
    let start = Instant::now();
    assert_eq!(plain.get("/readyz").await.0, 200);
    assert_eq!(plain.rest().await, "");
    assert_eq!(start.elapsed().as_secs(), 300);
    let old = server(|builder| builder.max_connection_age(Some(100 * SECOND)));
    let mut plain = connect_to(&old, PIPE);
    assert_eq!(plain.get("/readyz").await.0, 200);
    let start = Instant::now();
    assert_eq!(plain.rest().await, "");
    // The age has a jitter of a tenth.
    assert!((90..=110).contains(&start.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_cut() {
    let server = server(|builder| builder);
    let mut plain = connect_to(&server, 64);
    let start = Instant::now();
    let flood = async {
        for _ in 0..100 {
            if plain.io.write_all(get("/readyz").as_bytes()).await.is_err() {
                break;
            }
        }
    };
    timeout(HOUR, flood).await.expect("the connection ends");
    assert_eq!(start.elapsed().as_secs(), 20);
    plain.served.await.unwrap();
    assert_eq!(stats(&server).connections_timed_out, 1);
}

#[tokio::test(start_paused = true)]
async fn a_drain_closes_idle_connections_and_completes_requests() {
    let fixture = Fixture::new();
    let (mut idle, mut busy) = (fixture.plain(), fixture.plain());
    assert_eq!(idle.get("/readyz").await.0, 200);
    let request = get("/readyz");
    let (first, second) = request.split_at(20);
    busy.send(first).await;
    tokio::time::sleep(SECOND).await;
    let drained = fixture.shut_down();
    assert_eq!(idle.rest().await, "");
    tokio::time::sleep(SECOND).await;
    busy.send(second).await;
    let (status, head, body) = busy.answer().await;
    assert_eq!((status, body.as_str()), (503, "NOT_SERVING\n"));
    assert!(head.contains("connection: close"), "{head}");
    drop(busy.io);
    drained.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_completes_does_not_hold_a_drain_up() {
    let server = server(|builder| {
        builder
            .shutdown_deadline(3 * SECOND)
            .header_block_timeout(HOUR)
    });
    let mut plain = connect_to(&server, PIPE);
    plain.send("GET /rea").await;
    tokio::time::sleep(SECOND).await;
    let start = Instant::now();
    server.shutdown().await;
    assert_eq!(start.elapsed().as_secs(), 3);
    assert_eq!(plain.rest().await, "");
}

#[tokio::test(start_paused = true)]
async fn slow_heads_take_the_places_of_handshakes_and_not_those_of_probes() {
    let server = server(|builder| builder.max_handshakes(1));
    let mut probe = connect_to(&server, PIPE);
    assert_eq!(probe.get("/readyz").await.0, 200);
    let mut slow = connect_to(&server, PIPE);
    slow.send("GET /").await;
    tokio::time::sleep(SECOND).await;
    let mut next = connect_to(&server, PIPE);
    assert_eq!(slow.rest().await, "");
    assert_eq!(next.get("/readyz").await.0, 200);
    assert_eq!(probe.get("/readyz").await.0, 200);
    assert_eq!(stats(&server).handshakes_evicted, 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_makes_room_and_the_newcomer_is_served() {
    let server = server(|builder| builder.max_connections(1));
    let mut idle = connect_to(&server, PIPE);
    assert_eq!(idle.get("/readyz").await.0, 200);
    let mut next = connect_to(&server, PIPE);
    assert_eq!(next.get("/readyz").await.0, 200);
    assert_eq!(idle.rest().await, "");
    assert_eq!(stats(&server).connections_evicted, 1);
}

/// A stream that is always ready, such as one that is not tokio's: nothing but the connection itself lets others run.
#[tokio::test]
async fn a_flood_of_requests_lets_other_tasks_run() {
    struct Flood(Arc<AtomicU64>, usize);

    impl AsyncRead for Flood {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            let request = get("/readyz");
            let n = buf.remaining();
            let text = request.bytes().cycle().skip(self.1 % request.len());
            buf.put_slice(&text.take(n).collect::<Vec<_>>());
            self.1 += n;
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Flood {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<std::io::Result<usize>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    let answered = Arc::new(AtomicU64::new(0));
    let server = server(|builder| builder).with_listen_options(ListenOptions::new().http1());
    let flood = tokio::spawn(server.serve_connection(Flood(Arc::clone(&answered), 0)));
    let mut before = 0;
    for _ in 0..100 {
        tokio::task::yield_now().await;
        let now = answered.load(Ordering::Relaxed);
        assert!(now - before <= 16, "{} answers in one turn", now - before);
        before = now;
    }
    assert!(before > 1_000, "{before}");
    flood.abort();
}

/// Panics for every probe.
struct Rash;

impl Service for Rash {
    type Stream = grpc_health::health::WatchStream;
    type Future = Ready<Reply>;

    fn method(&self, _: &str) -> Result<Method, Unimplemented> {
        Err(Unimplemented::Service)
    }

    fn admit(&self, _: &mut Head<'_>) -> Result<Admission, Rejection> {
        Ok(Admission::Granted)
    }

    fn call(&self, _: Head<'_>, _: Message) -> Answer<Self::Stream, Self::Future> {
        unreachable!("no method")
    }

    fn probe(&self, _: Probe<'_>) -> Option<ProbeAnswer> {
        panic!("a probe")
    }

    fn lifecycle(&self, _: Lifecycle) {}

    fn background(&self) -> Option<Background> {
        None
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_one_probes_own() {
    let server = Server::builder().service(Rash).build();
    let mut plain = connect_to(&server, PIPE);
    for _ in 0..2 {
        assert_eq!(plain.get("/readyz").await.0, 500);
    }
    assert_eq!(stats(&server).panics, 2);
}

#[tokio::test(start_paused = true)]
async fn routers_pass_probes_on_unless_interceptors_decide() {
    let health = || {
        let registry = Registry::new();
        registry.set_service_status("", Serving).unwrap();
        HealthService::new(registry)
    };
    let nested = Router::empty().service(health());
    let mut plain = connect_to(&Server::builder().service(nested).build(), PIPE);
    assert_eq!(plain.get("/readyz").await.0, 200);
    let inner = Router::new(Router::new(health())).intercept(|_| Ok(()));
    let mut plain = connect_to(&Server::builder().service(inner).build(), PIPE);
    assert_eq!(plain.get("/readyz").await.0, 200);
    let guarded = Router::new(health()).intercept_inner();
    let mut plain = connect_to(&Server::builder().service(guarded).build(), PIPE);
    assert_eq!(plain.get("/readyz").await.0, 404);
    let nested = Router::empty().service(health()).intercept(|_| Ok(()));
    let mut plain = connect_to(&Server::builder().service(nested).build(), PIPE);
    assert_eq!(plain.get("/readyz").await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn json_that_a_client_gives_no_weight_is_not_sent() {
    let fixture = Fixture::new();
    let mut plain = fixture.plain();
    for accept in [
        "application/json;q=0, text/plain",
        "application/json;q=0.0, */*",
        "text/plain;q=0.5, application/json;q=0",
    ] {
        plain
            .send(format!(
                "GET /readyz HTTP/1.1\r\nhost: a\r\naccept: {accept}\r\n\r\n"
            ))
            .await;
        let (_, _, body) = plain.answer().await;
        assert_eq!(body, "SERVING\n", "{accept}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_scheme_has_any_letter_case() {
    let fixture = Fixture::new();
    let mut plain = fixture.plain();
    for target in ["http://h/readyz", "HTTP://h/readyz", "Https://h/readyz"] {
        assert_eq!(plain.get(target).await.0, 200, "{target}");
    }
}
