//! What a monitor of many endpoints costs its process: memory, and CPU while the statuses stay and while they flip.
//!
//! `bench_monitor [ENDPOINTS SERVICES SECONDS]` follows so many services on each of so many endpoints (1,000 and 1 by default), each
//! endpoint with a connection of its own, and prints a table. The server is a process of its own, which this program starts as
//! `bench_monitor serve SERVICES`. Each phase takes SECONDS (10 by default).

mod cpu;

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use grpc_health::client::monitor::{Changes, Endpoint};
use grpc_health::client::{Connector, Monitor, Target};
use grpc_health::{HealthService, Registry, Server, ServiceHandle, ServingStatus};

type BoxError = Box<dyn std::error::Error>;

/// The flips of each service in a second: fast enough to be a storm, and below the rate at which a monitor gives a server up.
const FLIPS: u32 = 20;

fn main() -> Result<(), BoxError> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["serve", services] => serve(services.parse()?),
        [] => measure(1_000, 1, Duration::from_secs(10)),
        [endpoints, services, seconds] => measure(
            endpoints.parse()?,
            services.parse()?,
            Duration::from_secs(seconds.parse()?),
        ),
        _ => Err("usage: bench_monitor [ENDPOINTS SERVICES SECONDS]".into()),
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// Serves until stdin ends. Each line on stdin is a number of flips; a line on stdout says that they are done.
fn serve(services: usize) -> Result<(), BoxError> {
    let registry = Registry::new();
    let mut handles = Vec::new();
    for i in 0..services {
        handles.push(registry.register(&name(i), ServingStatus::Serving)?);
    }
    let server = Server::builder()
        .max_connections(100_000)
        .max_connections_per_ip(None)
        .max_handshakes(100_000)
        .max_concurrent_streams(100_000)
        .max_long_lived_streams(100_000)
        .service(HealthService::new(registry).max_watches(200_000))
        .build();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || -> io::Result<()> {
        runtime()?.block_on(async {
            server.bind("127.0.0.1:0").await?;
            let _ = tell.send(server.local_addr());
            server.serve().await
        })
    });
    println!("{}", told.recv()?.ok_or("no address")?);
    for line in io::stdin().lock().lines() {
        flip(&handles, line?.parse()?);
        println!("done");
    }
    Ok(())
}

fn name(i: usize) -> String {
    format!("shop.Service{i}")
}

fn flip(handles: &[ServiceHandle], flips: u32) {
    let begun = Instant::now();
    for i in 1..=flips {
        for handle in handles {
            if i % 2 == 1 {
                handle.set_not_serving();
            } else {
                handle.set_serving();
            }
        }
        let next = begun + Duration::from_secs(1) * i / FLIPS;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// The server's process, which ends with this value.
struct Peer {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    target: Target,
}

impl Peer {
    fn start(services: usize) -> Result<Self, BoxError> {
        let mut child = Command::new(env::current_exe()?)
            .args(["serve", &services.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut out = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut line = String::new();
        out.read_line(&mut line)?;
        let target = line.trim().parse()?;
        Ok(Self { child, out, target })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The end of its stdin ends the server.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The resident memory of this process now, and at its highest so far, in kB.
fn memory() -> io::Result<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_ascii_whitespace().nth(1)?.parse().ok())
    };
    field("VmRSS:")
        .zip(field("VmHWM:"))
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn measure(endpoints: usize, services: usize, time: Duration) -> Result<(), BoxError> {
    let mut peer = Peer::start(services)?;
    runtime()?.block_on(run(&mut peer, endpoints, services, time))
}

async fn run(
    peer: &mut Peer,
    endpoints: usize,
    services: usize,
    time: Duration,
) -> Result<(), BoxError> {
    let pairs = endpoints * services;
    let monitor = Monitor::builder().max_pairs(pairs).start();
    let mut changes = monitor.changes();
    tokio::task::yield_now().await;
    let (empty, _) = memory()?;
    println!("{endpoints} endpoints, {services} services on each, {time:?} a phase\n");
    println!(
        "| phase | RSS, MB | per pair above an empty monitor, kB | CPU, ms in a second | changes read in a second |"
    );
    println!("|---|---|---|---|---|");
    let row = |phase: &str, rss: u64, cpu: Duration, seen: usize, time: Duration| {
        let each = rss.saturating_sub(empty) as f64 / pairs as f64;
        let seconds = time.as_secs_f64();
        println!(
            "| {phase} | {:.1} | {each:.1} | {:.2} | {:.0} |",
            rss as f64 / 1e3,
            cpu.as_secs_f64() * 1e3 / seconds,
            seen as f64 / seconds
        );
    };

    let (begun, before) = (Instant::now(), cpu::time()?);
    for _ in 0..endpoints {
        // Endpoints that are made one by one have a connection each, though the address is the same.
        let endpoint = Endpoint::new(peer.target.clone(), Connector::new());
        for i in 0..services {
            monitor.add_endpoint(&endpoint, &name(i))?;
        }
    }
    let mut seen = 0;
    let mut serving = 0;
    while serving < pairs {
        let pair = changes.next().await.ok_or("the monitor is gone")?;
        seen += 1;
        serving += usize::from(pair.state.is_serving());
    }
    row(
        "connect",
        memory()?.0,
        cpu::time()? - before,
        seen,
        begun.elapsed(),
    );

    let before = cpu::time()?;
    let seen = read(&mut changes, time).await;
    row("idle", memory()?.0, cpu::time()? - before, seen, time);

    let flips = FLIPS * u32::try_from(time.as_secs())? / 2 * 2 + 1;
    let (begun, before) = (Instant::now(), cpu::time()?);
    let stdin = peer.child.stdin.as_mut().ok_or("no stdin")?;
    writeln!(stdin, "{flips}")?;
    let mut seen = read(&mut changes, time + Duration::from_secs(1)).await;
    let cost = cpu::time()? - before;
    let mut line = String::new();
    peer.out.read_line(&mut line)?;
    let elapsed = begun.elapsed();
    // The last flip is to NOT_SERVING.
    while monitor
        .snapshot()
        .iter()
        .any(|pair| pair.state.is_serving())
    {
        seen += read(&mut changes, Duration::from_millis(10)).await;
    }
    row("flip storm", memory()?.1, cost, seen, elapsed);
    println!(
        "\nThe storm: {FLIPS} flips of each service in a second, {} in all. Its memory is the highest. A server that is slower than the \
         flips sends only the latest status.",
        u64::from(flips) * pairs as u64
    );
    Ok(())
}

/// Reads changes for so long, and counts them.
async fn read(changes: &mut Changes, time: Duration) -> usize {
    let mut seen = 0;
    let reading = async {
        while changes.next().await.is_some() {
            seen += 1;
        }
    };
    let _ = tokio::time::timeout(time, reading).await;
    seen
}
