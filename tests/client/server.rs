//! Against the crate's own server.

use grpc_health::{
    Code, HealthService, Registry, Server, ServingStatus,
    client::{Client, ReportedStatus},
};
use tokio::{io::duplex, sync::oneshot};

fn server(registry: &Registry) -> Server<HealthService> {
    Server::builder()
        .service(HealthService::new(registry.clone()))
        .build()
}

/// A client over an in-memory pipe.
async fn client(server: &Server<HealthService>) -> Client {
    let (ours, theirs) = duplex(64 * 1024);
    tokio::spawn(server.serve_connection(theirs));
    Client::handshake(ours).await.unwrap()
}

#[tokio::test]
async fn check() {
    let registry = Registry::new();
    let client = client(&server(&registry)).await;
    assert_eq!(client.check("").await.unwrap(), ReportedStatus::SERVING);
    assert_eq!(client.check("a").await.unwrap_err().code(), Code::NOT_FOUND);
    for (status, reported) in [
        (ServingStatus::Unknown, ReportedStatus::UNKNOWN),
        (ServingStatus::Serving, ReportedStatus::SERVING),
        (ServingStatus::NotServing, ReportedStatus::NOT_SERVING),
    ] {
        registry.set_service_status("a", status).unwrap();
        assert_eq!(client.check("a").await.unwrap(), reported);
    }
    registry.clear("a");
    assert_eq!(client.check("a").await.unwrap_err().code(), Code::NOT_FOUND);
}

#[tokio::test]
async fn list() {
    let registry = Registry::new();
    let client = client(&server(&registry)).await;
    registry
        .set_service_status("b", ServingStatus::NotServing)
        .unwrap();
    registry
        .set_service_status("a", ServingStatus::Unknown)
        .unwrap();
    let expected = [
        ("", ReportedStatus::SERVING),
        ("a", ReportedStatus::UNKNOWN),
        ("b", ReportedStatus::NOT_SERVING),
    ];
    let expected = expected.map(|(name, status)| (name.to_owned(), status));
    assert_eq!(client.list().await.unwrap(), expected.into());
    for i in 0..98 {
        registry
            .set_service_status(&format!("c{i}"), ServingStatus::Serving)
            .unwrap();
    }
    assert_eq!(
        client.list().await.unwrap_err().code(),
        Code::RESOURCE_EXHAUSTED
    );
}

#[tokio::test]
async fn watch() {
    let registry = Registry::new();
    let client = client(&server(&registry)).await;
    let mut watch = client.watch("a").await.unwrap();
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::SERVICE_UNKNOWN
    );
    let handle = registry.register("a", ServingStatus::Serving).unwrap();
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::SERVING
    );
    handle.set_not_serving();
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::NOT_SERVING
    );
    registry.clear("a");
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::SERVICE_UNKNOWN
    );
}

#[tokio::test]
async fn many_calls_at_a_time() {
    let registry = Registry::new();
    let client = client(&server(&registry)).await;
    // More than the streams the server admits: the rest wait their turn.
    let calls: Vec<_> = (0..500)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.check("").await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), ReportedStatus::SERVING);
    }
}

#[tokio::test]
async fn a_drain_over_tcp() {
    let registry = Registry::new();
    let server = server(&registry);
    server.bind("127.0.0.1:0").await.unwrap();
    let addr = server.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn({
        let server = server.clone();
        async move {
            server
                .serve_with_shutdown(async { drop(stopped.await) })
                .await
        }
    });

    let client = Client::connect(addr).await.unwrap();
    let mut watch = client.watch("").await.unwrap();
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::SERVING
    );
    stop.send(()).unwrap();
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::NOT_SERVING
    );
    assert_eq!(
        watch.next().await.unwrap().unwrap_err().code(),
        Code::UNAVAILABLE
    );
    assert!(watch.next().await.is_none());
    serving.await.unwrap().unwrap();
    let error = client.check("").await.unwrap_err();
    assert_eq!(error.code(), Code::UNAVAILABLE, "{error}");
}
