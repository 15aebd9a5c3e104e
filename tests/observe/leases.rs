//! The ages of leases.

use std::time::Duration;

use grpc_health::{HealthService, Registry, Server};
use tokio::io::duplex;
use tokio::time::sleep;

use crate::page::Page;
use crate::support::peer::{PIPE, Peer};

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_not_beaten_grows_old() {
    let page = Page::begin();
    let registry = Registry::new();
    let service = HealthService::new(registry.clone());
    let server = Server::builder().service(service).build();
    let (ours, theirs) = duplex(PIPE);
    let _task = tokio::spawn(server.serve_connection(theirs));
    let _peer = Peer::handshake(ours, &[]).await;
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
