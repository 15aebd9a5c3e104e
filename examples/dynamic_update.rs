//! Statuses that change while a client watches.
//!
//! `cargo run --features client --example dynamic_update`

use std::error::Error;
use std::thread;

use grpc_health::client::Client;
use grpc_health::{HealthService, Registry, Server, ServingStatus};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::new();
    let server = Server::builder()
        .service(HealthService::new(registry.clone()))
        .bind("127.0.0.1:0")
        .await?;
    let addr = server.local_addr().ok_or("no listener")?;
    let serving = tokio::spawn(async move { server.serve().await });

    // Nobody has registered this name yet: the Watch says so and stays open.
    let client = Client::connect(addr).await?;
    let mut watch = client.watch("shop.Database").await?;
    let mut next = async |what: &str| -> Result<(), Box<dyn Error>> {
        let status = watch.next().await.ok_or("the Watch ended")??;
        println!("{what}: {status}");
        Ok(())
    };
    next("at first").await?;

    let database = registry.register("shop.Database", ServingStatus::NotServing)?;
    next("registered").await?;

    // Any thread will do, and no runtime is needed to set a status.
    let database = thread::spawn(move || {
        database.set_serving();
        database
    })
    .join()
    .map_err(|_| "the thread panicked")?;
    next("set from a thread").await?;

    // The same status again is no news; the next message is the one after it.
    database.set_serving();
    registry.clear("shop.Database");
    next("cleared").await?;

    // The handle outlives the name and brings it back.
    database.set_not_serving();
    next("set again").await?;

    serving.abort();
    Ok(())
}
