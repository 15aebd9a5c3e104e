//! Servers come and go under load, and no call is lost.
//!
//! The client does what a gRPC client does: it counts every call, and tries again only those that the server says it has not begun,
//! which are the refused ones and those above the last stream of a GOAWAY.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use grpc_health::{HealthService, Registry, Server};
use h2::Reason;
use h2::client::SendRequest;
use http::Request;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const RESTARTS: usize = 20;
const CALLERS: usize = 16;
const CALLS_BETWEEN: usize = 200;

#[derive(Default)]
struct Balancer {
    addr: Mutex<Option<SocketAddr>>,
    connection: tokio::sync::Mutex<Option<(usize, SendRequest<Bytes>)>>,
    connections: AtomicUsize,
    done: AtomicUsize,
    again: AtomicUsize,
    over: AtomicBool,
}

impl Balancer {
    /// The connection in use, or a new one if that is the `spent` one.
    async fn connection(&self, spent: usize) -> (usize, SendRequest<Bytes>) {
        let mut current = self.connection.lock().await;
        if let Some((number, connection)) = &*current
            && *number > spent
        {
            return (*number, connection.clone());
        }
        let addr = self.addr.lock().unwrap().unwrap();
        let tcp = TcpStream::connect(addr).await.unwrap();
        let (client, connection) = h2::client::handshake(tcp).await.unwrap();
        tokio::spawn(connection);
        let number = self.connections.fetch_add(1, Relaxed) + 1;
        *current = Some((number, client.clone()));
        (number, client)
    }

    async fn call(&self) {
        let mut spent = 0;
        loop {
            let (number, connection) = self.connection(spent).await;
            match check(connection).await {
                Ok(()) => {
                    self.done.fetch_add(1, Relaxed);
                    return;
                }
                Err(error) if was_not_begun(&error) => {
                    self.again.fetch_add(1, Relaxed);
                    spent = number;
                }
                Err(error) => panic!("a call was lost: {error:?}"),
            }
        }
    }
}

fn was_not_begun(error: &h2::Error) -> bool {
    let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
    let left_out =
        error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR);
    refused || left_out
}

async fn check(connection: SendRequest<Bytes>) -> Result<(), h2::Error> {
    let mut connection = connection.ready().await?;
    let request = Request::post("http://localhost/grpc.health.v1.Health/Check")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (response, mut body) = connection.send_request(request, false)?;
    body.send_data(Bytes::from_static(&[0; 5]), true)?;
    let mut reply = response.await?.into_body();
    while let Some(chunk) = reply.data().await {
        let chunk = chunk?;
        reply.flow_control().release_capacity(chunk.len())?;
    }
    let trailers = reply.trailers().await?;
    assert_eq!(trailers.unwrap()["grpc-status"], "0");
    Ok(())
}

async fn start(balancer: &Balancer) -> Server<HealthService> {
    let server = Server::builder()
        .service(HealthService::new(Registry::new()))
        .bind("127.0.0.1:0")
        .await
        .unwrap();
    tokio::spawn(server.serve());
    *balancer.addr.lock().unwrap() = server.local_addr();
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_in_20_rolling_restarts() {
    let balancer = Arc::new(Balancer::default());
    let mut server = start(&balancer).await;
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let balancer = Arc::clone(&balancer);
        callers.spawn(async move {
            while !balancer.over.load(Relaxed) {
                balancer.call().await;
            }
        });
    }
    for _ in 0..RESTARTS {
        let enough = balancer.done.load(Relaxed) + CALLS_BETWEEN;
        while balancer.done.load(Relaxed) < enough {
            tokio::task::yield_now().await;
        }
        let next = start(&balancer).await;
        server.shutdown().await;
        assert_eq!(server.stats().connections_open, 0);
        server = next;
    }
    balancer.over.store(true, Relaxed);
    // A caller that lost a call has panicked.
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    server.shutdown().await;
    assert!(balancer.done.load(Relaxed) >= RESTARTS * CALLS_BETWEEN);
    assert!(balancer.connections.load(Relaxed) >= RESTARTS);
    println!(
        "{} calls on {} connections, {} tried again",
        balancer.done.load(Relaxed),
        balancer.connections.load(Relaxed),
        balancer.again.load(Relaxed),
    );
}
