//! Servers without Watch.

use tokio::time::{Instant, sleep};

use super::fixture::{Net, is_still, reports, secs, unreachable};
use crate::client::ReportedStatus;
use crate::client::monitor::{Monitor, State};

const UNIMPLEMENTED: i32 = 12;
const DEADLINE_EXCEEDED: i32 = 4;

#[tokio::test(start_paused = true)]
async fn a_server_without_watch_is_asked_every_ten_seconds() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut changes = monitor.changes();
    changes.next().await.unwrap();
    let mut peer = net.accept().await;
    peer.watch("a").await.fail(UNIMPLEMENTED, "");
    let begun = Instant::now();
    for (round, status) in [(0, 1), (1, 1), (2, 2), (3, 0)] {
        let status = ReportedStatus::new(status);
        peer.check("a").await.answer(status);
        assert_eq!((Instant::now() - begun).as_secs(), round * 10);
        if round != 1 {
            reports(&mut changes, status).await;
        }
    }
    // What Watch calls SERVICE_UNKNOWN.
    peer.check("a").await.fail(5, "no such service");
    reports(&mut changes, ReportedStatus::SERVICE_UNKNOWN).await;
    peer.check("a").await.fail(7, "no");
    assert_eq!(unreachable(&mut changes).await, "no");
    peer.check("a").await.answer(ReportedStatus::SERVING);
    reports(&mut changes, ReportedStatus::SERVING).await;
    assert!(net.is_quiet(secs(0)).await);
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_is_tried_with_watch() {
    let mut net = Net::new();
    let monitor = Monitor::builder().poll_period(secs(60)).start();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut peer = net.accept().await;
    peer.watch("a").await.fail(UNIMPLEMENTED, "");
    peer.check("a").await.answer(ReportedStatus::SERVING);
    assert!(peer.is_quiet(secs(59)).await);
    peer.cut();
    let mut peer = net.accept().await;
    let _watch = peer.watch("a").await.open(ReportedStatus::SERVING);
    assert!(peer.is_quiet(secs(300)).await);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_a_health_service() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    let id = monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut changes = monitor.changes();
    changes.next().await.unwrap();
    let mut peer = net.accept().await;
    peer.watch("a").await.fail(UNIMPLEMENTED, "");
    for _ in 0..2 {
        peer.check("a").await.fail(UNIMPLEMENTED, "unknown service");
    }
    assert_eq!(unreachable(&mut changes).await, "unknown service");
    let State::Unreachable(why) = monitor.get(id).unwrap().state else {
        panic!("reachable")
    };
    assert_eq!(why.code().value(), UNIMPLEMENTED);
    assert!(is_still(&mut changes, secs(1)).await);
}

/// Servers such as tonic's end a Watch for an unknown name so.
#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_with_not_found() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut changes = monitor.changes();
    changes.next().await.unwrap();
    let mut peer = net.accept().await;
    for _ in 0..3 {
        peer.watch("a").await.fail(5, "not registered");
    }
    reports(&mut changes, ReportedStatus::SERVICE_UNKNOWN).await;
    let _watch = peer.watch("a").await.open(ReportedStatus::SERVING);
    reports(&mut changes, ReportedStatus::SERVING).await;
}

/// No PING may be sent without an open call, so the Check itself decides.
#[tokio::test(start_paused = true)]
async fn a_check_that_is_not_answered_ends_the_connection() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut changes = monitor.changes();
    changes.next().await.unwrap();
    let mut peer = net.accept().await;
    peer.watch("a").await.fail(UNIMPLEMENTED, "");
    let _check = peer.check("a").await;
    unreachable(&mut changes).await;
    let again = net.accept().await.watch("a").await;
    let _watch = again.open(ReportedStatus::SERVING);
    sleep(secs(1)).await;
    assert!(monitor.snapshot()[0].state.is_serving());
}

/// The server's database may be slow. The server itself answers.
#[tokio::test(start_paused = true)]
async fn a_server_that_answers_deadline_exceeded_answers() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut changes = monitor.changes();
    changes.next().await.unwrap();
    let mut peer = net.accept().await;
    peer.watch("a").await.fail(UNIMPLEMENTED, "");
    for _ in 0..3 {
        peer.check("a").await.fail(DEADLINE_EXCEEDED, "too slow");
    }
    assert_eq!(unreachable(&mut changes).await, "too slow");
    assert!(is_still(&mut changes, secs(5)).await);
    peer.check("a").await.answer(ReportedStatus::SERVING);
    reports(&mut changes, ReportedStatus::SERVING).await;
    assert!(net.is_quiet(secs(0)).await);
}

/// While no Watch is open, silence ends the connection without a PING.
#[tokio::test(start_paused = true)]
async fn a_watch_that_the_server_ends_with_deadline_exceeded_keeps_the_connection() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut peer = net.accept().await;
    peer.watch("a").await.fail(DEADLINE_EXCEEDED, "too slow");
    // Longer than a first status may take.
    let open = peer.watch("a").await.open(ReportedStatus::SERVING);
    sleep(secs(100)).await;
    open.end(DEADLINE_EXCEEDED);
    let _watch = peer.watch("a").await.open(ReportedStatus::SERVING);
    assert!(net.is_quiet(secs(60)).await);
}
