//! A server on a thread of its own.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used)]

use std::env;
use std::future::Future;
use std::io::ErrorKind;
use std::mem::forget;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use grpc_health::client::{Client, ReportedStatus, Watch};
use grpc_health::server::{self, ServerThread};
use grpc_health::service::{Lifecycle, Service as _, Wrapper};
use grpc_health::{HealthService, Registry, Server, ServingStatus};
use tokio::runtime::Builder;

/// Set in the process of the test that ends while its server goes on.
const CHILD: &str = "GRPC_HEALTH_THREAD_CHILD";

/// Held while a process is made, and while a test asks whether an address refuses: the new process has this process's listeners open for a
/// moment.
static FORKS: Mutex<()> = Mutex::new(());

/// Runs a future on a runtime made for it alone.
fn alone<T>(future: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

fn builder(registry: &Registry) -> server::Builder<HealthService> {
    Server::builder().service(HealthService::new(registry.clone()))
}

async fn check(addr: SocketAddr) -> ReportedStatus {
    let client = Client::connect(addr).await.unwrap();
    client.check("").await.unwrap()
}

async fn next(watch: &mut Watch) -> ReportedStatus {
    watch.next().await.unwrap().unwrap()
}

/// A server on a thread, which was bound in a runtime that is gone.
fn begin(builder: server::Builder<HealthService>) -> ServerThread {
    let server = alone(builder.bind("127.0.0.1:0")).unwrap();
    server.spawn_thread().unwrap()
}

fn stop(server: ServerThread) {
    server.drain_handle().begin();
    server.join();
}

#[test]
fn a_server_is_served_outside_a_runtime_until_it_has_shut_down() {
    let server = begin(builder(&Registry::new()));
    let [addr] = *server.local_addrs() else {
        panic!("{server:?}");
    };
    assert_eq!(alone(check(addr)), ReportedStatus::SERVING);
    assert!(!server.is_finished());
    let _no_forks = FORKS.lock().unwrap();
    stop(server);
    let refused = alone(Client::connect(addr)).unwrap_err();
    assert!(refused.to_string().contains("refused"), "{refused}");
}

/// This thread wakes nobody while the client waits: the server's thread runs the registry's driver and its plane.
#[test]
fn the_thread_wakes_watchers_and_looks_at_leases() {
    let registry = Registry::new();
    let lease = registry.lease("worker", Duration::from_millis(20)).unwrap();
    let server = begin(builder(&registry));
    let addr = server.local_addrs()[0];
    alone(async {
        let client = Client::connect(addr).await.unwrap();
        let mut watch = client.watch("").await.unwrap();
        assert_eq!(next(&mut watch).await, ReportedStatus::SERVING);
        let set = registry.set_service_status("", ServingStatus::NotServing);
        set.unwrap();
        assert_eq!(next(&mut watch).await, ReportedStatus::NOT_SERVING);
        // Nobody beats.
        let mut watch = client.watch("worker").await.unwrap();
        while next(&mut watch).await != ReportedStatus::NOT_SERVING {}
    });
    drop(lease);
    stop(server);
}

/// The runtime in which the server was bound and begun is blocked as long as a client asks.
#[tokio::test]
async fn a_blocked_runtime_blocks_no_check() {
    let server = builder(&Registry::new()).bind("127.0.0.1:0").await.unwrap();
    let thread = server.spawn_thread().unwrap();
    let addr = server.local_addr().unwrap();
    let (tell, answer) = mpsc::channel();
    let client = thread::spawn(move || tell.send(alone(check(addr))).unwrap());
    assert_eq!(answer.recv().unwrap(), ReportedStatus::SERVING);
    client.join().unwrap();
    // A listener of this runtime, too, is served by the thread.
    server.bind("127.0.0.1:0").await.unwrap();
    let addr = server.local_addrs()[1];
    let client = thread::spawn(move || alone(check(addr)));
    assert_eq!(client.join().unwrap(), ReportedStatus::SERVING);
    stop(thread);
}

/// Begins a task that blocks when the shutdown begins.
struct Blocks {
    health: HealthService,
    go: Mutex<Option<mpsc::Receiver<()>>>,
    ended: mpsc::Sender<()>,
}

impl Wrapper for Blocks {
    type Inner = HealthService;

    fn inner(&self) -> &HealthService {
        &self.health
    }

    fn lifecycle(&self, event: Lifecycle) {
        if let Some(go) = self.go.lock().unwrap().take() {
            let ended = self.ended.clone();
            tokio::task::spawn_blocking(move || {
                // As long as the test runs, or until the test has failed.
                let _ = go.recv_timeout(Duration::from_secs(5));
                let _ = ended.send(());
            });
        }
        self.health.lifecycle(event);
    }
}

#[test]
fn a_blocking_task_does_not_keep_the_thread_after_the_shutdown() {
    let (hold, go) = mpsc::channel();
    let (tell, ended) = mpsc::channel();
    let service = Blocks {
        health: HealthService::new(Registry::new()),
        go: Some(go).into(),
        ended: tell,
    };
    let server = Server::builder().service(service);
    let server = alone(server.bind("127.0.0.1:0")).unwrap();
    let thread = server.spawn_thread().unwrap();
    stop(thread);
    assert_eq!(ended.try_recv(), Err(mpsc::TryRecvError::Empty));
    // The task is not lost.
    drop(hold);
    ended.recv().unwrap();
}

/// As an application's `main` has it, in whose workers nothing may drop a runtime or block on one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_begins_and_ends_in_a_worker_of_a_runtime() {
    let task = tokio::spawn(async {
        let server = builder(&Registry::new()).bind("127.0.0.1:0").await.unwrap();
        let thread = server.spawn_thread().unwrap();
        assert_eq!(
            check(thread.local_addrs()[0]).await,
            ReportedStatus::SERVING
        );
        server.shutdown().await;
        thread.join();
    });
    task.await.unwrap();
}

