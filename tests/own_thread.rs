//! A server on a thread of its own.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use grpc_health::client::{Client, ReportedStatus};
use grpc_health::server::ServerThread;
use grpc_health::{HealthService, Registry, Server, ServingStatus};
use tokio::runtime::Builder;

/// Runs a future on a runtime made for it alone.
fn alone<T>(future: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

fn server(registry: &Registry) -> Server<HealthService> {
    let service = HealthService::new(registry.clone());
    Server::builder().service(service).build()
}

async fn check(addr: SocketAddr) -> ReportedStatus {
    let client = Client::connect(addr).await.unwrap();
    client.check("").await.unwrap()
}

/// A server on a thread, which was bound in a runtime that is gone.
fn begin(registry: &Registry) -> ServerThread {
    let server = server(registry);
    alone(server.bind("127.0.0.1:0")).unwrap();
    server.spawn_thread().unwrap()
}

#[test]
fn a_server_is_served_outside_a_runtime_until_it_has_shut_down() {
    let registry = Registry::new();
    let server = begin(&registry);
    let [addr] = *server.local_addrs() else {
        panic!("{server:?}");
    };
    assert_eq!(alone(check(addr)), ReportedStatus::SERVING);
    // The thread has the registry's driver, which wakes watchers.
    alone(async {
        let client = Client::connect(addr).await.unwrap();
        let mut watch = client.watch("").await.unwrap();
        let mut next = async || watch.next().await.unwrap().unwrap();
        assert_eq!(next().await, ReportedStatus::SERVING);
        let set = registry.set_service_status("", ServingStatus::NotServing);
        set.unwrap();
        assert_eq!(next().await, ReportedStatus::NOT_SERVING);
    });
    assert!(!server.is_finished());
    server.drain_handle().begin();
    server.join().unwrap();
    let refused = alone(Client::connect(addr)).unwrap_err();
    assert!(refused.to_string().contains("refused"), "{refused}");
}

/// The runtime in which the server was bound and begun is blocked as long as a client asks.
#[tokio::test]
async fn a_blocked_runtime_blocks_no_check() {
    let registry = Registry::new();
    let server = server(&registry);
    server.bind("127.0.0.1:0").await.unwrap();
    let thread = server.spawn_thread_named("health").unwrap();
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
    thread.drain_handle().begin();
    thread.join().unwrap();
}

/// The server goes on, and this process ends all the same.
#[test]
fn dropping_the_handle_stops_nothing() {
    let server = begin(&Registry::new());
    let addr = server.local_addrs()[0];
    drop(server);
    assert_eq!(alone(check(addr)), ReportedStatus::SERVING);
}

#[test]
fn a_server_without_a_listener_says_so_when_it_is_joined() {
    let server = server(&Registry::new()).spawn_thread().unwrap();
    assert_eq!(server.join().unwrap_err().kind(), ErrorKind::InvalidInput);
}
