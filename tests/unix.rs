//! Unix domain sockets: who gets a path, who may connect, and what becomes of the file.
#![cfg(all(feature = "client", unix))]
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
        net::{UnixDatagram, UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use grpc_health::{
    HealthService, Registry, Server, ServingStatus,
    client::{Client, Monitor, ReportedStatus, Target},
};
use tokio::{sync::oneshot, task::JoinHandle};

/// A directory of the test's own, removed with what is in it.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "grpc-health-{}-{}",
            process::id(),
            COUNT.fetch_add(1, Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // A failed test says what it has to say without this.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn server() -> Server<HealthService> {
    Server::builder()
        .service(HealthService::new(Registry::new()))
        .build()
}

fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

fn mode(path: &Path) -> u32 {
    let found = fs::symlink_metadata(path).unwrap();
    assert!(found.file_type().is_socket());
    found.permissions().mode() & 0o7777
}

fn serve(server: &Server<HealthService>) -> JoinHandle<io::Result<()>> {
    tokio::spawn(server.serve())
}

async fn assert_serving(path: impl AsRef<Path>) {
    let client = Client::connect_unix(path).await.unwrap();
    assert_eq!(client.check("").await.unwrap(), ReportedStatus::SERVING);
}

async fn refused(path: impl AsRef<Path>) -> ErrorKind {
    let server = server();
    let error = server.bind_unix(path).await.unwrap_err();
    assert!(server.unix_paths().is_empty());
    error.kind()
}

/// What a killed server leaves behind.
fn leave_stale(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
    assert!(path.exists());
}

// --- Serving ---

#[tokio::test]
async fn a_monitor_follows_a_path() {
    let dir = Dir::new();
    let path = dir.path("a");
    let registry = Registry::new();
    let service = HealthService::new(registry.clone());
    let server = Server::builder().service(service).build();
    server.bind_unix(&path).await.unwrap();
    serve(&server);
    let monitor = Monitor::new();
    let id = monitor.add(Target::unix(&path), "").unwrap();
    let mut changes = monitor.changes();
    while !changes.next().await.unwrap().state.is_serving() {}
    registry
        .set_service_status("", ServingStatus::NotServing)
        .unwrap();
    let changed = changes.next().await.unwrap();
    assert_eq!(
        (changed.id, changed.state.to_string().as_str()),
        (id, "NOT_SERVING")
    );
}

#[tokio::test]
async fn serves_beside_tcp_and_a_second_path() {
    let dir = Dir::new();
    let (a, b) = (dir.path("a"), dir.path("b"));
    let server = Server::builder()
        .service(HealthService::new(Registry::new()))
        .bind_unix(&a)
        .await
        .unwrap();
    assert!(server.local_addr().is_none());
    server.bind("127.0.0.1:0").await.unwrap();
    server.bind_unix(&b).await.unwrap();
    assert_eq!(server.unix_paths(), [a.as_path(), b.as_path()]);
    assert_eq!(server.local_addrs().len(), 1);

    let serving = serve(&server);
    assert_serving(&a).await;
    assert_serving(&b).await;
    let tcp = Client::connect(server.local_addr().unwrap()).await.unwrap();
    assert_eq!(tcp.check("").await.unwrap(), ReportedStatus::SERVING);
    assert_eq!(server.stats().connections, 3);
    server.shutdown().await;
    serving.await.unwrap().unwrap();
    assert!(dir.names().is_empty());
}

#[tokio::test]
async fn a_shutdown_removes_the_file_before_calls_have_ended() {
    let dir = Dir::new();
    let path = dir.path("health.sock");
    let server = server();
    server.bind_unix(&path).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve_with_shutdown(async {
        let _ = stopped.await;
    }));
    let client = Client::connect_unix(&path).await.unwrap();
    let mut watch = client.watch("").await.unwrap();
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::SERVING
    );
    stop.send(()).unwrap();
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::NOT_SERVING
    );
    assert!(watch.next().await.unwrap().is_err());
    drop((watch, client));
    serving.await.unwrap().unwrap();
    assert!(dir.names().is_empty());
    // Free for the next one.
    self::server().bind_unix(&path).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_never_served_removes_its_file() {
    let dir = Dir::new();
    let server = server();
    server.bind_unix(dir.path("a")).await.unwrap();
    assert_eq!(dir.names(), ["a"]);
    drop(server);
    assert!(dir.names().is_empty());
}

