//! Reasons in the trailers of `Check`.

use std::time::SystemTime;

use grpc_health::client::{Client, ReportedStatus};
use grpc_health::registry::Group;
use grpc_health::{Code, HealthService, Registry, Server, ServingStatus};

async fn client(service: HealthService) -> Client {
    let server = Server::builder().service(service);
    let server = server.bind("127.0.0.1:0").await.unwrap();
    let addr = server.local_addr().unwrap();
    tokio::spawn(server.serve());
    Client::connect(addr).await.unwrap()
}

#[tokio::test]
async fn a_server_that_is_told_to_says_why_and_since_when() {
    let registry = Registry::new();
    let client = client(HealthService::new(registry.clone()).reasons(true)).await;
    let details = client.check_details("").await.unwrap();
    assert_eq!(details.status, ReportedStatus::SERVING);
    assert_eq!((details.reason, details.since), (None, None));

    let before = SystemTime::now();
    registry.record_history(0);
    let db = registry.register("db", ServingStatus::Serving).unwrap();
    registry.group("", Group::all_of(["db"])).unwrap();
    db.set_with_reason(ServingStatus::NotServing, "pool exhausted:\n100 % of 8");
    let details = client.check_details("db").await.unwrap();
    assert_eq!(details.status, ReportedStatus::NOT_SERVING);
    assert_eq!(
        details.reason.as_deref(),
        Some("pool exhausted:\n100 % of 8")
    );
    let since = details.since.unwrap();
    let margin = std::time::Duration::from_millis(1);
    assert!(before - margin <= since && since <= SystemTime::now());
    let details = client.check_details("").await.unwrap();
    assert_eq!(
        details.reason.as_deref(),
        Some("db: pool exhausted:\n100 % of 8")
    );

    // The longest reason, of characters that are all encoded.
    let long = "\u{1}".repeat(1_000);
    db.set_with_reason(ServingStatus::NotServing, long.clone());
    let details = client.check_details("db").await.unwrap();
    assert_eq!(details.reason.as_deref(), Some(&long[..256]));

    let unknown = client.check_details("absent").await.unwrap_err();
    assert_eq!(unknown.code(), Code::NOT_FOUND);
    assert_eq!(unknown, client.check("absent").await.unwrap_err());
}

/// Reasons may leak what an operator wrote.
#[tokio::test]
async fn a_server_that_is_not_told_to_says_nothing() {
    let registry = Registry::new();
    registry.record_history(1);
    let db = registry.register("db", ServingStatus::Serving).unwrap();
    db.set_with_reason(ServingStatus::NotServing, "secret");
    let client = client(HealthService::new(registry)).await;
    let details = client.check_details("db").await.unwrap();
    assert_eq!(details.status, ReportedStatus::NOT_SERVING);
    assert_eq!((details.reason, details.since), (None, None));
}
