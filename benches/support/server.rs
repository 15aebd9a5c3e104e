//! The servers that the scripts measure: ours alone, with a recorder of metrics (feature `metrics`) and behind a router, tonic-health and
//! the floor, on the same runtime. The router and tonic have an echo service, too.
//!
//! `bench_server ours|recorded|router|wide|tonic|floor [OPTION...]` prints `listening on ADDR`. The options:
//! * `--listen ADDR`: where, instead of a free port of 127.0.0.1;
//! * `--max-streams N`: how many calls a connection may have open;
//! * `--names N`: a name of our registry for each of the numbers below N, of 190 digits;
//! * `--rash`: a Check of `panic` panics, and one of `grenade` with a payload that panics when it is dropped;
//! * `--reflection` (feature `reflection`): the router tells clients what it serves, and has a file of 1 MiB for them;
//! * `--probes`: the server has another listener, whose address it prints before ADDR;
//! * `--tls` (features `gzip` and `tls`): the server listens with TLS and with mutual TLS, too, prints both addresses before ADDR, and
//!   reads gzip.
//!
//! The end of stdin ends the process; each line of it is answered by one:
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
#[cfg(feature = "reflection")]
#[path = "../../tests/support/protobuf.rs"]
mod protobuf;
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

const USAGE: &str = "usage: bench_server ours|recorded|router|wide|tonic|floor [--listen ADDR] [--max-streams N] [--names N] [--rash] \
    [--reflection] [--probes] [--tls]";

#[derive(Default)]
struct Options {
    server: String,
    listen: String,
    max_streams: u32,
    names: usize,
    rash: bool,
    reflection: bool,
    probes: bool,
    tls: bool,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, BoxError> {
        let server = args.next().ok_or(USAGE)?;
        let mut options = Self {
            server,
            listen: "127.0.0.1:0".to_owned(),
            max_streams: floor::MAX_STREAMS,
            ..Self::default()
        };
        while let Some(option) = args.next() {
            let mut value = || args.next().ok_or(USAGE);
            match option.as_str() {
                "--listen" => options.listen = value()?,
                "--max-streams" => options.max_streams = value()?.parse()?,
                "--names" => options.names = value()?.parse()?,
                "--rash" => options.rash = true,
                "--reflection" => options.reflection = true,
                "--probes" => options.probes = true,
                "--tls" => options.tls = true,
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
    for n in 0..options.names {
        registry.set_service_status(&format!("{n:0190}"), ServingStatus::Serving)?;
    }
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
    let probes = match options.probes {
        true => Some(listen("127.0.0.1:0".parse()?)?),
        false => None,
    };
    if let Some(probes) = &probes {
        print!("probes {} ", probes.local_addr()?);
    }
    if options.reflection && cfg!(not(feature = "reflection")) {
        return Err("--reflection needs the feature reflection".into());
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
            let router = router.add_service(echo::TonicEcho);
            let incoming = |listener| TcpIncoming::from(listener).with_nodelay(Some(true));
            if let Some(probes) = probes {
                tokio::spawn(router.clone().serve_with_incoming(incoming(probes)));
            }
            router
                .serve_with_incoming_shutdown(incoming(listener), stop.notified())
                .await?;
        }
        "ours" | "recorded" => {
            let health = HealthService::new(registry);
            if options.rash {
                serve_ours(&options, listener, probes, Rash(health), stop).await?;
            } else {
                serve_ours(&options, listener, probes, health, stop).await?;
            }
        }
        "router" | "wide" => {
            let router = echo::router(HealthService::new(registry));
            #[cfg(feature = "reflection")]
            let router = match options.reflection {
                true => router.service(reflection()?),
                false => router,
            };
            serve_ours(&options, listener, probes, router, stop).await?;
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

/// Reflection with a file of 1 MiB.
#[cfg(feature = "reflection")]
fn reflection() -> Result<grpc_health::reflection::Reflection, BoxError> {
    let index =
        grpc_health::reflection::Index::builder().descriptors(protobuf::large_file(1 << 20));
    Ok(grpc_health::reflection::Reflection::new(index.build()?))
}

async fn serve_ours(
    options: &Options,
    listener: TcpListener,
    probes: Option<TcpListener>,
    service: impl Service,
    stop: &Notify,
) -> Result<(), BoxError> {
    let mut builder = Server::builder().max_concurrent_streams(options.max_streams);
    if options.server == "wide" {
        // As tonic has them.
        builder = builder
            .initial_stream_window(1 << 20)
            .max_send_buffer_size(400 << 10);
    }
    let server = builder.service(service).build();
    if let Some(probes) = probes {
        server.add_listener(probes)?;
    }
    server.add_listener(listener)?;
    tokio::spawn(server.serve());
    stop.notified().await;
    server.shutdown().await;
    Ok(())
}
