//! A health server inside another program: start it, be probed, stop.
//!
//! `cargo run --features client --example embed`

use std::error::Error;

use grpc_health::client::Client;
use grpc_health::{HealthService, Registry, Server, ServingStatus};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::new();
    registry.set_service_status("shop.Cart", ServingStatus::Serving)?;
    registry.set_service_status("shop.Database", ServingStatus::NotServing)?;

    // Port 0: any free one. A real server says "[::]:50051", which a kubelet can reach.
    let server = Server::builder()
        .service(HealthService::new(registry))
        .bind("127.0.0.1:0")
        .await?;
    let addr = server.local_addr().ok_or("no listener")?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn({
        let server = server.clone();
        async move {
            server
                .serve_with_shutdown(async { drop(stopped.await) })
                .await
        }
    });
    println!("listening on {addr}");

    // What a prober does.
    let client = Client::connect(addr).await?;
    for name in ["", "shop.Cart", "shop.Database"] {
        println!("Check {name:?}: {}", client.check(name).await?);
    }
    if let Err(status) = client.check("shop.Nothing").await {
        println!("Check \"shop.Nothing\": {status}");
    }
    for (name, status) in client.list().await? {
        println!("List: {name:?} {status}");
    }
    drop(client);

    drop(stop);
    serving.await??;
    println!("stopped: {:?}", server.stats());
    Ok(())
}
