//! Readers of changes: slow ones, several, and those whose futures are dropped.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::fixture::{Net, is_still, reports, secs};
use crate::client::ReportedStatus;
use crate::client::monitor::{Changes, Monitor, State};

const SERVING: ReportedStatus = ReportedStatus::SERVING;
const NOT_SERVING: ReportedStatus = ReportedStatus::NOT_SERVING;

#[tokio::test(start_paused = true)]
async fn every_status_is_told_apart() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut changes = monitor.changes();
    assert_eq!(changes.next().await.unwrap().state, State::Connecting);
    let mut peer = net.accept().await;
    let mut watch = peer.watch("a").await.open(ReportedStatus::SERVICE_UNKNOWN);
    reports(&mut changes, ReportedStatus::SERVICE_UNKNOWN).await;
    for status in [
        ReportedStatus::UNKNOWN,
        SERVING,
        NOT_SERVING,
        ReportedStatus::new(77),
    ] {
        watch.send(status);
        reports(&mut changes, status).await;
        // The same again is no change.
        watch.send(status);
        assert!(is_still(&mut changes, secs(5)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_the_latest_state_of_each_pair_once() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    monitor.add_endpoint(&net.endpoint, "b").unwrap();
    let mut slow = monitor.changes();
    let mut peer = net.accept().await;
    let (one, two) = (peer.call().await, peer.call().await);
    let (one, two) = if one.service == "a" {
        (one, two)
    } else {
        (two, one)
    };
    let (mut a, _b) = (one.open(SERVING), two.open(SERVING));
    for i in 0..501 {
        a.send(if i % 2 == 0 { NOT_SERVING } else { SERVING });
        if i % 10 == 0 {
            sleep(secs(1)).await;
        }
    }
    sleep(secs(1)).await;
    let seen: Vec<_> = std::iter::from_fn(|| slow.try_next())
        .map(|pair| (pair.service.to_string(), pair.state))
        .collect();
    let expected = [("b", SERVING), ("a", NOT_SERVING)];
    let expected = expected.map(|(name, status)| (name.to_owned(), State::Reported(status)));
    assert_eq!(seen, expected);
    assert!(is_still(&mut slow, secs(60)).await);
    // A new reader begins with every pair.
    let mut fresh = monitor.changes();
    assert_eq!(std::iter::from_fn(|| fresh.try_next()).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_dropped_loses_no_change() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut changes = monitor.changes();
    changes.next().await.unwrap();
    let mut peer = net.accept().await;
    let mut watch = peer.watch("a").await.open(SERVING);
    reports(&mut changes, SERVING).await;
    for i in 0..100 {
        let status = if i % 2 == 0 { NOT_SERVING } else { SERVING };
        {
            let next = pin!(changes.next());
            assert!(
                next.poll(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            );
        }
        watch.send(status);
        sleep(secs(1)).await;
        // The change is there when the next future is dropped, too.
        drop(changes.next());
        let ready = pin!(changes.next()).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(pair)) = ready else {
            panic!("{i}: no change")
        };
        assert_eq!(pair.state, State::Reported(status));
    }
}

/// Polled by hand, with a waker that is remembered.
struct Polled {
    stream: Changes,
    told: Arc<Told>,
}

#[derive(Default)]
struct Told(Notify);

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

impl Polled {
    fn new(stream: Changes) -> Self {
        let told = Arc::default();
        Self { stream, told }
    }

    fn poll(&mut self) -> Poll<Option<State>> {
        let waker = Waker::from(Arc::clone(&self.told));
        let next = Pin::new(&mut self.stream).poll_next(&mut Context::from_waker(&waker));
        next.map(|pair| pair.map(|pair| pair.state))
    }

    /// What the stream has when its waker was called.
    async fn woken(&mut self) -> Option<State> {
        loop {
            let told = timeout(secs(3_600), self.told.0.notified());
            told.await.unwrap();
            if let Poll::Ready(state) = self.poll() {
                return state;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_a_stream() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut one = Polled::new(monitor.changes());
    assert_eq!(one.poll(), Poll::Ready(Some(State::Connecting)));
    assert!(one.poll().is_pending());
    let mut peer = net.accept().await;
    let mut watch = peer.watch("a").await.open(SERVING);
    assert_eq!(one.woken().await, Some(State::Reported(SERVING)));
    let mut two = Polled::new(one.stream.clone());
    assert!(one.poll().is_pending() && two.poll().is_pending());
    watch.send(NOT_SERVING);
    for reader in [&mut one, &mut two] {
        assert_eq!(reader.woken().await, Some(State::Reported(NOT_SERVING)));
        assert!(reader.poll().is_pending());
    }
    drop(monitor);
    for reader in [&mut one, &mut two] {
        assert_eq!(reader.woken().await, None);
        assert_eq!(reader.poll(), Poll::Ready(None));
    }
}

#[tokio::test(start_paused = true)]
async fn readers_do_not_disturb_each_other() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut peer = net.accept().await;
    let mut watch = peer.watch("a").await.open(SERVING);
    sleep(secs(1)).await;
    let mut one = monitor.changes();
    reports(&mut one, SERVING).await;
    let mut two = one.clone();
    let mut three = monitor.changes();
    watch.send(NOT_SERVING);
    for reader in [&mut one, &mut two] {
        reports(reader, NOT_SERVING).await;
    }
    reports(&mut three, NOT_SERVING).await;
    let pair = monitor.snapshot().remove(0);
    assert!(pair.since.elapsed() < secs(3_600));
}
