//! Several planes, and planes that come and go.

use std::time::Duration;

use grpc_health::{Registry, ServingStatus};
use tokio::time::Instant;

use ServingStatus::{NotServing, Serving};

const TTL: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn of_several_planes_one_looks_and_another_takes_over() {
    let registry = Registry::new();
    let planes: Vec<_> = (0..3).map(|_| tokio::spawn(registry.plane())).collect();
    let lease = registry.lease("a", TTL).unwrap();
    let mut watcher = registry.watch("a").unwrap();
    assert_eq!(watcher.changed().await, Serving);
    for plane in planes {
        // Three that look would count three times as fast.
        let beaten = Instant::now();
        lease.beat();
        assert_eq!(watcher.changed().await, NotServing);
        assert!(beaten.elapsed() >= TTL);
        lease.beat();
        assert_eq!(watcher.changed().await, Serving);
        plane.abort();
        let _ = plane.await;
    }
    // Without a plane nobody looks; the next one does.
    tokio::time::sleep(10 * TTL).await;
    assert_eq!(registry.get_service_status("a"), Serving);
    tokio::spawn(registry.plane());
    assert_eq!(watcher.changed().await, NotServing);
}

#[tokio::test(start_paused = true)]
async fn a_plane_ends_with_its_registry() {
    let registry = Registry::new();
    let lease = registry.lease("a", TTL).unwrap();
    let plane = tokio::spawn(registry.plane());
    tokio::task::yield_now().await;
    drop(registry);
    tokio::task::yield_now().await;
    assert!(!plane.is_finished(), "a lease keeps the registry");
    drop(lease);
    plane.await.unwrap();
}

#[test]
fn a_registry_is_freed_with_its_leases_and_without_a_plane() {
    let registry = Registry::new();
    let mut driver = std::pin::pin!(registry.driver());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(driver.as_mut().poll(&mut cx).is_pending());
    // Leases that come and go where nobody looks.
    for _ in 0..1_000 {
        drop(registry.lease("a", TTL).unwrap());
    }
    registry.record_history(4);
    drop(registry.subscribe_all());
    drop(registry);
    assert!(driver.as_mut().poll(&mut cx).is_ready());
}
