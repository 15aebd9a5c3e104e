//! Health checks in a bare hyper server.
//!
//! `cargo run --features client,tower --example mount_hyper`

use std::error::Error;

use grpc_health::client::Client;
use grpc_health::service::PeerInfo;
use grpc_health::tower::Mount;
use grpc_health::{HealthService, Registry};
use hyper::server::conn::http2;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let health = Mount::new(HealthService::new(Registry::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    println!("listening on {addr}");

    let connection = tokio::spawn(async move {
        let (socket, peer) = listener.accept().await?;
        let health = TowerToHyperService::new(health);
        let service = service_fn(move |mut request: hyper::Request<_>| {
            // For services that want to know who calls; the health service does not.
            request.extensions_mut().insert(PeerInfo::from(peer));
            health.call(request)
        });
        let served = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(socket), service)
            .await;
        served.map_err(std::io::Error::other)
    });

    let client = Client::connect(addr).await?;
    println!("Check: {}", client.check("").await?);
    for (name, status) in client.list().await? {
        println!("List: {name:?} {status}");
    }
    drop(client);
    connection.await??;
    Ok(())
}
