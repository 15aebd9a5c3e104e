//! A server of Checks and nothing else, for scripts/bench-commits.sh, which builds this file with the sources of several commits: it uses
//! what the crate has always had. With feature `metrics` there is a recorder. Prints `listening on ADDR`, and ends with the end of stdin.

use std::error::Error;
use std::io::{self, Read};
use std::{process, thread};

use grpc_health::{HealthService, Registry, Server, ServingStatus};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    #[cfg(feature = "metrics")]
    {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        metrics::set_global_recorder(recorder)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
    runtime.block_on(async {
        let registry = Registry::new();
        registry.set_service_status("", ServingStatus::Serving)?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on {}", listener.local_addr()?);
        let service = HealthService::new(registry);
        let server = Server::builder().service(service).build();
        server.add_listener(listener)?;
        server.serve().await?;
        Ok(())
    })
}
