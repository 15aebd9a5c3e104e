//! Feature `tracing`.

use std::time::Duration;

use grpc_health::server::Builder;
use grpc_health::{HealthService, Registry, Server, ServingStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::task::{JoinHandle, yield_now};

use crate::events::Events;
use crate::support::grpc::{CHECK, RESOURCE_EXHAUSTED, Request, WATCH, health_request};
use crate::support::peer::{PIPE, Peer};

fn server(
    registry: &Registry,
    set: impl FnOnce(Builder<HealthService>) -> Builder<HealthService>,
) -> Server<HealthService> {
    let service = HealthService::new(registry.clone());
    set(Server::builder().service(service)).build()
}

async fn connect(server: &Server<HealthService>) -> (Peer, JoinHandle<()>) {
    let (ours, theirs) = duplex(PIPE);
    let serving = tokio::spawn(server.serve_connection(theirs));
    (Peer::handshake(ours, &[]).await, serving)
}

fn serving() -> Registry {
    let registry = Registry::new();
    registry
        .set_service_status("", ServingStatus::Serving)
        .unwrap();
    registry
}

#[tokio::test(start_paused = true)]
async fn a_healthy_probe_writes_no_event_above_trace_and_no_span() {
    let (events, _guard) = Events::begin();
    let server = server(&serving(), |builder| builder);
    let (mut peer, task) = connect(&server).await;
    events.take("grpc_health::status");
    for _ in 0..10 {
        peer.check("").await;
    }
    drop(peer);
    task.await.unwrap();
    let trace = events.take("TRACE");
    assert_eq!(trace.len(), 2, "{trace:?}");
    assert!(trace[0].contains("connection opened"), "{trace:?}");
    assert!(trace[1].contains("reason=client"), "{trace:?}");
    events.take("grpc_health::status");
    assert_eq!(events.take(""), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn statuses_are_told_with_their_reason_and_nothing_in_them_makes_a_line() {
    let (events, _guard) = Events::begin();
    let registry = serving();
    let server = server(&registry, |builder| builder);
    let (mut peer, _task) = connect(&server).await;
    peer.check("").await;
    settle().await;
    let first = events.take("grpc_health::status");
    assert_eq!(first.len(), 1, "{first:?}");
    assert!(first[0].contains("to=SERVING"), "{first:?}");

    let evil = "a\nINFO forged: all is well \u{1b}[2J\r\u{202e}\u{9b}31m\0";
    let handle = registry.register(evil, ServingStatus::Serving).unwrap();
    settle().await;
    handle.set_with_reason(ServingStatus::NotServing, evil.to_owned());
    settle().await;
    let told = events.take("grpc_health::status");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].contains("from=SERVING to=NOT_SERVING"), "{told:?}");
    assert!(told[1].contains(r"reason=a\nINFO forged"), "{told:?}");
    for line in &told {
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
        assert!(!line.contains('\u{202e}'), "{line:?}");
        assert!(line.contains(r"\u{1b}[2J\r\u{202e}\u{9b}31m\0"), "{line}");
    }
}

/// Lets the server's background work run.
async fn settle() {
    for _ in 0..10 {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_that_a_peer_sends_is_in_an_event() {
    let (events, _guard) = Events::begin();
    let server = server(&serving(), |builder| builder);
    let evil = "ev\u{1b}[31mil\n";
    for request in [
        Request::new("/no.such/evil"),
        Request::new(CHECK).with("user-agent", "evil\u{1b}[31m"),
        Request::new(CHECK).with("x-evil", "\u{1b}[31m evil"),
        Request::new(CHECK).with("grpc-encoding", "evil"),
    ] {
        let (mut peer, task) = connect(&server).await;
        peer.call(&request, &health_request(evil)).await;
        // An invalid field ends the connection.
        peer.recv_until_idle().await;
        drop(peer);
        task.await.unwrap();
    }
    events.take("grpc_health::status");
    let all = events.take("");
    assert!(!all.is_empty());
    for line in all {
        assert!(!line.contains("ev"), "{line:?}");
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_steps_of_a_shutdown_are_told() {
    let (events, _guard) = Events::begin();
    let server = server(&serving(), |builder| {
        builder.shutdown_linger(Duration::from_secs(1))
    });
    let (mut peer, task) = connect(&server).await;
    peer.check("").await;
    let handle = server.drain_handle();
    handle.begin();
    settle().await;
    assert!(handle.resume());
    let client = tokio::spawn(async move { peer.recv_to_end().await.len() });
    server.shutdown().await;
    client.await.unwrap();
    task.await.unwrap();
    let steps = events.take("grpc_health::drain");
    let steps: Vec<_> = steps
        .iter()
        .map(|line| line.split("step=").nth(1).unwrap())
        .collect();
    assert_eq!(
        steps,
        ["announced", "resumed", "announced", "closing", "done"]
    );
    let closed = events.take("connection closed");
    assert_eq!(closed.len(), 1, "{closed:?}");
    assert!(closed[0].contains("reason=shutdown"), "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told_by_limit_and_a_flood_of_them_writes_five_lines() {
    let (events, _guard) = Events::begin();
    let server = server(&serving(), |builder| builder.max_long_lived_streams(1));
    let (mut peer, _task) = connect(&server).await;
    peer.watch("").await;
    let mut refuse = async |n: usize| {
        for _ in 0..n {
            let stream = peer.call(&Request::new(WATCH), &health_request("")).await;
            peer.expect_trailers_only(stream, RESOURCE_EXHAUSTED).await;
        }
    };
    refuse(50).await;
    let told = events.take("call refused");
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(told[0].contains("WARN grpc_health::limits"), "{told:?}");
    assert!(
        told[0].contains("reason=max_long_lived_streams"),
        "{told:?}"
    );
    tokio::time::advance(Duration::from_secs(10)).await;
    refuse(1).await;
    let told = events.take("call refused");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("suppressed=45"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_no_http2_are_told_and_do_not_fill_the_log() {
    let (events, _guard) = Events::begin();
    let server = server(&serving(), |builder| builder);
    for _ in 0..20 {
        let (mut ours, theirs) = duplex(PIPE);
        let task = tokio::spawn(server.serve_connection(theirs));
        let request = b"GET /\x1b[31m HTTP/1.1\r\nHost: a\r\n\r\n";
        let _ = ours.write_all(request).await;
        let _ = ours.read_to_end(&mut Vec::new()).await;
        drop(ours);
        task.await.unwrap();
    }
    let told = events.take("connection refused");
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(told[0].contains("reason=handshake"), "{told:?}");
    assert!(!told[0].contains('\u{1b}'), "{told:?}");
}
