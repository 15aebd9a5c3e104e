//! Servers come and go under load, and no call is lost.
//!
//! The client does what a gRPC client does: it counts every call, and tries again only those that the server says it has not begun,
//! which are the refused ones and those above the last stream of a GOAWAY.
//!
//! With `GRPC_HEALTH_HOSTILE=full` (`scripts/hostile.sh restarts`) it calls 5,000 times a second, with a second between two restarts, and
//! prints a log of them.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use grpc_health::{HealthService, Registry, Server};
use h2::Reason;
use h2::client::SendRequest;
use http::Request;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;

const RESTARTS: usize = 20;
const CALLERS: usize = 16;

/// How hard the callers try.
#[derive(Clone, Copy)]
struct Load {
    calls_between_restarts: usize,
    /// All callers together; without one each calls again as soon as it can.
    calls_per_second: Option<u32>,
}

impl Load {
    fn chosen() -> Self {
        match std::env::var("GRPC_HEALTH_HOSTILE").as_deref() {
            Ok("full") => Self {
                calls_between_restarts: 5_000,
                calls_per_second: Some(5_000),
            },
            _ => Self {
                calls_between_restarts: 200,
                calls_per_second: None,
            },
        }
    }

    /// The time from one call of a caller to its next.
    fn pause(self) -> Option<Duration> {
        let callers = CALLERS as u32;
        self.calls_per_second
            .map(|rate| Duration::from_secs(1) * callers / rate)
    }
}

#[derive(Default)]
struct Balancer {
    addr: Mutex<Option<SocketAddr>>,
    connection: tokio::sync::Mutex<Option<(usize, SendRequest<Bytes>)>>,
    connections: AtomicUsize,
    done: AtomicUsize,
    answered: Notify,
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
                    self.answered.notify_one();
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

/// Calls until all is over. One that is late makes up for it, so that the rate is kept.
async fn keep_calling(balancer: Arc<Balancer>, pause: Option<Duration>) {
    let mut ticks = pause.map(tokio::time::interval);
    while !balancer.over.load(Relaxed) {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        balancer.call().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_in_20_rolling_restarts() {
    let load = Load::chosen();
    let balancer = Arc::new(Balancer::default());
    let mut server = start(&balancer).await;
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        callers.spawn(keep_calling(Arc::clone(&balancer), load.pause()));
    }
    let began = Instant::now();
    println!("restart | at, s | calls answered | tried again | drain, ms");
    for restart in 1..=RESTARTS {
        let enough = balancer.done.load(Relaxed) + load.calls_between_restarts;
        while balancer.done.load(Relaxed) < enough {
            balancer.answered.notified().await;
        }
        let next = start(&balancer).await;
        let drained = Instant::now();
        server.shutdown().await;
        println!(
            "{restart} | {:.2} | {} | {} | {:.1}",
            (drained - began).as_secs_f64(),
            balancer.done.load(Relaxed),
            balancer.again.load(Relaxed),
            drained.elapsed().as_secs_f64() * 1_000.0,
        );
        assert_eq!(server.stats().connections_open, 0);
        server = next;
    }
    balancer.over.store(true, Relaxed);
    // A caller that lost a call has panicked.
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    let done = balancer.done.load(Relaxed);
    println!(
        "{done} calls on {} connections, {:.0} a second, {} tried again",
        balancer.connections.load(Relaxed),
        done as f64 / began.elapsed().as_secs_f64(),
        balancer.again.load(Relaxed),
    );
    server.shutdown().await;
    assert!(done >= RESTARTS * load.calls_between_restarts);
    assert!(balancer.connections.load(Relaxed) >= RESTARTS);
}
