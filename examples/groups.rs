//! Services that are computed from others, and why they have their statuses.
//!
//! `cargo run --features client --example groups`

use std::error::Error;

use grpc_health::client::Client;
use grpc_health::registry::Group;
use grpc_health::{HealthService, Registry, Server, ServingStatus};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::new();
    registry.record_history(16);
    // The storage serves while two of three replicas do.
    let replicas = ["db.Replica1", "db.Replica2", "db.Replica3"];
    registry.group("shop.Storage", Group::at_least(2, replicas))?;
    // The server as a whole serves while the cart and the storage do. The cache is shown, and decides nothing.
    let all = Group::all_of(["shop.Cart", "shop.Storage"]).informational(["shop.Cache"]);
    registry.group("", all)?;

    // Reasons go over the wire only where the server is told to.
    let service = HealthService::new(registry.clone()).reasons(true);
    let server = Server::builder()
        .service(service)
        .bind("127.0.0.1:0")
        .await?;
    let addr = server.local_addr().ok_or("no listener")?;
    let serving = tokio::spawn(async move { server.serve().await });
    let client = Client::connect(addr).await?;
    let ask = async |what: &str| -> Result<(), Box<dyn Error>> {
        let details = client.check_details("").await?;
        let reason = details.reason.unwrap_or_default();
        println!("{what}: {} {reason}", details.status);
        Ok(())
    };

    ask("at first").await?;
    registry.set_service_status("shop.Cart", ServingStatus::Serving)?;
    for replica in replicas {
        registry.set_service_status(replica, ServingStatus::Serving)?;
    }
    ask("all serve").await?;
    let first = registry.register(replicas[0], ServingStatus::Serving)?;
    first.set_with_reason(ServingStatus::NotServing, "disk full");
    ask("one replica is down").await?;
    registry.set_service_status(replicas[1], ServingStatus::NotServing)?;
    ask("two replicas are down").await?;
    first.set_serving();
    ask("one is back").await?;

    for change in registry.history("") {
        let reason = change.reason.map(|reason| reason.to_string());
        println!("history: {} {}", change.status, reason.unwrap_or_default());
    }
    for member in registry.members("") {
        println!(
            "member: {} {} critical {}",
            member.name, member.status, member.critical
        );
    }
    // Its status follows from the others: nobody sets it by hand.
    let refused = registry.set_service_status("", ServingStatus::Serving);
    println!("set by hand: {}", refused.err().ok_or("set")?);
    serving.abort();
    Ok(())
}