#[cfg(unix)]
#[test]
fn a_unix_listener_moves_to_the_thread() {
    let dir = env::temp_dir().join(format!("grpc-health-thread-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("health.sock");
    let server = alone(builder(&Registry::new()).bind_unix(&path)).unwrap();
    let thread = server.spawn_thread().unwrap();
    alone(async {
        let client = Client::connect_unix(&path).await.unwrap();
        assert_eq!(client.check("").await.unwrap(), ReportedStatus::SERVING);
    });
    stop(thread);
    assert!(!path.exists());
    std::fs::remove_dir(&dir).unwrap();
}

#[test]
fn dropping_the_handle_stops_nothing() {
    let server = begin(builder(&Registry::new()));
    let (addr, drain) = (server.local_addrs()[0], server.drain_handle());
    drop(server);
    assert_eq!(alone(check(addr)), ReportedStatus::SERVING);
    drain.begin();
    alone(drain.drained());
}

/// The child has an open Watch and holds the handle when it ends, or has dropped the handle.
#[test]
fn a_process_ends_while_its_server_goes_on() {
    if let Some(child) = env::var_os(CHILD) {
        let server = begin(builder(&Registry::new()));
        let addr = server.local_addrs()[0];
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let watch = runtime.block_on(async {
            let client = Client::connect(addr).await.unwrap();
            let mut watch = client.watch("").await.unwrap();
            assert_eq!(next(&mut watch).await, ReportedStatus::SERVING);
            watch
        });
        assert!(!server.is_finished());
        if child == "hold" {
            forget(server);
        }
        forget((watch, runtime));
        return;
    }
    for child in ["drop", "hold"] {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "a_process_ends_while_its_server_goes_on"])
            .env(CHILD, child)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let forks = FORKS.lock().unwrap();
        let test = command.spawn().unwrap();
        drop(forks);
        let test = test.wait_with_output().unwrap();
        let text = String::from_utf8(test.stdout).unwrap();
        assert!(test.status.success(), "{text}");
        assert!(text.contains("1 passed"), "{text}");
    }
}

#[test]
fn a_server_without_a_listener_has_no_thread() {
    let server = builder(&Registry::new()).build();
    let error = server.spawn_thread().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    // The failure leaves nothing behind: the server has no thread, and shuts down where it is told to.
    alone(server.shutdown());
}

#[test]
fn a_name_with_a_nul_byte_is_an_error() {
    let server = builder(&Registry::new()).thread_name("health\0");
    let server = alone(server.bind("127.0.0.1:0")).unwrap();
    let error = server.spawn_thread().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("NUL"), "{error}");
    alone(server.shutdown());
}

#[cfg(target_os = "linux")]
mod linux {
    use super::*;

    /// The value of `key` in the status of each thread of this process that has this name.
    fn status(name: &str, key: &str) -> Vec<String> {
        let mut values = Vec::new();
        for task in std::fs::read_dir("/proc/self/task").unwrap() {
            // A thread of another test may have ended.
            let Ok(status) = std::fs::read_to_string(task.unwrap().path().join("status")) else {
                continue;
            };
            let of = |key| {
                let mut lines = status.lines();
                lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(":\t"))
            };
            if of("Name") == Some(name) {
                values.push(of(key).unwrap().to_owned());
            }
        }
        values
    }

    #[test]
    fn the_thread_has_the_name_that_is_set() {
        let server = begin(builder(&Registry::new()).thread_name("plane-7"));
        assert_eq!(status("plane-7", "Name"), ["plane-7"]);
        stop(server);
    }

    /// The last CPU of this process: the first is where most things run anyway.
    #[cfg(feature = "affinity")]
    fn last_cpu() -> String {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let cpus = status.split_once("Cpus_allowed_list:\t").unwrap().1;
        let list = cpus.lines().next().unwrap();
        list.rsplit([',', '-']).next().unwrap().to_owned()
    }

    #[cfg(feature = "affinity")]
    #[test]
    fn the_thread_runs_on_the_cpu_that_is_set() {
        let cpu = last_cpu();
        let builder = builder(&Registry::new()).thread_name("plane-8");
        let server = begin(builder.thread_cpu(cpu.parse().unwrap()));
        assert_eq!(status("plane-8", "Cpus_allowed_list"), [cpu]);
        assert_eq!(
            alone(check(server.local_addrs()[0])),
            ReportedStatus::SERVING
        );
        stop(server);
    }

    #[cfg(feature = "affinity")]
    #[test]
    fn a_cpu_that_is_not_there_is_an_error() {
        // 1,023 is the last number that Linux's set has by default; larger ones must not panic.
        for cpu in [1_023, 1_024, usize::MAX] {
            let server = builder(&Registry::new()).thread_cpu(cpu);
            let server = alone(server.bind("127.0.0.1:0")).unwrap();
            let error = server.spawn_thread().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains(&cpu.to_string()), "{error}");
            alone(server.shutdown());
        }
    }
}
