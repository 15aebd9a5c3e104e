//! tonic-health's client against real servers: what is mounted, and what stands beside it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use grpc_health::ServingStatus::{NotServing, Serving};
use grpc_health::tower::Mount;
use grpc_health::{HealthService, Registry, Router, router};
use http::uri::PathAndQuery;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_health::pb::health_check_response::ServingStatus as Wire;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::echo::Raw;
use crate::hosts::Host;

struct Fixture {
    registry: Registry,
    mount: Mount<HealthService>,
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

/// `""` and `up` are SERVING.
async fn start(host: Host) -> Fixture {
    let registry = Registry::new();
    registry.set_service_status("up", Serving).expect("room");
    let mount = Mount::new(HealthService::new(registry.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel();
    let stopped = async { drop(stopped.await) };
    let served = tokio::spawn(host.serve(mount.clone(), listener, stopped));
    Fixture {
        registry,
        mount,
        addr,
        stop,
        served,
    }
}

impl Fixture {
    async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.addr)).expect("a URI");
        endpoint.connect().await.expect("a connection")
    }
}

fn request(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

async fn check(client: &mut HealthClient<Channel>, service: &str) -> Result<Wire, Status> {
    let response = client.check(request(service)).await;
    response.map(|response| response.into_inner().status())
}

/// The next status; a server that says nothing for a minute is taken for dead.
async fn next(stream: &mut Streaming<HealthCheckResponse>) -> Result<Wire, Status> {
    let next = tokio::time::timeout(Duration::from_secs(60), stream.message()).await;
    let message = next.expect("a message in time")?;
    Ok(message.expect("no end without a status").status())
}

#[tokio::test]
async fn check_and_watch() {
    for host in Host::ALL {
        let fixture = start(host).await;
        let mut client = HealthClient::new(fixture.channel().await);
        assert_eq!(check(&mut client, "").await.unwrap(), Wire::Serving);
        let unknown = check(&mut client, "later").await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound);
        let long = check(&mut client, &"n".repeat(5000)).await.unwrap_err();
        assert_eq!(long.code(), Code::ResourceExhausted);

        let mut up = client.watch(request("up")).await.unwrap().into_inner();
        let mut later = client.watch(request("later")).await.unwrap().into_inner();
        assert_eq!(next(&mut up).await.unwrap(), Wire::Serving);
        assert_eq!(next(&mut later).await.unwrap(), Wire::ServiceUnknown);
        let set = |name, status| fixture.registry.set_service_status(name, status).unwrap();
        for _ in 0..100 {
            set("up", NotServing);
            assert_eq!(next(&mut up).await.unwrap(), Wire::NotServing);
            set("up", Serving);
            assert_eq!(next(&mut up).await.unwrap(), Wire::Serving);
            assert_eq!(check(&mut client, "up").await.unwrap(), Wire::Serving);
        }
        set("later", NotServing);
        assert_eq!(next(&mut later).await.unwrap(), Wire::NotServing);
        fixture.registry.clear("later");
        assert_eq!(next(&mut later).await.unwrap(), Wire::ServiceUnknown);
    }
}

#[tokio::test]
async fn a_deadline_ends_a_watch() {
    for host in Host::ALL {
        let fixture = start(host).await;
        let mut client = HealthClient::new(fixture.channel().await);
        // Not `set_timeout`: tonic's own timer would end the call as well.
        let mut timed = Request::new(request("up"));
        let timeout = "50m".parse().expect("a value");
        timed.metadata_mut().insert("grpc-timeout", timeout);
        let mut watch = client.watch(timed).await.unwrap().into_inner();
        assert_eq!(next(&mut watch).await.unwrap(), Wire::Serving);
        let end = next(&mut watch).await.unwrap_err();
        assert_eq!(end.code(), Code::DeadlineExceeded, "{host:?}");
        assert_eq!(check(&mut client, "up").await.unwrap(), Wire::Serving);
    }
}

