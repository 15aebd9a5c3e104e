//! A sidecar as a library has it: statuses that checks decide, a group of them, and a control socket for programs in other languages.
//!
//! The command does the same from its arguments: `grpc-health serve --check 'db=tcp:127.0.0.1:5432' --group 'ready=all:db,worker'
//! --control PATH`.
//!
//! `cargo run --features checks,control --example sidecar`

use std::error::Error;
use std::time::Duration;

use grpc_health::client::Client;
use grpc_health::plane::probes::{FileAge, Tcp};
use grpc_health::plane::{Check, ControlClient, ControlService};
use grpc_health::registry::Group;
use grpc_health::{HealthService, Registry, Router, Server, ServingStatus};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::new();
    let server = Server::builder()
        .service(HealthService::new(registry.clone()))
        .bind("127.0.0.1:0")
        .await?;
    let addr = server.local_addr().ok_or("no listener")?;
    tokio::spawn(server.serve());

    // The program beside the sidecar: a database that listens, and a worker that touches a file once a loop.
    let database = TcpListener::bind("127.0.0.1:0").await?;
    let beat = std::env::temp_dir().join(format!("sidecar-{}", std::process::id()));
    std::fs::write(&beat, "")?;

    let (period, timeout) = (Duration::from_millis(50), Duration::from_secs(1));
    let tcp = Tcp::new(database.local_addr()?.to_string());
    registry.check("db", Check::new(period, timeout, tcp))?;
    let age = FileAge::new(&beat, Duration::from_secs(30));
    registry.check("worker", Check::new(period, timeout, age).rise(2))?;
    registry.group("ready", Group::all_of(["db", "worker", "switch"]))?;

    // Only this process's user can open the socket.
    let control = Router::empty().service(ControlService::new(registry.clone()));
    let control = Server::builder().service(control).build();
    let socket = beat.with_extension("control");
    control.bind_unix(&socket).await?;
    tokio::spawn(control.serve());
    let orders = ControlClient::new(Client::connect_unix(&socket).await?);

    let client = Client::connect(addr).await?;
    let mut watch = client.watch("ready").await?;
    let mut until = async |wanted: ServingStatus| -> Result<(), Box<dyn Error>> {
        loop {
            let status = watch.next().await.ok_or("the Watch ended")??;
            println!("ready: {status}");
            if status.value() == wanted.as_i32() {
                return Ok(());
            }
        }
    };
    until(ServingStatus::Unknown).await?;
    orders
        .set("switch", ServingStatus::Serving, "the operator says so")
        .await?;
    until(ServingStatus::Serving).await?;

    drop(database);
    until(ServingStatus::NotServing).await?;
    if let Some(reason) = registry.status_of("ready").reason {
        println!("why: {reason}");
    }

    control.shutdown().await;
    std::fs::remove_file(&beat)?;
    Ok(())
}
