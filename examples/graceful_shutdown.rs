//! An ordered way down, seen by a client with an open Watch.
//!
//! `cargo run --features client --example graceful_shutdown`
//!
//! A real server waits for `tokio::signal` where this one waits for a channel.

use std::error::Error;

use grpc_health::client::Client;
use grpc_health::{HealthService, Registry, Server, ServingStatus};
use tokio::sync::oneshot;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::new();
    registry.set_service_status("liveness", ServingStatus::Serving)?;
    // The process is alive for as long as it drains, so its liveness is not turned.
    registry.pin("liveness")?;

    let server = Server::builder()
        .service(HealthService::new(registry.clone()))
        .bind("127.0.0.1:0")
        .await?;
    let addr = server.local_addr().ok_or("no listener")?;
    let (signal, signalled) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        server
            .serve_with_shutdown(async { drop(signalled.await) })
            .await
    });

    let client = Client::connect(addr).await?;
    let mut watch = client.watch("").await?;
    println!(
        "watching the server: {}",
        watch.next().await.ok_or("the Watch ended")??
    );

    println!("shutting down");
    signal.send(()).map_err(|()| "the server is gone")?;
    while let Some(status) = watch.next().await {
        match status {
            Ok(status) => println!("the watch says: {status}"),
            Err(status) => println!("the watch ended: {status}"),
        }
    }
    serving.await??;
    println!(
        "liveness at the end: {:?}",
        registry.get_service_status("liveness")
    );
    Ok(())
}
