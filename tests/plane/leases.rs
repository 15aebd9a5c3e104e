//! When a lease becomes stale, and when it is back.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use grpc_health::plane::Lease;
use grpc_health::registry::Watcher;
use grpc_health::{HealthService, Registry, Server, ServingStatus};
use tokio::time::{Instant, sleep, timeout};

use ServingStatus::{NotServing, Serving};

const MS: Duration = Duration::from_millis(1);

/// The longest time after the last beat.
fn bound(ttl: Duration) -> Duration {
    ttl + (ttl / 4).max(10 * MS)
}

/// A registry whose plane runs on this runtime.
fn planned() -> Registry {
    let registry = Registry::new();
    tokio::spawn(registry.plane());
    registry
}

async fn watcher(registry: &Registry) -> Watcher {
    let mut watcher = registry.watch("a").unwrap();
    assert_eq!(watcher.changed().await, Serving);
    watcher
}

/// Times to live on both sides of every border of the sampler.
const TTLS: [u64; 14] = [
    1, 4, 5, 10, 39, 40, 41, 79, 80, 100, 1_000, 1_279, 5_000, 60_000,
];

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_not_beaten_is_pushed_in_time_and_not_early() {
    for ttl in TTLS.map(Duration::from_millis) {
        // Beats at every phase of the sampler's interval.
        for phase in 0..13 {
            let registry = planned();
            let lease = registry.lease("a", ttl).unwrap();
            let mut watcher = watcher(&registry).await;
            sleep(ttl * phase / 13).await;
            lease.beat();
            let last = Instant::now();
            assert_eq!(watcher.changed().await, NotServing);
            let after = last.elapsed();
            assert!(ttl <= after && after <= bound(ttl), "{ttl:?}: {after:?}");
            let reason = registry.status_of("a").reason.unwrap();
            assert_eq!(reason.as_str(), "a lease was not beaten in time");

            lease.beat();
            let beaten = Instant::now();
            assert_eq!(watcher.changed().await, Serving);
            let after = beaten.elapsed();
            assert!(
                after <= (ttl / 8).max(5 * MS),
                "{ttl:?}: back after {after:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_beaten_once_in_each_ttl_never_becomes_stale() {
    for ttl in TTLS.map(Duration::from_millis) {
        let registry = planned();
        let lease = registry.lease("a", ttl).unwrap();
        let mut watcher = watcher(&registry).await;
        for _ in 0..50 {
            sleep(ttl).await;
            lease.beat();
        }
        assert!(
            timeout(Duration::ZERO, watcher.changed()).await.is_err(),
            "{ttl:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn one_plane_looks_after_leases_of_all_times() {
    let registry = planned();
    let start = Instant::now();
    let leases: Vec<(Duration, Lease, _)> = TTLS
        .map(|ttl| {
            let (name, ttl) = (format!("ttl {ttl}"), Duration::from_millis(ttl));
            let lease = registry.lease(&name, ttl).unwrap();
            let mut watcher = registry.watch(&name).unwrap();
            let stale = tokio::spawn(async move {
                assert_eq!(watcher.changed().await, Serving);
                assert_eq!(watcher.changed().await, NotServing);
                start.elapsed()
            });
            (ttl, lease, stale)
        })
        .into();
    for (ttl, _lease, stale) in leases {
        let after = stale.await.unwrap();
        assert!(ttl <= after && after <= bound(ttl), "{ttl:?}: {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_scope_may_last_so_long_and_no_longer() {
    let ttl = 100 * MS;
    let registry = planned();
    let lease = std::sync::Arc::new(registry.lease("a", ttl).unwrap());
    let mut watcher = watcher(&registry).await;
    // The scope blocks its thread, so the clock is moved from here. Waiting with std's channel moves no clock.
    let (entered, entering) = std::sync::mpsc::channel();
    let (leave, leaving) = std::sync::mpsc::channel();
    let scope = {
        let lease = lease.clone();
        std::thread::spawn(move || {
            lease.scope(1_000 * MS, || {
                entered.send(()).unwrap();
                leaving.recv().unwrap()
            })
        })
    };
    entering.recv().unwrap();
    let start = Instant::now();
    assert_eq!(watcher.changed().await, NotServing);
    let after = start.elapsed();
    assert!(after >= 1_000 * MS && after <= 1_250 * MS, "{after:?}");
    leave.send(()).unwrap();
    scope.join().unwrap();
    let end = Instant::now();
    assert_eq!(watcher.changed().await, Serving);
    assert_eq!(watcher.changed().await, NotServing);
    let after = end.elapsed();
    assert!(after >= ttl && after <= bound(ttl), "{after:?}");
}

/// While nobody looks, nothing becomes stale: the machine may have been suspended.
#[tokio::test(start_paused = true)]
async fn time_without_the_planes_thread_counts_for_no_lease() {
    let ttl = 1_000 * MS;
    let registry = planned();
    let lease = registry.lease("a", ttl).unwrap();
    let mut watcher = watcher(&registry).await;
    sleep(10 * MS).await;
    tokio::time::advance(3_600 * 1_000 * MS).await;
    let woken = Instant::now();
    assert!(timeout(ttl / 2, watcher.changed()).await.is_err());
    lease.beat();
    assert!(timeout(ttl, watcher.changed()).await.is_err());
    assert_eq!(watcher.changed().await, NotServing);
    assert!(woken.elapsed() <= ttl / 2 + bound(ttl));
}

/// Moves the clock before anybody else runs, as when a thread is busy for `time`, and then does `work`.
async fn busy(time: Duration, work: impl FnOnce()) {
    let mut busy = pin!(tokio::time::advance(time));
    poll_fn(|cx| Poll::Ready(busy.as_mut().poll(cx).is_pending())).await;
    work();
    busy.await;
}

/// The look after a late one comes early, and so counts for less than an interval.
#[tokio::test(start_paused = true)]
async fn a_late_look_makes_no_lease_stale_early() {
    let ttl = 320 * MS;
    // Each look is due a whole number of 32 ms after the first.
    for late in [1, 15, 31] {
        let registry = planned();
        let lease = registry.lease("a", ttl).unwrap();
        let mut watcher = watcher(&registry).await;
        // The plane has begun by then.
        sleep(MS).await;
        busy((31 + late) * MS, || lease.beat()).await;
        let last = Instant::now();
        assert_eq!(watcher.changed().await, NotServing);
        let after = last.elapsed();
        assert!(ttl <= after && after <= bound(ttl), "{late}: {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_plane_without_leases_has_no_timer() {
    let registry = planned();
    let lease = registry.lease("a", MS).unwrap();
    sleep(100 * MS).await;
    drop(lease);
    sleep(100 * MS).await;
    // A runtime with a paused clock goes to the next timer at once, and there is no other one.
    let start = Instant::now();
    sleep(Duration::from_secs(86_400 * 365)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(86_400 * 365));
}

#[tokio::test(start_paused = true)]
async fn the_server_looks_after_the_leases_of_its_registry() {
    let registry = Registry::new();
    let lease = registry.lease("a", 50 * MS).unwrap();
    let service = HealthService::new(registry.clone());
    let server = Server::builder().service(service);
    let server = server.bind("127.0.0.1:0").await.unwrap();
    let serving = tokio::spawn(server.serve());
    let mut watcher = watcher(&registry).await;
    assert_eq!(watcher.changed().await, NotServing);
    lease.beat();
    assert_eq!(watcher.changed().await, Serving);
    serving.abort();
}
