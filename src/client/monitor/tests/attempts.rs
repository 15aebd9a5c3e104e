//! When the monitor connects, and calls Watch, again.

use h2::Reason;
use tokio::time::{Instant, sleep};

use super::fixture::{Net, Peer, is_still, reports, secs, unreachable};
use crate::client::ReportedStatus;
use crate::client::monitor::Monitor;

/// Whether `gap` is the time after `failures` attempts without an answer, with up to a fifth of chance.
fn assert_gap(gap: f64, failures: i32) {
    let time = 1.6_f64.powi(failures).min(120.0);
    // The runtime's timers count milliseconds.
    let bounds = time * 0.8 - 0.002..=time * 1.2 + 0.002;
    assert!(bounds.contains(&gap), "{gap} s after {failures} failures");
}

#[tokio::test(start_paused = true)]
async fn connecting_backs_off_by_1_6_up_to_120_s() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    let id = monitor.add_endpoint(&net.endpoint, "").unwrap();
    let mut last = net.attempt().await.at;
    for failures in 0..15 {
        let attempt = net.attempt().await;
        assert_gap((attempt.at - last).as_secs_f64(), failures);
        last = attempt.at;
    }
    let state = monitor.get(id).unwrap().state.to_string();
    assert!(
        state.starts_with("UNREACHABLE: the server closed the connection"),
        "{state}"
    );
}

#[tokio::test(start_paused = true)]
async fn chance_takes_clients_apart() {
    let mut gaps = Vec::new();
    for _ in 0..8 {
        let mut net = Net::new();
        let monitor = Monitor::new();
        monitor.add_endpoint(&net.endpoint, "").unwrap();
        let first = net.attempt().await.at;
        gaps.push(net.attempt().await.at - first);
    }
    gaps.sort();
    gaps.dedup();
    assert!(gaps.len() > 1, "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_has_20_s_and_the_next_one_follows_at_once() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "").unwrap();
    let mut changes = monitor.changes();
    changes.next().await.unwrap();
    let first = net.attempt().await;
    let why = unreachable(&mut changes).await;
    assert!(
        why.starts_with("the server took the connection and said nothing within 20s"),
        "{why}"
    );
    let second = net.attempt().await;
    assert_eq!((second.at - first.at).as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_status_resets_the_backoff_and_a_connection_that_has_lasted_is_replaced_at_once() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    for _ in 0..6 {
        drop(net.attempt().await);
    }
    let mut changes = monitor.changes();
    unreachable(&mut changes).await;
    let mut peer = net.accept().await;
    let watch = peer.watch("a").await.open(ReportedStatus::SERVING);
    reports(&mut changes, ReportedStatus::SERVING).await;
    sleep(secs(5)).await;
    let cut = Instant::now();
    peer.cut();
    drop(watch);
    unreachable(&mut changes).await;
    let mut last = net.attempt().await.at;
    assert_eq!(last, cut);
    for failures in 1..4 {
        let attempt = net.attempt().await;
        assert_gap((attempt.at - last).as_secs_f64(), failures);
        last = attempt.at;
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_status_a_connection_resets_nothing() {
    for reason in [Reason::NO_ERROR, Reason::ENHANCE_YOUR_CALM] {
        let mut net = Net::new();
        let monitor = Monitor::new();
        monitor.add_endpoint(&net.endpoint, "").unwrap();
        let mut last: Option<Instant> = None;
        // A server that goes away at once, again and again.
        for failures in 0..8 {
            let attempt = net.attempt().await;
            if let Some(last) = last {
                assert_gap((attempt.at - last).as_secs_f64(), failures - 1);
            }
            last = Some(attempt.at);
            Peer::new(attempt.io).await.go_away(reason);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_and_goes_away_is_asked_once_a_second() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "").unwrap();
    let mut changes = monitor.changes();
    changes.next().await.unwrap();
    let mut last: Option<Instant> = None;
    for _ in 0..8 {
        let attempt = net.attempt().await;
        if let Some(last) = last {
            assert_gap((attempt.at - last).as_secs_f64(), 0);
        }
        last = Some(attempt.at);
        let mut peer = Peer::new(attempt.io).await;
        let _watch = peer.watch("").await.open(ReportedStatus::SERVING);
        reports(&mut changes, ReportedStatus::SERVING).await;
        peer.go_away(Reason::NO_ERROR);
        assert_eq!(unreachable(&mut changes).await, "the server is going away");
    }
}

#[tokio::test(start_paused = true)]
async fn watch_is_called_again_with_a_backoff_of_its_own() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut changes = monitor.changes();
    changes.next().await.unwrap();
    let mut peer = net.accept().await;
    let mut last: Option<Instant> = None;
    for failures in 0..8 {
        let call = peer.watch("a").await;
        if let Some(last) = last {
            assert_gap((Instant::now() - last).as_secs_f64(), failures - 1);
        }
        last = Some(Instant::now());
        call.fail(14, "not now");
        if failures == 0 {
            assert_eq!(unreachable(&mut changes).await, "not now");
        }
    }
    // A status resets the backoff, and a call that has lasted is followed by the next at once.
    let watch = peer.watch("a").await.open(ReportedStatus::SERVING);
    reports(&mut changes, ReportedStatus::SERVING).await;
    sleep(secs(5)).await;
    let ended = Instant::now();
    watch.end(0);
    assert_eq!(
        unreachable(&mut changes).await,
        "the server has ended the Watch"
    );
    peer.watch("a").await.fail(14, "");
    assert_eq!(Instant::now(), ended);
    peer.watch("a").await.fail(14, "");
    assert_gap((Instant::now() - ended).as_secs_f64(), 1);
    assert!(net.is_quiet(secs(1)).await);
}

#[tokio::test(start_paused = true)]
async fn a_backoff_that_is_set() {
    let mut net = Net::new();
    let builder = Monitor::builder().backoff(secs(10), secs(16));
    let monitor = builder.start();
    monitor.add_endpoint(&net.endpoint, "").unwrap();
    let mut last = net.attempt().await.at;
    for longest in [10, 16, 16, 16] {
        let attempt = net.attempt().await;
        let gap = (attempt.at - last).as_secs_f64() / f64::from(longest);
        assert!((0.79..=1.21).contains(&gap), "{gap}");
        last = attempt.at;
    }
    let mut changes = monitor.changes();
    unreachable(&mut changes).await;
    // The same reason again is no change.
    drop(net.attempt().await);
    assert!(is_still(&mut changes, secs(1)).await);
}
