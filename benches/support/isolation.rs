//! What the health server and the application do to each other, where the server has a thread of its own, where it shares the application's
//! runtime, and where tonic-health does. `scripts/bench-isolation.sh` runs it. All times are microseconds.
//!
//! * `bench_isolation blocked WHERE SECONDS asleep|busy`: a thousand Checks a second, while the application's runtime is idle and then
//!   while every worker of the runtime is blocked. Prints the median and the 99.9th percentile of both, how many Checks of the second
//!   part were not answered within a second, and how many there were.
//! * `bench_isolation timer WHERE SECONDS CPU`: a timer of the application, a thousand times a second, alone and then beside ten thousand
//!   Checks a second, whose clients run on CPU. Prints the median and the 99.9th percentile of the lateness of both, and the Checks per
//!   second.
//!
//! WHERE is `thread`, `thread:CPU`, `shared` or `tonic`. The clients are processes of their own: `bench_isolation probe|load ADDR`.

mod client;

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use client::{BoxError, Client};
use grpc_health::{HealthService, Registry, Server, server};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::transport::server::TcpIncoming;

const USAGE: &str = "usage: bench_isolation blocked WHERE SECONDS asleep|busy | timer WHERE SECONDS CPU | probe|load ADDR";

/// The workers of a runtime that is blocked.
const WORKERS: usize = 2;
const CONNECTIONS: usize = 4;
const TICK: Duration = Duration::from_millis(1);
/// When a Check counts as not answered.
const TIMEOUT: Duration = Duration::from_secs(1);

fn main() -> Result<(), BoxError> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["blocked", place, seconds, how] => blocked(place, seconds, how == "busy"),
        ["timer", place, seconds, cpu] => timer(place, seconds.parse()?, cpu),
        ["probe", addr] => obey(addr, 1, 1),
        ["load", addr] => obey(addr, CONNECTIONS, 10),
        _ => Err(USAGE.into()),
    }
}

fn blocked(place: &str, seconds: &str, busy: bool) -> Result<(), BoxError> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()?;
    let this = env::current_exe()?;
    let mut probe = Peer::start(
        Command::new(this).arg("probe"),
        serve(place, runtime.handle())?,
    )?;
    let [idle, idle_tail, ..] = probe.run(seconds)?;
    // Each task holds one worker: together they meet only if they have all workers.
    let (begin, end) = (
        Arc::new(Barrier::new(WORKERS + 1)),
        Arc::new(Barrier::new(WORKERS + 1)),
    );
    let over = Arc::new(AtomicBool::new(false));
    for _ in 0..WORKERS {
        let (begin, end, over) = (Arc::clone(&begin), Arc::clone(&end), Arc::clone(&over));
        runtime.spawn(async move {
            begin.wait();
            while busy && !over.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
            end.wait();
        });
    }
    begin.wait();
    let [median, tail, missed, checks] = probe.run(seconds)?;
    over.store(true, Ordering::Relaxed);
    end.wait();
    println!("{idle} {idle_tail} {median} {tail} {missed} {checks}");
    Ok(())
}

fn timer(place: &str, seconds: usize, cpu: &str) -> Result<(), BoxError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let addr = serve(place, runtime.handle())?;
    // The application's only thread, on which a shared server runs as well.
    let application = runtime.handle().clone();
    thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    let mut load = Peer::start(
        Command::new("taskset")
            .args(["-c", cpu])
            .arg(env::current_exe()?)
            .arg("load"),
        addr,
    )?;
    load.run("1")?; // warm-up
    let (alone, alone_tail) = lateness(&application, seconds);
    load.send(&seconds.to_string())?;
    let (median, tail) = lateness(&application, seconds);
    let [_, _, missed, checks] = load.answer()?;
    let checks = checks.saturating_sub(missed) / seconds as u128;
    println!("{alone} {alone_tail} {median} {tail} {checks}");
    Ok(())
}

/// How late a task of the application hears of a timer: the median and the 99.9th percentile.
///
/// The timer is a thread: tokio's own timers are as coarse as the millisecond between two of them.
fn lateness(application: &Handle, seconds: usize) -> (u128, u128) {
    let (events, mut arriving) = mpsc::unbounded_channel::<Instant>();
    let mut late = Vec::with_capacity(1_000 * seconds);
    let (tell, told) = std::sync::mpsc::channel();
    application.spawn(async move {
        while let Some(due) = arriving.recv().await {
            late.push(due.elapsed());
        }
        let _ = tell.send(late);
    });
    let mut due = Instant::now();
    for _ in 0..1_000 * seconds {
        due += TICK;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let _ = events.send(due);
    }
    drop(events);
    percentiles(told.recv().unwrap_or_default())
}