/// An open Watch keeps no host from going.
#[tokio::test]
async fn a_host_that_shuts_down() {
    for host in Host::ALL {
        let fixture = start(host).await;
        let mut client = HealthClient::new(fixture.channel().await);
        let mut up = client.watch(request("up")).await.unwrap().into_inner();
        assert_eq!(next(&mut up).await.unwrap(), Wire::Serving);
        fixture.mount.close();
        fixture.stop.send(()).unwrap();
        assert_eq!(next(&mut up).await.unwrap(), Wire::NotServing);
        let end = next(&mut up).await.unwrap_err();
        assert_eq!(end.code(), Code::Unavailable, "{host:?}");
        let served = tokio::time::timeout(Duration::from_secs(60), fixture.served).await;
        served.expect("an end in time").expect("no panic");
    }
}

#[tokio::test]
async fn a_service_of_tonics_own_on_the_same_connection() {
    let fixture = start(Host::Tonic).await;
    let channel = fixture.channel().await;
    let mut echo = tonic::client::Grpc::new(channel.clone());
    let mut health = HealthClient::new(channel);
    let mut watch = health.watch(request("up")).await.unwrap().into_inner();
    assert_eq!(next(&mut watch).await.unwrap(), Wire::Serving);
    for _ in 0..10 {
        echo.ready().await.unwrap();
        let path = PathAndQuery::from_static("/test.Echo/Echo");
        let asked = Request::new(Bytes::from_static(b"hello"));
        let answered = echo.unary(asked, path, Raw).await.unwrap();
        assert_eq!(answered.into_inner(), "hello");
        assert_eq!(check(&mut health, "up").await.unwrap(), Wire::Serving);
    }
}

#[tokio::test]
async fn a_page_on_the_same_port() {
    let fixture = start(Host::Axum).await;
    let mut health = HealthClient::new(fixture.channel().await);
    for _ in 0..3 {
        let mut http = TcpStream::connect(fixture.addr).await.unwrap();
        let get = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        http.write_all(get).await.unwrap();
        let mut page = String::new();
        http.read_to_string(&mut page).await.unwrap();
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        assert!(page.ends_with("\r\n\r\na page"), "{page}");
        assert_eq!(check(&mut health, "up").await.unwrap(), Wire::Serving);
    }
}

/// Methods of the application's and the health service in one mount; a stream goes both ways at once.
#[tokio::test]
async fn a_router() {
    for host in Host::ALL {
        let router = Router::new(HealthService::new(Registry::new())).bidi(
            "/grpc.testing.TestService/Echo",
            async |request: router::Request<router::Streaming<router::Raw>>| {
                Ok(router::Response::new(request.into_inner()))
            },
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let mount = Mount::new(router);
        tokio::spawn(host.serve(mount, listener, std::future::pending()));
        let endpoint = Endpoint::from_shared(format!("http://{addr}")).expect("a URI");
        let channel = endpoint.connect().await.expect("a connection");

        let mut health = HealthClient::new(channel.clone());
        assert_eq!(check(&mut health, "").await.unwrap(), Wire::Serving);
        let mut echo = tonic::client::Grpc::new(channel);
        echo.ready().await.unwrap();
        let path = PathAndQuery::from_static("/grpc.testing.TestService/Echo");
        let (sender, requests) = tokio::sync::mpsc::channel(1);
        let requests = Request::new(ReceiverStream::new(requests));
        sender.send(Bytes::from_static(b"first")).await.unwrap();
        let mut replies = echo
            .streaming(requests, path, Raw)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(replies.message().await.unwrap().unwrap(), "first");
        for i in 0..100_u8 {
            let large = Bytes::from(vec![i; 50_000]);
            sender.send(large.clone()).await.unwrap();
            assert_eq!(replies.message().await.unwrap().unwrap(), large);
        }
        drop(sender);
        assert_eq!(replies.message().await.unwrap(), None, "{host:?}");
    }
}
