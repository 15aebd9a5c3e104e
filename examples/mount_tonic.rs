//! Health checks in a tonic server.
//!
//! `cargo run --features client,tower --example mount_tonic`

use std::error::Error;

use grpc_health::client::Client;
use grpc_health::tower::Mount;
use grpc_health::{HealthService, Registry, ServingStatus};
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::new();
    registry.set_service_status("shop.Cart", ServingStatus::NotServing)?;
    let health = Mount::new(HealthService::new(registry.clone()));

    // A server with services of its own says `Routes::new(CartServer::new(cart))`.
    let routes = Routes::default()
        .into_axum_router()
        .route_service("/grpc.health.v1.Health/{*method}", health.clone());

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    println!("listening on {addr}");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let shutdown = async move {
            let _ = stopped.await;
            // Or an open Watch would keep tonic waiting.
            health.close();
        };
        Server::builder()
            .add_routes(Routes::from(routes))
            .serve_with_incoming_shutdown(
                TcpIncoming::from(listener).with_nodelay(Some(true)),
                shutdown,
            )
            .await
    });

    let client = Client::connect(addr).await?;
    println!("Check: {}", client.check("shop.Cart").await?);
    let mut watch = client.watch("shop.Cart").await?;
    println!("Watch: {:?}", watch.next().await);
    registry.set_service_status("shop.Cart", ServingStatus::Serving)?;
    println!("Watch: {:?}", watch.next().await);

    drop(stop);
    println!("Watch: {:?}", watch.next().await);
    println!("Watch: {:?}", watch.next().await);
    serving.await??;
    Ok(())
}
