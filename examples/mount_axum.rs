//! Health checks on the port of an axum server, beside its routes.
//!
//! `cargo run --features client,tower --example mount_axum`

use std::error::Error;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use grpc_health::client::Client;
use grpc_health::tower::Mount;
use grpc_health::{HealthService, Registry, ServingStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::new();
    registry.set_service_status("shop.Cart", ServingStatus::Serving)?;
    let health = Mount::new(HealthService::new(registry));
    let app = Router::new()
        .route("/", get(async || "hello\n"))
        .route_service("/grpc.health.v1.Health/{*method}", health.clone());

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    println!("listening on {addr}");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let shutdown = async move {
            let _ = stopped.await;
            // Or an open Watch would keep axum waiting.
            health.close();
        };
        // Without it a message may wait for the acknowledgement of the one before, 40 ms on Linux.
        let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
        axum::serve(listener, app)
            .with_graceful_shutdown(shutdown)
            .await
    });

    // HTTP/1 for the routes, gRPC for the health checks.
    let mut http = TcpStream::connect(addr).await?;
    http.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n")
        .await?;
    let mut page = String::new();
    http.read_to_string(&mut page).await?;
    println!("GET /: {}", page.lines().next().unwrap_or_default());
    let client = Client::connect(addr).await?;
    println!("Check: {}", client.check("shop.Cart").await?);
    let mut watch = client.watch("shop.Cart").await?;
    println!("Watch: {:?}", watch.next().await);

    drop(stop);
    println!("Watch: {:?}", watch.next().await);
    println!("Watch: {:?}", watch.next().await);
    serving.await??;
    Ok(())
}
