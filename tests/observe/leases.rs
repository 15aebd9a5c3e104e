//! The ages of leases, and what is told by one server after another.

use std::time::Duration;

use grpc_health::{HealthService, Registry, Server, ServingStatus};
use tokio::io::duplex;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::events::Events;
use crate::page::Page;
use crate::support::peer::{PIPE, Peer};

/// A server with one connection, which end together with the connection.
async fn serve(registry: &Registry) -> (Peer, JoinHandle<()>) {
    let service = HealthService::new(registry.clone());
    let server = Server::builder().service(service).build();
    let (ours, theirs) = duplex(PIPE);
    let task = tokio::spawn(server.serve_connection(theirs));
    (Peer::handshake(ours, &[]).await, task)
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_not_beaten_grows_old() {
    let page = Page::begin();
    let registry = Registry::new();
    let (_peer, _task) = serve(&registry).await;
    let lease = registry.lease("worker", Duration::from_secs(60)).unwrap();
    let age = || page.value("grpc_health_lease_age", &["service=\"worker\""]);
    sleep(Duration::from_secs(30)).await;
    assert!((20.0..=30.0).contains(&age()), "{}", age());
    lease.beat();
    sleep(Duration::from_secs(10)).await;
    assert!((0.0..=10.0).contains(&age()), "{}", age());
    lease.release();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(age(), 0.0);
}

/// Such a lease changes no status, and a subscriber is told of changes alone.
#[tokio::test(start_paused = true)]
async fn a_lease_of_a_name_that_serves_already_grows_old_beside_a_subscriber() {
    let page = Page::begin();
    let (_events, _guard) = Events::begin();
    let registry = Registry::new();
    registry
        .set_service_status("worker", ServingStatus::Serving)
        .unwrap();
    let (_peer, _task) = serve(&registry).await;
    sleep(Duration::from_secs(1)).await;
    let _lease = registry.lease("worker", Duration::from_secs(60)).unwrap();
    sleep(Duration::from_secs(50)).await;
    let age = page.value("grpc_health_lease_age", &["service=\"worker\""]);
    assert!((35.0..=50.0).contains(&age), "{age}");
}

/// The servers come one after the other, as in a program that listens anew.
#[tokio::test(start_paused = true)]
async fn a_lease_that_ends_between_two_servers_has_no_age() {
    let page = Page::begin();
    let registry = Registry::new();
    let age = || page.value("grpc_health_lease_age", &["service=\"worker\""]);
    let lease = registry.lease("worker", Duration::from_secs(60)).unwrap();
    let (peer, task) = serve(&registry).await;
    sleep(Duration::from_secs(30)).await;
    assert!(age() > 0.0);
    drop(peer);
    task.await.unwrap();
    lease.release();
    let (_peer, _task) = serve(&registry).await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(age(), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_status_of_before_the_second_server_is_an_earlier_status() {
    let page = Page::begin();
    let registry = Registry::new();
    // The last server finds what the server before has told.
    for status in [
        ServingStatus::Serving,
        ServingStatus::NotServing,
        ServingStatus::NotServing,
    ] {
        registry.set_service_status("a", status).unwrap();
        let (peer, task) = serve(&registry).await;
        sleep(Duration::from_secs(2)).await;
        let series = page.series("grpc_health_status", &["service=\"a\""]);
        let ones: Vec<_> = series.iter().filter(|line| line.ends_with(" 1")).collect();
        assert_eq!(ones.len(), 1, "{ones:?}");
        assert!(
            ones[0].contains(&format!("status=\"{}\"", status.as_str())),
            "{ones:?}"
        );
        drop(peer);
        task.await.unwrap();
    }
}
