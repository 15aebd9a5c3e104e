//! Endpoints that are host names.

use std::time::Duration;

use tokio::net::TcpListener;

use super::fixture::{Peer, next, reports, unreachable};
use crate::client::ReportedStatus;
use crate::client::monitor::{Monitor, State};
use crate::client::names::table;

const HOST: &str = "shop.test";

/// A listener at the address that the host has from now on.
async fn moved() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    table::set(HOST, listener.local_addr().unwrap());
    listener
}

async fn accepted(listener: &TcpListener) -> Peer {
    Peer::new(listener.accept().await.unwrap().0).await
}

/// As after a new deployment: the old server still runs, and the name leads to the new one.
#[tokio::test]
async fn a_name_is_resolved_again_at_a_reconnect() {
    let soon = Duration::from_millis(10);
    let monitor = Monitor::builder().backoff(soon, soon).start();
    let old = moved().await;
    let id = monitor.add(format!("{HOST}:1"), "a").unwrap();
    let mut changes = monitor.changes();
    assert_eq!(next(&mut changes).await.state, State::Connecting);
    let mut peer = accepted(&old).await;
    let _watch = peer.watch("a").await.open(ReportedStatus::SERVING);
    reports(&mut changes, ReportedStatus::SERVING).await;

    let new = moved().await;
    peer.cut();
    unreachable(&mut changes).await;
    let mut peer = tokio::select! {
        peer = accepted(&new) => peer,
        _ = old.accept() => panic!("the address was kept"),
    };
    let _watch = peer.watch("a").await.open(ReportedStatus::NOT_SERVING);
    reports(&mut changes, ReportedStatus::NOT_SERVING).await;
    let target = monitor.get(id).unwrap().target.to_string();
    assert_eq!(target, format!("{HOST}:1"));
}
