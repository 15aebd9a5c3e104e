//! The monitor against real servers over real sockets: the crate's own, and tonic-health.

use std::net::SocketAddr;
use std::time::Duration;

use grpc_health::client::monitor::{Changes, State};
use grpc_health::client::{Monitor, ReportedStatus};
use grpc_health::{HealthService, Registry, Server, ServingStatus};

/// A monitor that reconnects soon.
fn monitor() -> Monitor {
    let times = (Duration::from_millis(100), Duration::from_secs(1));
    Monitor::builder().backoff(times.0, times.1).start()
}

async fn serve(registry: &Registry, address: &str) -> Server<HealthService> {
    let service = HealthService::new(registry.clone());
    let server = Server::builder().service(service).build();
    server.bind(address).await.unwrap();
    tokio::spawn(server.serve());
    server
}

async fn next(changes: &mut Changes) -> State {
    changes.next().await.unwrap().state
}

/// Reads changes up to this status.
async fn until(changes: &mut Changes, status: ReportedStatus) {
    while next(changes).await != State::Reported(status) {}
}

/// Reads changes until the endpoint is unreachable.
async fn until_unreachable(changes: &mut Changes) {
    while !matches!(next(changes).await, State::Unreachable(_)) {}
}

#[tokio::test]
async fn a_server_that_drains_and_another_that_takes_its_place() {
    let registry = Registry::new();
    let server = serve(&registry, "127.0.0.1:0").await;
    let address = server.local_addr().unwrap();
    let monitor = monitor();
    monitor.add(address, "a").unwrap();
    let mut changes = monitor.changes();
    assert_eq!(next(&mut changes).await, State::Connecting);
    assert_eq!(
        next(&mut changes).await,
        State::Reported(ReportedStatus::SERVICE_UNKNOWN)
    );
    let handle = registry.register("a", ServingStatus::Serving).unwrap();
    assert_eq!(
        next(&mut changes).await,
        State::Reported(ReportedStatus::SERVING)
    );
    handle.set_not_serving();
    assert_eq!(
        next(&mut changes).await,
        State::Reported(ReportedStatus::NOT_SERVING)
    );
    handle.set_serving();
    assert_eq!(
        next(&mut changes).await,
        State::Reported(ReportedStatus::SERVING)
    );

    server.shutdown().await;
    until_unreachable(&mut changes).await;
    let registry = Registry::new();
    registry.register("a", ServingStatus::Serving).unwrap();
    let _server = serve(&registry, &address.to_string()).await;
    until(&mut changes, ReportedStatus::SERVING).await;
}

/// A server replaces connections at their greatest age.
#[tokio::test]
async fn connections_that_come_of_age() {
    let registry = Registry::new();
    let handle = registry.register("a", ServingStatus::Serving).unwrap();
    let server = Server::builder()
        .max_connection_age(Some(Duration::from_millis(300)))
        .service(HealthService::new(registry.clone()))
        .build();
    server.bind("127.0.0.1:0").await.unwrap();
    tokio::spawn(server.serve());
    let monitor = monitor();
    monitor.add(server.local_addr().unwrap(), "a").unwrap();
    let mut changes = monitor.changes();
    until(&mut changes, ReportedStatus::SERVING).await;
    while server.stats().connections < 4 {
        tokio::task::yield_now().await;
    }
    handle.set_not_serving();
    until(&mut changes, ReportedStatus::NOT_SERVING).await;
}

#[tokio::test]
async fn services_share_one_connection() {
    let registry = Registry::new();
    let server = serve(&registry, "127.0.0.1:0").await;
    let monitor = monitor();
    for i in 0..50 {
        let name = format!("s{i}");
        registry
            .set_service_status(&name, ServingStatus::Serving)
            .unwrap();
        monitor.add(server.local_addr().unwrap(), &name).unwrap();
    }
    let mut changes = monitor.changes();
    while monitor
        .snapshot()
        .iter()
        .any(|pair| !pair.state.is_serving())
    {
        changes.next().await.unwrap();
    }
    assert_eq!(server.stats().connections, 1);
    drop(monitor);
    while changes.next().await.is_some() {}
    server.shutdown().await;
}

/// The name is resolved by the system.
#[tokio::test]
async fn a_host_name() {
    let server = serve(&Registry::new(), "127.0.0.1:0").await;
    let port = server.local_addr().unwrap().port();
    let monitor = monitor();
    let id = monitor.add(format!("dns:///localhost:{port}"), "").unwrap();
    let mut changes = monitor.changes();
    until(&mut changes, ReportedStatus::SERVING).await;
    let target = monitor.get(id).unwrap().target.to_string();
    assert_eq!(target, format!("localhost:{port}"));
    let nowhere = monitor.add("name.invalid:1", "").unwrap();
    until_unreachable(&mut changes).await;
    assert!(matches!(
        monitor.get(nowhere).unwrap().state,
        State::Unreachable(_)
    ));
}

/// tonic-health ends a Watch for an unknown name with NOT_FOUND.
#[tokio::test]
async fn tonic_health() {
    let (reporter, service) = tonic_health::server::health_reporter();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(incoming));
    let monitor = monitor();
    monitor.add(address, "a").unwrap();
    let mut changes = monitor.changes();
    until(&mut changes, ReportedStatus::SERVICE_UNKNOWN).await;
    for (status, reported) in [
        (
            tonic_health::ServingStatus::Serving,
            ReportedStatus::SERVING,
        ),
        (
            tonic_health::ServingStatus::NotServing,
            ReportedStatus::NOT_SERVING,
        ),
    ] {
        reporter.set_service_status("a", status).await;
        until(&mut changes, reported).await;
    }
}
