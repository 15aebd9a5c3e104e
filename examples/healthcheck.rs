//! A server that is its own health check: its container's image needs no second binary.
//!
//! `myserver` serves, and `myserver --healthcheck` probes the `myserver` beside it. In a Dockerfile:
//!
//! ```text
//! HEALTHCHECK CMD ["/myserver", "--healthcheck"]
//! ```
//!
//! and in a pod of Kubernetes, where a `grpc` probe cannot be used, such as with TLS:
//!
//! ```text
//! readinessProbe: {exec: {command: ["/myserver", "--healthcheck"]}}
//! ```
//!
//! `cargo run --features client --example healthcheck` shows both in one run: the server, and its health check by a second process.

use std::env;
use std::error::Error;
use std::net::SocketAddr;
use std::process::{Command, ExitCode};

use grpc_health::client::{ProbeOptions, probe};
use grpc_health::{HealthService, Registry, Server, ServingStatus};

/// The service whose calls the server answers.
const SERVICE: &str = "shop.Cart";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut args = env::args().skip(1);
    // One thread is enough for both: a health check starts no other, and is over after some milliseconds.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match args.next().as_deref() {
        Some("--healthcheck") => {
            // A real program reads the port from where its server reads the port.
            let addr: SocketAddr = args.next().ok_or("an address is missing")?.parse()?;
            Ok(runtime.block_on(healthcheck(addr)))
        }
        Some(other) => Err(format!("unknown argument: {other}").into()),
        None => {
            runtime.block_on(serve())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Docker wants 0 for healthy and 1 for unhealthy; Kubernetes takes any number but 0 for unhealthy.
async fn healthcheck(addr: SocketAddr) -> ExitCode {
    match probe(&ProbeOptions::new(addr).service(SERVICE)).await {
        Ok(status) if status.is_serving() => {
            println!("healthy");
            ExitCode::SUCCESS
        }
        Ok(status) => {
            println!("unhealthy: {SERVICE} is {status}");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("unhealthy: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let registry = Registry::new();
    let cart = registry.register(SERVICE, ServingStatus::Serving)?;
    // Port 0: any free one.
    let server = Server::builder()
        .service(HealthService::new(registry.clone()))
        .bind("127.0.0.1:0")
        .await?;
    let addr = server.local_addr().ok_or("no listener")?;
    let serving = tokio::spawn({
        let server = server.clone();
        async move { server.serve().await }
    });
    println!("listening on {addr}");

    for (status, healthy) in [
        (ServingStatus::Serving, true),
        (ServingStatus::NotServing, false),
    ] {
        cart.set(status);
        let mut check = Command::new(env::current_exe()?);
        check.arg("--healthcheck").arg(addr.to_string());
        // Waiting for a process blocks a thread, and this thread has to serve.
        let ended = tokio::task::spawn_blocking(move || check.status()).await??;
        if ended.success() != healthy {
            return Err(format!("a health check ended with {ended} at {status:?}").into());
        }
    }
    server.shutdown().await;
    serving.await??;
    Ok(())
}
