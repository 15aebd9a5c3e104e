//! Pairs that come and go, and the end of the monitor.

use tokio::time::sleep;

use super::fixture::{Net, is_still, reports, secs};
use crate::client::ReportedStatus;
use crate::client::monitor::{Endpoint, Monitor, State};
use crate::client::{Connector, Target};

const SERVING: ReportedStatus = ReportedStatus::SERVING;

#[tokio::test(start_paused = true)]
async fn pairs_are_added_and_removed_while_the_monitor_runs() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    let a = monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut changes = monitor.changes();
    changes.next().await.unwrap();
    let mut peer = net.accept().await;
    let watch_a = peer.watch("a").await.open(SERVING);
    reports(&mut changes, SERVING).await;

    let b = monitor.add_endpoint(&net.endpoint, "b").unwrap();
    assert_eq!(changes.next().await.unwrap().state, State::Connecting);
    let watch_b = peer.watch("b").await.open(SERVING);
    reports(&mut changes, SERVING).await;
    assert_eq!(
        monitor
            .snapshot()
            .iter()
            .map(|pair| pair.id)
            .collect::<Vec<_>>(),
        [a, b]
    );

    assert!(monitor.remove(a));
    watch_a.cancelled().await;
    assert!(!monitor.remove(a));
    assert!(monitor.get(a).is_none());
    assert!(is_still(&mut changes, secs(60)).await);
    // The last pair of the endpoint.
    assert!(monitor.remove(b));
    watch_b.cancelled().await;
    peer.closed().await;
    assert!(net.is_quiet(secs(600)).await);
    assert!(monitor.is_empty());

    let again = monitor.add_endpoint(&net.endpoint, "a").unwrap();
    assert!(again > b);
    let mut peer = net.accept().await;
    let _watch = peer.watch("a").await.open(SERVING);
    assert_eq!(changes.next().await.unwrap().id, again);
}

#[tokio::test(start_paused = true)]
async fn a_pair_is_removed_while_the_monitor_connects() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    let id = monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let attempt = net.attempt().await;
    assert!(monitor.remove(id));
    let mut io = attempt.io;
    // The pipe ends, after the preface.
    tokio::io::copy(&mut io, &mut tokio::io::sink())
        .await
        .unwrap();
    assert!(net.is_quiet(secs(600)).await);
    // While the monitor waits for the next attempt.
    let id = monitor.add_endpoint(&net.endpoint, "a").unwrap();
    drop(net.attempt().await);
    tokio::task::yield_now().await;
    assert!(monitor.remove(id));
    assert!(net.is_quiet(secs(600)).await);
}

#[tokio::test(start_paused = true)]
async fn the_same_pair_has_the_same_number() {
    let net = Net::new();
    let monitor = Monitor::new();
    let id = monitor.add_endpoint(&net.endpoint, "a").unwrap();
    assert_eq!(
        monitor.add_endpoint(&net.endpoint.clone(), "a").unwrap(),
        id
    );
    assert_ne!(monitor.add_endpoint(&net.endpoint, "b").unwrap(), id);
    assert_eq!(monitor.len(), 2);
    let plain = monitor.add("127.0.0.1:1", "").unwrap();
    assert_eq!(monitor.add("ipv4:127.0.0.1:1", "").unwrap(), plain);
    let target: Target = "127.0.0.1:1".parse().unwrap();
    let own = Endpoint::new(target, Connector::new());
    assert_ne!(monitor.add_endpoint(&own, "").unwrap(), plain);
}

#[tokio::test(start_paused = true)]
async fn a_full_monitor_takes_no_more_pairs() {
    let net = Net::new();
    let monitor = Monitor::builder().max_pairs(2).start();
    let a = monitor.add_endpoint(&net.endpoint, "a").unwrap();
    monitor.add_endpoint(&net.endpoint, "b").unwrap();
    let full = monitor.add_endpoint(&net.endpoint, "c").unwrap_err();
    assert!(full.is_full());
    assert_eq!(
        full.to_string(),
        "the monitor follows 2 pairs, and no more are allowed"
    );
    // A pair that is there already is no new pair.
    assert_eq!(monitor.add_endpoint(&net.endpoint, "a").unwrap(), a);
    monitor.remove(a);
    monitor.add_endpoint(&net.endpoint, "c").unwrap();
    let wrong = monitor.add("nowhere", "").unwrap_err();
    assert!(!wrong.is_full());
    assert!(wrong.to_string().contains("the port is missing"), "{wrong}");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_monitor_ends_everything() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut changes = monitor.changes();
    changes.next().await.unwrap();
    let mut peer = net.accept().await;
    let _watch = peer.watch("a").await.open(SERVING);
    reports(&mut changes, SERVING).await;
    let mut waiting = changes.clone();
    let waiting = tokio::spawn(async move { waiting.next().await.is_none() });
    sleep(secs(1)).await;
    drop(monitor);
    assert!(waiting.await.unwrap());
    peer.closed().await;
    assert!(changes.next().await.is_none());
    assert!(net.is_quiet(secs(600)).await);
}

#[test]
fn a_monitor_outlives_its_runtime_and_follows_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let net = Net::new();
    let monitor = runtime.block_on(async { Monitor::new() });
    let mut changes = monitor.changes();
    drop(runtime);
    let refused = monitor.add_endpoint(&net.endpoint, "").unwrap_err();
    assert_eq!(refused.to_string(), "the monitor's runtime is gone");
    let other = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert!(other.block_on(changes.next()).is_none());
}

/// Nothing of a pair or of an endpoint stays.
#[tokio::test(start_paused = true)]
async fn a_thousand_pairs_that_come_and_go() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    let mut changes = monitor.changes();
    for round in 0..1_000 {
        let id = monitor
            .add_endpoint(&net.endpoint, &format!("{round}"))
            .unwrap();
        if round % 3 == 0 {
            changes.next().await.unwrap();
            drop(net.attempt().await);
        }
        assert!(monitor.remove(id));
    }
    assert!(monitor.is_empty());
    assert!(is_still(&mut changes, secs(10)).await);
}

/// Shown as text, the two sockets are the same.
#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn sockets_whose_paths_are_no_text_are_told_apart() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let monitor = Monitor::new();
    let add = |path: &[u8]| {
        let target = Target::unix(OsStr::from_bytes(path));
        monitor.add(target, "").unwrap()
    };
    let (one, other) = (add(b"/run/\xfe"), add(b"/run/\xff"));
    assert_ne!(one, other);
    assert_eq!(add(b"/run/\xfe"), one);
}