/// The listener is in a task, which goes with its runtime.
#[test]
fn a_runtime_that_is_dropped_removes_the_file() {
    let dir = Dir::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = server();
        server.bind_unix(dir.path("a")).await.unwrap();
        serve(&server);
        assert_serving(dir.path("a")).await;
    });
    assert_eq!(dir.names(), ["a"]);
    drop(runtime);
    assert!(dir.names().is_empty());
}

// --- Permissions ---

#[tokio::test]
async fn modes_are_as_said_whatever_the_umask() {
    let dir = Dir::new();
    let server = server();
    server.bind_unix(dir.path("default")).await.unwrap();
    assert_eq!(mode(&dir.path("default")), 0o600);
    for bits in [0o000, 0o660, 0o666, 0o777] {
        let path = dir.path(&format!("{bits:o}"));
        server.bind_unix_with_mode(&path, bits).await.unwrap();
        assert_eq!(mode(&path), bits);
    }
    for bits in [0o1000, 0o4755, u32::MAX] {
        let error = server.bind_unix_with_mode(dir.path("no"), bits).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert!(!dir.path("no").exists());
}

// --- What is there already ---

#[tokio::test]
async fn a_stale_file_is_replaced() {
    let dir = Dir::new();
    let path = dir.path("a");
    leave_stale(&path);
    let server = server();
    server.bind_unix(&path).await.unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(dir.names(), ["a"]);
    serve(&server);
    assert_serving(&path).await;
}

#[tokio::test]
async fn a_live_server_keeps_its_file() {
    let dir = Dir::new();
    let path = dir.path("a");
    let first = server();
    first.bind_unix_with_mode(&path, 0o640).await.unwrap();
    let before = inode(&path);
    assert_eq!(refused(&path).await, ErrorKind::AddrInUse);
    assert_eq!(
        first.bind_unix(&path).await.unwrap_err().kind(),
        ErrorKind::AddrInUse
    );
    assert_eq!((inode(&path), mode(&path)), (before, 0o640));
    serve(&first);
    assert_serving(&path).await;
    assert_eq!(dir.names(), ["a"]);
}

/// Its queue is full: connecting fails, and still somebody listens. Elsewhere it cannot be told from a dead one.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_too_busy_to_answer_keeps_its_file() {
    let dir = Dir::new();
    let path = dir.path("a");
    let live = UnixListener::bind(&path).unwrap();
    let mut waiting = Vec::new();
    // Not to wait for the queue to empty, the connects are tokio's.
    while let Ok(stream) = tokio::net::UnixStream::connect(&path).await {
        waiting.push(stream);
        assert!(waiting.len() < 10_000, "the queue never gets full");
    }
    let before = inode(&path);
    assert_eq!(refused(&path).await, ErrorKind::AddrInUse);
    assert_eq!(inode(&path), before);
    drop((waiting, live));
}

#[tokio::test]
async fn a_socket_of_another_kind_is_left_alone() {
    let dir = Dir::new();
    let path = dir.path("a");
    let _datagrams = UnixDatagram::bind(&path).unwrap();
    let before = inode(&path);
    assert_eq!(refused(&path).await, ErrorKind::AddrInUse);
    assert_eq!(inode(&path), before);
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let dir = Dir::new();
    fs::write(dir.path("file"), "precious").unwrap();
    fs::create_dir(dir.path("dir")).unwrap();
    symlink(dir.path("nowhere"), dir.path("dangling")).unwrap();
    leave_stale(&dir.path("stale"));
    symlink(dir.path("stale"), dir.path("link")).unwrap();
    for name in ["file", "dir", "dangling", "link"] {
        let before = inode(&dir.path(name));
        assert_eq!(
            refused(dir.path(name)).await,
            ErrorKind::AlreadyExists,
            "{name}"
        );
        assert_eq!(inode(&dir.path(name)), before, "{name}");
    }
    assert_eq!(fs::read_to_string(dir.path("file")).unwrap(), "precious");
    assert_eq!(dir.names().len(), 5);
}

