//! tonic-health's generated client, which most Rust programs probe with, against our server.

use std::net::SocketAddr;
use std::time::Duration;

use grpc_health::ServingStatus::{NotServing, Serving, Unknown};
use grpc_health::{HealthService, Registry, Server};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_health::pb::health_check_response::ServingStatus as Wire;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

struct Fixture {
    registry: Registry,
    server: Server<HealthService>,
    addr: SocketAddr,
    served: JoinHandle<std::io::Result<()>>,
}

/// `""` and `up` are SERVING, `down` is NOT_SERVING.
async fn start() -> Fixture {
    let registry = Registry::new();
    registry.set_service_status("up", Serving).expect("room");
    registry
        .set_service_status("down", NotServing)
        .expect("room");
    let service = HealthService::new(registry.clone());
    let server = Server::builder()
        .service(service)
        .bind("127.0.0.1:0")
        .await
        .expect("a port");
    let addr = server.local_addr().expect("an address");
    let served = tokio::spawn(server.serve());
    Fixture {
        registry,
        server,
        addr,
        served,
    }
}

impl Fixture {
    async fn connect(&self) -> HealthClient<Channel> {
        connect(self.addr).await
    }
}

async fn connect(addr: SocketAddr) -> HealthClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{addr}")).expect("a URI");
    HealthClient::new(endpoint.connect().await.expect("a connection"))
}

