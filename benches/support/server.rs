//! The servers that the scripts measure: ours alone and behind a router, tonic-health and the floor, on the same runtime. The router
//! and tonic have an echo service, too.
//!
//! `bench_server ours|router|tonic|floor [--listen ADDR] [--max-streams N]` prints `listening on ADDR`.
//! Each line `cpu` on stdin prints the nanoseconds of CPU that the process has used so far; the
//! end of stdin ends the process.

mod cpu;
mod echo;
mod floor;

use std::env;
use std::error::Error;
use std::io::{self, BufRead};
use std::process;
use std::thread;

use grpc_health::service::Service;
use grpc_health::{HealthService, Registry, Server};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;

type BoxError = Box<dyn Error + Send + Sync>;

const USAGE: &str = "usage: bench_server ours|router|tonic|floor [--listen ADDR] [--max-streams N]";

struct Options {
    server: String,
    listen: String,
    max_streams: u32,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, BoxError> {
        let server = args.next().ok_or(USAGE)?;
        let mut options = Self {
            server,
            listen: "127.0.0.1:0".to_owned(),
            max_streams: floor::MAX_STREAMS,
        };
        while let Some(option) = args.next() {
            let value = args.next().ok_or(USAGE)?;
            match option.as_str() {
                "--listen" => options.listen = value,
                "--max-streams" => options.max_streams = value.parse()?,
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }
}

fn main() -> Result<(), BoxError> {
    let options = Options::parse(env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::spawn(|| {
        if let Err(error) = obey_stdin() {
            eprintln!("bench_server: {error}");
            process::exit(1);
        }
        process::exit(0);
    });
    runtime.block_on(serve(options))
}

/// Blocks on stdin between commands, so that it costs the measured server nothing.
fn obey_stdin() -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        match line?.as_str() {
            "cpu" => println!("{}", cpu::time()?.as_nanos()),
            other => eprintln!("bench_server: unknown command {other:?}"),
        }
    }
    Ok(())
}

async fn serve(options: Options) -> Result<(), BoxError> {
    let listener = TcpListener::bind(&options.listen).await?;
    println!("listening on {}", listener.local_addr()?);
    match options.server.as_str() {
        "floor" => floor::serve(listener, options.max_streams).await?,
        "tonic" => {
            let (_reporter, health) = tonic_health::server::health_reporter();
            tonic::transport::Server::builder()
                .add_service(health)
                .add_service(echo::TonicEcho)
                .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
                .await?;
        }
        "ours" => serve_ours(&options, listener, health()).await?,
        "router" => serve_ours(&options, listener, echo::router(health())).await?,
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

fn health() -> HealthService {
    HealthService::new(Registry::new())
}

async fn serve_ours(
    options: &Options,
    listener: TcpListener,
    service: impl Service,
) -> io::Result<()> {
    Server::builder()
        .max_concurrent_streams(options.max_streams)
        .service(service)
        .build()
        .serve_on(listener)
        .await
}
