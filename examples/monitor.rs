//! Follows services on two servers while statuses change, a server is replaced, and a server goes away.
//!
//! `cargo run --features client --example monitor`

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use grpc_health::client::Monitor;
use grpc_health::client::monitor::{Changes, Pair, State};
use grpc_health::{HealthService, Registry, Server, ServingStatus};

/// Starts a server with one service.
async fn serve(address: &str) -> Result<(Registry, Server<HealthService>), Box<dyn Error>> {
    let registry = Registry::new();
    registry.set_service_status("shop.Cart", ServingStatus::Serving)?;
    let service = HealthService::new(registry.clone());
    let server = Server::builder().service(service).bind(address).await?;
    let running = server.clone();
    tokio::spawn(async move { running.serve().await });
    Ok((registry, server))
}

/// Prints changes until `wanted` is one.
async fn until(
    changes: &mut Changes,
    wanted: impl Fn(&Pair) -> bool,
) -> Result<(), Box<dyn Error>> {
    loop {
        let pair = changes.next().await.ok_or("the monitor is gone")?;
        println!("{} {:?}: {}", pair.target, pair.service, pair.state);
        if wanted(&pair) {
            return Ok(());
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (registry, first) = serve("127.0.0.1:0").await?;
    let (_other, second) = serve("127.0.0.1:0").await?;
    let address: SocketAddr = first.local_addr().ok_or("no listener")?;

    // Short times, so that the example ends soon. The defaults are those of every gRPC client.
    let monitor = Monitor::builder()
        .backoff(Duration::from_millis(100), Duration::from_secs(1))
        .start();
    let mut changes = monitor.changes();
    let cart = monitor.add(address, "shop.Cart")?;
    monitor.add(second.local_addr().ok_or("no listener")?, "shop.Cart")?;

    for _ in 0..2 {
        until(&mut changes, |pair| pair.state.is_serving()).await?;
    }
    registry.set_service_status("shop.Cart", ServingStatus::NotServing)?;
    until(&mut changes, |pair| pair.id == cart).await?;

    println!("the first server goes away");
    first.shutdown().await;
    let is_gone = |pair: &Pair| matches!(pair.state, State::Unreachable(_));
    until(&mut changes, is_gone).await?;

    println!("a server takes its place");
    let (_registry, _first) = serve(&address.to_string()).await?;
    until(&mut changes, |pair| pair.state.is_serving()).await?;

    let serving = monitor.snapshot();
    let serving = serving.iter().filter(|pair| pair.state.is_serving());
    println!("{} of {} serve", serving.count(), monitor.len());
    Ok(())
}
