//! The servers that the scripts measure: ours alone, with a recorder of metrics (feature `metrics`) and behind a router, tonic-health and
//! the floor, on the same runtime. The router and tonic have an echo service, too.
//!
//! `bench_server ours|recorded|router|wide|tonic|floor [--listen ADDR] [--max-streams N] [--rash] [--tls]` prints `listening on ADDR`. With
//! `--rash` a Check of `panic` panics. With `--tls` (features `gzip` and `tls`) the server listens with TLS and with mutual TLS, too,
//! prints both addresses before ADDR, and reads gzip. The end of stdin ends the process; each line of it is answered by one:
//! * `cpu`: the nanoseconds of CPU that the process has used so far;
//! * `tasks`: how many tasks of its runtime have not ended;
//! * `flip TIMES PAUSE`: the status of `""` is changed so many times, with so many microseconds between; `flipped`;
//! * `drain`: the server is shut down; `drained` when it is over, connections and all;
//! * `latency SECONDS`: what a task beside the server waits for a thousand events a second: the median, the 99th and the 99.9th
//!   percentile and the most, in nanoseconds.

mod cpu;
mod echo;
mod floor;
mod host;
mod rash;
#[cfg(all(feature = "gzip", feature = "tls"))]
mod secure;

use std::env;
use std::error::Error;
use std::io::{self, BufRead};
use std::net::SocketAddr;
use std::process;
use std::sync::Arc;
use std::thread;

use grpc_health::service::Service;
use grpc_health::{HealthService, Registry, Server, ServingStatus};
use host::{Host, Setter};
use rash::Rash;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;
use tonic::transport::server::TcpIncoming;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthReporter;

type BoxError = Box<dyn Error + Send + Sync>;

const USAGE: &str = "usage: bench_server ours|recorded|router|wide|tonic|floor [--listen ADDR] [--max-streams N] [--rash] [--tls]";

struct Options {
    server: String,
    listen: String,
    max_streams: u32,
    rash: bool,
    tls: bool,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, BoxError> {
        let server = args.next().ok_or(USAGE)?;
        let mut options = Self {
            server,
            listen: "127.0.0.1:0".to_owned(),
            max_streams: floor::MAX_STREAMS,
            rash: false,
            tls: false,
        };
        while let Some(option) = args.next() {
            if option == "--rash" {
                options.rash = true;
                continue;
            }
            if option == "--tls" {
                options.tls = true;
                continue;
            }
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
    #[cfg(feature = "metrics")]
    if options.server == "recorded" {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        metrics::set_global_recorder(recorder)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let registry = Registry::new();
    let reporter = HealthReporter::new();
    let stop = Arc::new(Notify::new());
    let host = Host {
        stop: Arc::clone(&stop),
        runtime: runtime.handle().clone(),
        setter: match options.server.as_str() {
            "ours" | "recorded" | "router" => {
                Setter::Ours(registry.register("", ServingStatus::Serving)?)
            }
            "tonic" => Setter::Tonic(reporter.clone()),
            _ => Setter::Nobody,
        },
        serving: true,
    };
    thread::spawn(|| {
        if let Err(error) = obey_stdin(host) {
            eprintln!("bench_server: {error}");
            process::exit(1);
        }
        process::exit(0);
    });
    runtime.block_on(async {
        serve(options, registry, reporter, &stop).await?;
        println!("drained");
        // Until the end of stdin.
        std::future::pending().await
    })
}

/// Blocks on stdin between commands, so that it costs the measured server nothing.
fn obey_stdin(mut host: Host) -> Result<(), BoxError> {
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split_ascii_whitespace();
        let command = words.next().unwrap_or_default();
        let numbers = words.map(str::parse).collect::<Result<Vec<usize>, _>>()?;
        match (command, numbers.as_slice()) {
            ("cpu", []) => println!("{}", cpu::time()?.as_nanos()),
            ("drain", []) => host.stop.notify_one(),
            ("tasks", []) => println!("{}", host.tasks()),
            ("flip", &[times, pause]) => {
                host.flip(times, pause);
                println!("flipped");
            }
            ("latency", &[seconds]) => {
                let waits = host.latency(seconds);
                let at = |per_mille: usize| {
                    let rank = (waits.len() * per_mille / 1_000).min(waits.len() - 1);
                    waits[rank].as_nanos()
                };
                println!("{} {} {} {}", at(500), at(990), at(999), at(1_000));
            }
            _ => return Err(format!("unknown command {line:?}").into()),
        }
    }
    Ok(())
}

/// Listens with the backlog of [`Server::bind`], for every server: tokio's own is smaller.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(1_024)
}

async fn serve(
    options: Options,
    registry: Registry,
    reporter: HealthReporter,
    stop: &Notify,
) -> Result<(), BoxError> {
    let listener = listen(options.listen.parse()?)?;
    let plain = listener.local_addr()?;
    #[cfg(all(feature = "gzip", feature = "tls"))]
    if options.tls {
        return secure::serve(&options.server, listener, registry, reporter).await;
    }
    if options.tls {
        return Err("--tls needs the features gzip and tls".into());
    }
    println!("listening on {plain}");
    match options.server.as_str() {
        "floor" => floor::serve(listener, options.max_streams).await?,
        "tonic" => {
            let health = tonic_health::server::HealthService::from_health_reporter(reporter);
            let mut server = tonic::transport::Server::builder()
                // As ours: with its own default h2 takes a burst of small messages for an attack, and ends the connection.
                .initial_connection_window_size(Some(16 << 20));
            let router = if options.rash {
                server.add_service(HealthServer::new(Rash(health)))
            } else {
                server.add_service(HealthServer::new(health))
            };
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            router
                .add_service(echo::TonicEcho)
                .serve_with_incoming_shutdown(incoming, stop.notified())
                .await?;
        }
        "ours" | "recorded" => {
            let health = HealthService::new(registry);
            if options.rash {
                serve_ours(&options, listener, Rash(health), stop).await;
            } else {
                serve_ours(&options, listener, health, stop).await;
            }
        }
        "router" | "wide" => {
            let router = echo::router(HealthService::new(registry));
            serve_ours(&options, listener, router, stop).await;
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

async fn serve_ours(
    options: &Options,
    listener: TcpListener,
    service: impl Service,
    stop: &Notify,
) {
    let mut builder = Server::builder().max_concurrent_streams(options.max_streams);
    if options.server == "wide" {
        // As tonic has them.
        builder = builder
            .initial_stream_window(1 << 20)
            .max_send_buffer_size(400 << 10);
    }
    let server = builder.service(service).build();
    tokio::spawn(server.serve_on(listener));
    stop.notified().await;
    server.shutdown().await;
}
