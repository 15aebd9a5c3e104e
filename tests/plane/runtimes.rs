//! Runtimes that are watched: the plane runs on this runtime, and the watched one is another.

use std::sync::mpsc;
use std::time::Duration;

use grpc_health::plane::watch_runtime;
use grpc_health::registry::Watcher;
use grpc_health::{Registry, ServingStatus};
use tokio::runtime::{Builder, Runtime};

use ServingStatus::{NotServing, Serving};

/// Short, because these tests wait for it in real time.
const TTL: Duration = Duration::from_millis(50);

fn multi(workers: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap()
}

async fn until(watcher: &mut Watcher, status: ServingStatus) {
    while watcher.changed().await != status {}
}

fn planned() -> (Registry, Watcher) {
    let registry = Registry::new();
    tokio::spawn(registry.plane());
    let watcher = registry.watch("runtime").unwrap();
    (registry, watcher)
}

#[tokio::test]
async fn a_blocked_worker_shows_while_the_others_go_on() {
    let (registry, mut watcher) = planned();
    let watched = multi(3);
    let _watch = {
        let _inside = watched.enter();
        watch_runtime(&registry, "runtime", TTL).unwrap()
    };
    until(&mut watcher, Serving).await;
    let (release, blocked) = mpsc::channel::<()>();
    watched.spawn(async move { blocked.recv() });
    until(&mut watcher, NotServing).await;
    // The others do go on.
    watched.spawn(async {}).await.unwrap();
    release.send(()).unwrap();
    until(&mut watcher, Serving).await;
    watched.shutdown_background();
}

#[tokio::test]
async fn a_blocked_runtime_of_one_thread_shows() {
    let (registry, mut watcher) = planned();
    let (release, blocked) = mpsc::channel::<()>();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let watched = registry.clone();
    let thread = std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            watch_runtime(&watched, "runtime", TTL).unwrap();
            blocked.recv().unwrap();
            let _ = ended.await;
        });
    });
    until(&mut watcher, NotServing).await;
    release.send(()).unwrap();
    until(&mut watcher, Serving).await;
    // The end of the runtime shows at once.
    end.send(()).unwrap();
    until(&mut watcher, NotServing).await;
    let reason = registry.status_of("runtime").reason.unwrap();
    assert_eq!(reason.as_str(), "a lease was dropped");
    thread.join().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_stopped_leaves_the_name_as_it_is() {
    let (registry, mut watcher) = planned();
    let watch = watch_runtime(&registry, "runtime", TTL).unwrap();
    until(&mut watcher, Serving).await;
    tokio::time::sleep(10 * TTL).await;
    assert!(!watch.is_over());
    watch.stop();
    tokio::time::sleep(10 * TTL).await;
    assert_eq!(registry.get_service_status("runtime"), Serving);
    // Dropping the value stops nothing.
    drop(watch_runtime(&registry, "runtime", TTL).unwrap());
    tokio::time::sleep(10 * TTL).await;
    assert!(
        tokio::time::timeout(10 * TTL, watcher.changed())
            .await
            .is_err()
    );
    assert_eq!(registry.get_service_status("runtime"), Serving);
}
