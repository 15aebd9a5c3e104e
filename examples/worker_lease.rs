//! Workers that must show that they are alive: a worker that hangs, and a worker that dies.
//!
//! `cargo run --example worker_lease`

use std::error::Error;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use grpc_health::plane::watch_runtime;
use grpc_health::registry::Watcher;
use grpc_health::{HealthService, Registry, Server, ServingStatus};

const TTL: Duration = Duration::from_millis(200);

enum Job {
    Work,
    Hang(mpsc::Receiver<()>),
    Die,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::new();
    // The server looks after the leases of its registry. In a real program the server has a thread of its own, so that it
    // answers while the program cannot.
    let service = HealthService::new(registry.clone());
    let server = Server::builder()
        .service(service)
        .bind("127.0.0.1:0")
        .await?;
    let serving = tokio::spawn(async move { server.serve().await });

    // This runtime must come to its tasks at least once in two seconds.
    watch_runtime(&registry, "shop.Runtime", 10 * TTL)?;

    let lease = registry.lease("shop.Worker", TTL)?;
    let (jobs, queue) = mpsc::channel();
    let worker = thread::spawn(move || {
        // The lease ends with this loop, however the loop ends.
        loop {
            lease.beat();
            match queue.recv_timeout(TTL / 4) {
                Ok(Job::Work) | Err(mpsc::RecvTimeoutError::Timeout) => {}
                // Long work is announced, with the longest time that it may take.
                Ok(Job::Hang(until)) => {
                    let _ = lease.scope(2 * TTL, || until.recv());
                }
                Ok(Job::Die) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    });

    let mut watcher = registry.subscribe("shop.Worker")?;
    next(&mut watcher, "at first", ServingStatus::Serving).await?;
    jobs.send(Job::Work)?;
    let (wake, hang) = mpsc::channel();
    jobs.send(Job::Hang(hang))?;
    next(&mut watcher, "the worker hangs", ServingStatus::NotServing).await?;
    wake.send(())?;
    next(&mut watcher, "the worker goes on", ServingStatus::Serving).await?;
    jobs.send(Job::Die)?;
    next(
        &mut watcher,
        "the worker is dead",
        ServingStatus::NotServing,
    )
    .await?;
    let reason = registry.status_of("shop.Worker").reason;
    println!("why: {}", reason.ok_or("no reason")?);

    worker.join().map_err(|_| "the worker panicked")?;
    serving.abort();
    Ok(())
}

async fn next(
    watcher: &mut Watcher,
    what: &str,
    expected: ServingStatus,
) -> Result<(), Box<dyn Error>> {
    let status = watcher.changed().await;
    println!("{what}: {status}");
    if status == expected {
        Ok(())
    } else {
        Err(format!("expected {expected}").into())
    }
}