/// Of servers that start at once over a stale file one gets the path, and its file is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_gets_the_path() {
    let dir = Dir::new();
    let path = dir.path("a");
    for _ in 0..50 {
        leave_stale(&path);
        let starts: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                tokio::spawn(async move {
                    let server = server();
                    server.bind_unix(path).await.map(|()| server)
                })
            })
            .collect();
        let mut winners = Vec::new();
        for start in starts {
            match start.await.unwrap() {
                Ok(server) => winners.push(server),
                Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}"),
            }
        }
        assert_eq!(winners.len(), 1);
        let serving = serve(&winners[0]);
        assert_serving(&path).await;
        winners[0].shutdown().await;
        serving.await.unwrap().unwrap();
        assert!(dir.names().is_empty(), "{:?}", dir.names());
    }
}

// --- The file on exit ---

#[tokio::test]
async fn a_file_of_anyone_else_is_not_removed() {
    let dir = Dir::new();
    let path = dir.path("a");
    let first = server();
    first.bind_unix(&path).await.unwrap();
    fs::remove_file(&path).unwrap();
    let second = server();
    second.bind_unix(&path).await.unwrap();
    let theirs = inode(&path);
    drop(first);
    assert_eq!(inode(&path), theirs);
    serve(&second);
    assert_serving(&path).await;

    let third = server();
    let path = dir.path("b");
    third.bind_unix(&path).await.unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    drop(third);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_listener_made_elsewhere_keeps_its_file() {
    let dir = Dir::new();
    let path = dir.path("a");
    let server = server();
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    server.add_unix_listener(listener).unwrap();
    assert_eq!(server.unix_paths(), [path.as_path()]);
    let serving = serve(&server);
    assert_serving(&path).await;
    server.shutdown().await;
    serving.await.unwrap().unwrap();
    assert_eq!(dir.names(), ["a"]);
    UnixStream::connect(&path).unwrap_err();
}

// --- Paths ---

#[tokio::test]
async fn paths_that_cannot_be() {
    let dir = Dir::new();
    let long = dir.path(&"a".repeat(120));
    for path in [
        Path::new(""),
        Path::new("@"),
        Path::new("\0"),
        Path::new("a\0b"),
        &long,
    ] {
        assert_eq!(refused(path).await, ErrorKind::InvalidInput, "{path:?}");
    }
    let absent = dir.path("absent").join("a");
    assert_eq!(refused(absent).await, ErrorKind::NotFound);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn abstract_names() {
    let dir = Dir::new();
    let name = dir.0.file_name().unwrap().to_str().unwrap();
    let (at, nul) = (format!("@{name}"), format!("\0{name}"));
    let first = server();
    first.bind_unix(&at).await.unwrap();
    assert_eq!(first.unix_paths(), [Path::new(&at)]);
    assert!(!Path::new(&at).exists());
    assert_eq!(refused(&at).await, ErrorKind::AddrInUse);
    assert_eq!(refused(&nul).await, ErrorKind::AddrInUse);
    let serving = serve(&first);
    assert_serving(&at).await;
    assert_serving(&nul).await;
    first.shutdown().await;
    serving.await.unwrap().unwrap();

    let second = server();
    let listener = tokio::net::UnixListener::bind(&nul).unwrap();
    second.add_unix_listener(listener).unwrap();
    assert_eq!(second.unix_paths(), [Path::new(&at)]);
}