/// The median and the 99.9th percentile.
fn percentiles(mut times: Vec<Duration>) -> (u128, u128) {
    times.sort_unstable();
    let at = |per_mille| times.get(times.len() * per_mille / 1_000);
    let micros = |time: Option<&Duration>| time.map_or(0, Duration::as_micros);
    (micros(at(500)), micros(at(999)))
}

/// Begins the server at `place`, in `application` or outside it.
fn serve(place: &str, application: &Handle) -> Result<SocketAddr, BoxError> {
    let _context = application.enter();
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let addr = listener.local_addr()?;
    if place == "tonic" {
        let (_, health) = tonic_health::server::health_reporter();
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let server = tonic::transport::Server::builder().add_service(health);
        application.spawn(server.serve_with_incoming(incoming));
        return Ok(addr);
    }
    let (place, cpu) = match place.split_once(':') {
        Some((place, cpu)) => (place, Some(cpu.parse()?)),
        None => (place, None),
    };
    let builder = Server::builder().service(HealthService::new(Registry::new()));
    let server = on_cpu(builder, cpu)?.build();
    server.add_listener(listener)?;
    match place {
        "thread" => drop(server.spawn_thread()?),
        "shared" => drop(application.spawn(server.serve())),
        _ => return Err(USAGE.into()),
    }
    Ok(addr)
}

type OurBuilder = server::Builder<HealthService>;

fn on_cpu(builder: OurBuilder, cpu: Option<usize>) -> Result<OurBuilder, BoxError> {
    #[cfg(all(feature = "affinity", target_os = "linux"))]
    if let Some(cpu) = cpu {
        return Ok(builder.thread_cpu(cpu));
    }
    match cpu {
        None => Ok(builder),
        Some(_) => Err("a CPU needs the feature affinity, and Linux".into()),
    }
}

/// A client in a process of its own.
struct Peer {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(command: &mut Command, addr: SocketAddr) -> Result<Self, BoxError> {
        let mut child = command
            .arg(addr.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let commands = child.stdin.take().ok_or("no stdin")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut peer = Self {
            child,
            commands,
            answers,
        };
        let [] = peer.answer()?; // connected
        Ok(peer)
    }

    fn send(&mut self, seconds: &str) -> io::Result<()> {
        writeln!(self.commands, "{seconds}")
    }

    fn answer<const N: usize>(&mut self) -> Result<[u128; N], BoxError> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let numbers = line.split_whitespace().map(str::parse);
        let numbers = numbers.collect::<Result<Vec<u128>, _>>()?;
        let failed = |_| format!("the client answered {line:?}").into();
        numbers.try_into().map_err(failed)
    }

    fn run(&mut self, seconds: &str) -> Result<[u128; 4], BoxError> {
        self.send(seconds)?;
        self.answer()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Connects, prints an empty line, and answers each line of stdin, a number of seconds, by one: the median and the 99.9th percentile of the
/// Checks that were answered, how many were not, and how many there were.
fn obey(addr: &str, connections: usize, each_tick: usize) -> Result<(), BoxError> {
    let runtime: Runtime = Builder::new_current_thread().enable_all().build()?;
    let clients = runtime.block_on(async {
        let mut clients = Vec::new();
        for _ in 0..connections {
            let socket = TcpStream::connect(addr).await?;
            socket.set_nodelay(true)?;
            let mut client = Client::handshake(socket).await?;
            client.check().await?;
            clients.push(client);
        }
        Ok::<_, BoxError>(clients)
    })?;
    println!();
    for line in io::stdin().lock().lines() {
        let seconds: usize = line?.trim().parse()?;
        let times = runtime.block_on(checks(&clients, each_tick, 1_000 * seconds));
        let all = times.len();
        let answered: Vec<Duration> = times.into_iter().flatten().collect();
        let missed = all - answered.len();
        let (median, tail) = percentiles(answered);
        println!("{median} {tail} {missed} {all}");
    }
    Ok(())
}

/// So many Checks in each of so many ticks, whether earlier ones are answered or not.
async fn checks(clients: &[Client], each_tick: usize, ticks: usize) -> Vec<Option<Duration>> {
    let mut calls = JoinSet::new();
    let mut interval = tokio::time::interval(TICK);
    for _ in 0..ticks {
        interval.tick().await;
        for (_, client) in (0..each_tick).zip(clients.iter().cycle()) {
            let mut client = client.clone();
            calls.spawn(async move {
                let began = Instant::now();
                let answer = tokio::time::timeout(TIMEOUT, client.check()).await;
                answer.ok()?.ok().map(|()| began.elapsed())
            });
        }
    }
    let mut times = Vec::with_capacity(calls.len());
    while let Some(time) = calls.join_next().await {
        times.push(time.ok().flatten());
    }
    times
}