fn request(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

async fn check(client: &mut HealthClient<Channel>, service: &str) -> Result<Wire, Status> {
    client
        .check(request(service))
        .await
        .map(|response| response.into_inner().status())
}

async fn watch(
    client: &mut HealthClient<Channel>,
    service: &str,
) -> Streaming<HealthCheckResponse> {
    client
        .watch(request(service))
        .await
        .expect("a stream")
        .into_inner()
}

/// The next status; a server that says nothing for a minute is taken for dead.
async fn next(stream: &mut Streaming<HealthCheckResponse>) -> Option<Result<Wire, Status>> {
    let next = tokio::time::timeout(Duration::from_secs(60), stream.next()).await;
    next.expect("a message in time")
        .map(|message| message.map(|message| message.status()))
}

#[track_caller]
fn assert_status(got: Option<Result<Wire, Status>>, expected: Wire) {
    match got {
        Some(Ok(status)) => assert_eq!(status, expected),
        other => panic!("expected {expected:?}, got {other:?}"),
    }
}

#[tokio::test]
async fn check_known_and_unknown() {
    let fixture = start().await;
    let mut client = fixture.connect().await;
    assert_eq!(check(&mut client, "").await.expect("OK"), Wire::Serving);
    assert_eq!(check(&mut client, "up").await.expect("OK"), Wire::Serving);
    assert_eq!(
        check(&mut client, "down").await.expect("OK"),
        Wire::NotServing
    );
    let unknown = check(&mut client, "nope")
        .await
        .expect_err("an unknown service");
    assert_eq!(unknown.code(), Code::NotFound);
    let long = check(&mut client, &"n".repeat(201))
        .await
        .expect_err("a long name");
    assert_eq!(long.code(), Code::ResourceExhausted);
    let large = check(&mut client, &"n".repeat(5000))
        .await
        .expect_err("a large request");
    assert_eq!(large.code(), Code::ResourceExhausted);
    fixture.registry.clear("up");
    let cleared = check(&mut client, "up")
        .await
        .expect_err("a cleared service");
    assert_eq!(cleared.code(), Code::NotFound);
}

#[tokio::test]
async fn watch_follows_changes() {
    let fixture = start().await;
    let mut client = fixture.connect().await;
    let mut stream = watch(&mut client, "up").await;
    assert_status(next(&mut stream).await, Wire::Serving);
    let handle = fixture.registry.register("up", Serving).expect("room");
    for _ in 0..100 {
        handle.set_not_serving();
        assert_status(next(&mut stream).await, Wire::NotServing);
        handle.set_serving();
        assert_status(next(&mut stream).await, Wire::Serving);
        assert_eq!(check(&mut client, "up").await.expect("OK"), Wire::Serving);
    }
}

#[tokio::test]
async fn watch_of_an_unknown_service_that_comes_and_goes() {
    let fixture = start().await;
    let mut client = fixture.connect().await;
    let mut stream = watch(&mut client, "later").await;
    assert_status(next(&mut stream).await, Wire::ServiceUnknown);
    fixture
        .registry
        .set_service_status("later", NotServing)
        .expect("room");
    assert_status(next(&mut stream).await, Wire::NotServing);
    fixture.registry.clear("later");
    assert_status(next(&mut stream).await, Wire::ServiceUnknown);
    fixture
        .registry
        .set_service_status("later", Serving)
        .expect("room");
    assert_status(next(&mut stream).await, Wire::Serving);
}

#[tokio::test]
async fn a_shutdown_tells_watchers_and_ends_them() {
    let fixture = start().await;
    let mut client = fixture.connect().await;
    let (mut up, mut nope) = (
        watch(&mut client, "up").await,
        watch(&mut client, "nope").await,
    );
    assert_status(next(&mut up).await, Wire::Serving);
    assert_status(next(&mut nope).await, Wire::ServiceUnknown);
    fixture.server.shutdown().await;
    assert_status(next(&mut up).await, Wire::NotServing);
    for stream in [&mut up, &mut nope] {
        let end = next(stream).await.expect("an end with a status");
        assert_eq!(end.expect_err("an error").code(), Code::Unavailable);
    }
    fixture.served.await.expect("no panic").expect("no error");
    assert_eq!(fixture.server.stats().connections_open, 0);
}

#[tokio::test]
async fn a_deadline_ends_a_watch() {
    let fixture = start().await;
    let mut client = fixture.connect().await;
    // Not `set_timeout`: tonic's own timer would end the call as well.
    let mut timed = Request::new(request("up"));
    timed
        .metadata_mut()
        .insert("grpc-timeout", "50m".parse().expect("a value"));
    let mut stream = client.watch(timed).await.expect("a stream").into_inner();
    assert_status(next(&mut stream).await, Wire::Serving);
    let end = next(&mut stream).await.expect("an end with a status");
    assert_eq!(end.expect_err("an error").code(), Code::DeadlineExceeded);
    assert_eq!(check(&mut client, "up").await.expect("OK"), Wire::Serving);
}

/// 100 calls at a time on one connection, and statuses that change from other threads meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_once() {
    let fixture = start().await;
    let client = fixture.connect().await;
    let registry = fixture.registry.clone();
    let flips = tokio::task::spawn_blocking(move || {
        for _ in 0..10_000 {
            registry
                .set_service_status("flipped", NotServing)
                .expect("room");
            registry
                .set_service_status("flipped", Serving)
                .expect("room");
        }
    });
    let calls = (0..100).map(|i| {
        let mut client = client.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                let (service, expected) =
                    [("up", Wire::Serving), ("down", Wire::NotServing)][i % 2];
                assert_eq!(check(&mut client, service).await.expect("OK"), expected);
                let unknown = check(&mut client, "nope")
                    .await
                    .expect_err("an unknown service");
                assert_eq!(unknown.code(), Code::NotFound);
            }
        })
    });
    let calls: Vec<_> = calls.collect();
    let mut client = client.clone();
    let mut stream = watch(&mut client, "flipped").await;
    for call in calls {
        call.await.expect("no panic");
    }
    flips.await.expect("no panic");
    // The last status comes, however many were skipped; none comes twice.
    fixture
        .registry
        .set_service_status("flipped", Unknown)
        .expect("room");
    let mut last = None;
    while last != Some(Wire::Unknown) {
        let status = next(&mut stream).await.expect("a message").expect("OK");
        assert_ne!(last, Some(status));
        last = Some(status);
    }
    assert_eq!(fixture.server.stats().calls, 2001);
}

/// As the kubelet does it: a connection for each probe, and several at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections() {
    let fixture = start().await;
    let probes = (0..100).map(|_| {
        let addr = fixture.addr;
        tokio::spawn(async move {
            let mut client = connect(addr).await;
            assert_eq!(check(&mut client, "").await.expect("OK"), Wire::Serving);
        })
    });
    for probe in probes.collect::<Vec<_>>() {
        probe.await.expect("no panic");
    }
    assert_eq!(fixture.server.stats().connections, 100);
    fixture.server.shutdown().await;
    assert_eq!(fixture.server.stats().connections_open, 0);
}
