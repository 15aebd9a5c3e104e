//! Feature `metrics`.

use std::time::Duration;

use grpc_health::{HealthService, Registry, Server, ServingStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::task::{JoinHandle, yield_now};

use crate::answered;
use crate::page::Page;
use crate::support::grpc::{CHECK, Request, WATCH, health_request};
use crate::support::peer::{PIPE, Peer};

const DURATIONS: &str = "rpc_server_call_duration_count";
const METHOD: &str = r#"rpc_method="grpc.health.v1.Health/Check""#;

async fn connect(server: &Server<HealthService>) -> (Peer, JoinHandle<()>) {
    let (ours, theirs) = duplex(PIPE);
    let serving = tokio::spawn(server.serve_connection(theirs));
    (Peer::handshake(ours, &[]).await, serving)
}

fn serving() -> (Registry, Server<HealthService>) {
    let registry = Registry::new();
    registry
        .set_service_status("", ServingStatus::Serving)
        .unwrap();
    let service = HealthService::new(registry.clone());
    (registry, Server::builder().service(service).build())
}

/// Lets the server's background work run.
async fn settle() {
    for _ in 0..10 {
        yield_now().await;
    }
}

/// Lets the server's background work look at statuses again.
async fn a_second() {
    tokio::time::sleep(Duration::from_secs(1)).await;
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn checks_are_counted_by_result_and_prober() {
    let page = Page::begin();
    let (registry, server) = serving();
    registry
        .set_service_status("down", ServingStatus::NotServing)
        .unwrap();
    let (mut peer, _task) = connect(&server).await;
    for (agent, service) in [
        ("kube-probe/1.31", ""),
        ("kube-probe/1.31", ""),
        ("kube-probe/1.31", "down"),
        ("ELB-HealthChecker/2.0", ""),
        ("GoogleHC/1.0", ""),
        ("Envoy/HC", ""),
        ("grpc_health_probe grpc-go/1.60.0", "missing"),
        ("mine/1", ""),
    ] {
        let request = Request::new(CHECK).with("user-agent", agent);
        let stream = peer.call(&request, &health_request(service)).await;
        answered(&mut peer, stream).await;
    }
    let count = |prober: &str, result: &str| {
        let (prober, result) = (
            format!("prober=\"{prober}\""),
            format!("result=\"{result}\""),
        );
        page.value("grpc_health_checks", &[&prober, &result])
    };
    assert_eq!(count("kube-probe", "SERVING"), 2.0);
    assert_eq!(count("kube-probe", "NOT_SERVING"), 1.0);
    assert_eq!(count("elb", "SERVING"), 1.0);
    assert_eq!(count("google", "SERVING"), 1.0);
    assert_eq!(count("envoy", "SERVING"), 1.0);
    assert_eq!(count("grpc_health_probe", "SERVICE_UNKNOWN"), 1.0);
    assert_eq!(count("other", "SERVING"), 1.0);
    let code = |code: &str| {
        let code = format!("rpc_response_status_code=\"{code}\"");
        page.value(DURATIONS, &[METHOD, &code, "rpc_system_name=\"grpc\""])
    };
    assert_eq!((code("OK"), code("NOT_FOUND")), (7.0, 1.0));
}

#[tokio::test(start_paused = true)]
async fn open_watches_and_connections_rise_and_fall() {
    let page = Page::begin();
    let (registry, server) = serving();
    let (mut peer, task) = connect(&server).await;
    peer.watch("").await;
    peer.watch("missing").await;
    let watched =
        |result: &str| page.value("grpc_health_checks", &["prober=\"grpc_watch\"", result]);
    assert_eq!(page.value("grpc_health_watches", &[]), 2.0);
    assert_eq!(watched("\"SERVING\""), 1.0);
    assert_eq!(watched("\"SERVICE_UNKNOWN\""), 1.0);
    assert_eq!(page.value("grpc_health_connections", &[]), 1.0);
    assert_eq!(page.value("grpc_health_connections_opened", &[]), 1.0);
    drop(peer);
    task.await.unwrap();
    assert_eq!(page.value("grpc_health_watches", &[]), 0.0);
    assert_eq!(page.value("grpc_health_connections", &[]), 0.0);
    let closed = |reason: &str| {
        let reason = format!("reason=\"{reason}\"");
        page.value("grpc_health_connections_closed", &[&reason])
    };
    assert_eq!((closed("client_in_call"), closed("client")), (1.0, 0.0));
    let code = "rpc_response_status_code=\"CANCELLED\"";
    let method = "rpc_method=\"grpc.health.v1.Health/Watch\"";
    assert_eq!(page.value(DURATIONS, &[method, code]), 2.0);
    drop(registry);
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_task_is_dropped_is_not_open_for_ever() {
    let page = Page::begin();
    let (_registry, server) = serving();
    let (mut peer, task) = connect(&server).await;
    peer.watch("").await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(page.value("grpc_health_connections", &[]), 0.0);
    assert_eq!(page.value("grpc_health_watches", &[]), 0.0);
    let dropped = &["reason=\"dropped\""];
    assert_eq!(page.value("grpc_health_connections_closed", dropped), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_service_has_the_status_that_it_is_shown_with() {
    let page = Page::begin();
    let (registry, server) = serving();
    let (mut peer, _task) = connect(&server).await;
    peer.check("").await;
    let status = |service: &str, status: &str| {
        let labels = [
            format!("service=\"{service}\""),
            format!("status=\"{status}\""),
        ];
        page.value("grpc_health_status", &[&labels[0], &labels[1]])
    };
    settle().await;
    assert_eq!(status("", "SERVING"), 1.0);
    registry
        .set_service_status("", ServingStatus::NotServing)
        .unwrap();
    settle().await;
    assert_eq!(status("", "SERVING"), 1.0, "a set tells nobody");
    a_second().await;
    assert_eq!(
        (status("", "SERVING"), status("", "NOT_SERVING")),
        (0.0, 1.0)
    );
}

#[tokio::test(start_paused = true)]
async fn two_servers_of_one_registry_tell_of_it_once_and_the_second_takes_over() {
    let page = Page::begin();
    let (registry, first) = serving();
    let service = HealthService::new(registry.clone());
    let second = Server::builder().service(service).build();
    let (peer, task) = connect(&first).await;
    let (_peer, _task) = connect(&second).await;
    settle().await;
    drop((peer, first));
    task.await.unwrap();
    settle().await;
    registry
        .set_service_status("", ServingStatus::NotServing)
        .unwrap();
    a_second().await;
    let down = &["status=\"NOT_SERVING\""];
    assert_eq!(page.value("grpc_health_status", down), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_client_adds_no_labels() {
    let page = Page::begin();
    let (_registry, server) = serving();
    let (mut peer, _task) = connect(&server).await;
    let lines = |page: &Page| {
        let names = [DURATIONS, "grpc_health_checks", "grpc_health_status"];
        names.map(|name| page.series(name, &[]).len())
    };
    let mut after_one = None;
    for n in 0..200 {
        let unknown = Request::new(&format!("/evil.Service{n}/Method{n}"));
        let unheard = Request::new(CHECK).with("user-agent", format!("agent-{n}"));
        for request in [unknown, unheard] {
            let stream = peer
                .call(&request, &health_request(&format!("service-{n}")))
                .await;
            answered(&mut peer, stream).await;
        }
        let now = lines(&page);
        assert_eq!(*after_one.get_or_insert(now), now);
    }
    let other = &["rpc_method=\"_OTHER\"", "\"UNIMPLEMENTED\""];
    assert_eq!(page.value(DURATIONS, other), 200.0);
    let missing = &["prober=\"other\"", "result=\"SERVICE_UNKNOWN\""];
    assert_eq!(page.value("grpc_health_checks", missing), 200.0);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_counted_by_reason() {
    let page = Page::begin();
    let registry = Registry::new();
    let service = HealthService::new(registry).max_watches(0);
    let server = Server::builder()
        .service(service)
        .max_connections(1)
        .build();
    let (mut ours, theirs) = duplex(PIPE);
    let task = tokio::spawn(server.serve_connection(theirs));
    let _ = ours.write_all(b"GET / HTTP/1.1\r\n\r\n").await;
    let _ = ours.read_to_end(&mut Vec::new()).await;
    drop(ours);
    task.await.unwrap();
    let (_ours, theirs) = duplex(PIPE);
    server.serve_connection(theirs).await;
    let refused = |reason: &str| {
        let reason = format!("reason=\"{reason}\"");
        page.value("grpc_health_connections_refused", &[&reason])
    };
    assert_eq!(refused("handshake"), 1.0);
    assert_eq!(refused("handshake_timeout"), 1.0);
    let (mut peer, _task) = connect(&server).await;
    let stream = peer.call(&Request::new(WATCH), &health_request("")).await;
    answered(&mut peer, stream).await;
    let watches = &["reason=\"max_watches\""];
    assert_eq!(page.value("grpc_health_calls_refused", watches), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_call_lasts_from_its_arrival_to_its_end() {
    let page = Page::begin();
    let (_registry, server) = serving();
    let (mut peer, _task) = connect(&server).await;
    let stream = peer.start_call(&Request::new(CHECK)).await;
    peer.ping().await;
    tokio::time::advance(Duration::from_secs(3)).await;
    peer.send_data(stream, true, &health_request("")).await;
    answered(&mut peer, stream).await;
    let seconds = page.value("rpc_server_call_duration_sum", &[METHOD]);
    assert!((3.0..3.1).contains(&seconds), "{seconds}");
}
