//! `serve`: a server of fixed statuses.

use std::{future::poll_fn, io, process, task::Poll, time::Duration};

use grpc_health::{
    HealthService, Registry, Server,
    reflection::{Index, Reflection},
    router::Router,
};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{
    args::ServeArgs,
    listen,
    output::{Exit, log},
    tls,
};

/// How long a client may be silent before the server sends a PING.
const KEEPALIVE: Duration = Duration::from_secs(60);

pub(crate) fn run(args: &ServeArgs) -> Exit {
    let registry = Registry::new();
    for (name, status) in &args.service {
        if let Err(error) = registry.set_service_status(name, *status) {
            log(format_args!("error: --service \"{name}\": {error}"));
            return Exit::Arguments;
        }
    }
    for name in &args.pin {
        let is_service = name.is_empty() || args.service.iter().any(|(service, _)| service == name);
        if !is_service || registry.pin(name).is_err() {
            log(format_args!("error: --pin \"{name}\": no such --service"));
            return Exit::Arguments;
        }
    }
    let runtime = match runtime(args) {
        Ok(runtime) => runtime,
        Err(error) => {
            log(format_args!("error: cannot start the runtime: {error}"));
            return Exit::Connect;
        }
    };
    runtime.block_on(serve(args, registry))
}

fn runtime(args: &ServeArgs) -> io::Result<Runtime> {
    match args.threads {
        None => Builder::new_current_thread().enable_all().build(),
        Some(threads) => Builder::new_multi_thread()
            .worker_threads(threads.get())
            .enable_all()
            .build(),
    }
}

async fn serve(args: &ServeArgs, registry: Registry) -> Exit {
    // Before the first line on stdout, since its reader may send a signal at once.
    let (mut signals, hangups) = match Signals::new().and_then(|all| Ok((all, tls::hangups()?))) {
        Ok(signals) => signals,
        Err(error) => {
            log(format_args!("error: cannot handle signals: {error}"));
            return Exit::Connect;
        }
    };
    let mut router = Router::new(HealthService::new(registry));
    if args.reflection {
        match Index::builder().build() {
            Ok(index) => router = router.service(Reflection::new(index)),
            Err(error) => {
                log(format_args!("error: --reflection: {error}"));
                return Exit::Arguments;
            }
        }
    }
    let server = Server::builder()
        // Finds clients that are gone without a FIN. In the library the embedder decides.
        .keepalive_interval(Some(KEEPALIVE))
        .shutdown_linger(args.drain_linger)
        .shutdown_deadline(args.drain_deadline)
        .service(router)
        .build();
    let tls = match args.tls.load() {
        Ok(tls) => tls,
        Err(error) => {
            log(format_args!("error: {error}"));
            return Exit::Arguments;
        }
    };
    let server = match args.balancers.options() {
        Ok(options) => server.with_listen_options(options),
        Err(error) => {
            log(format_args!("error: {error}"));
            return Exit::Arguments;
        }
    };
    if let Err(error) = listen::all(&server, args, tls.as_ref()).await {
        log(format_args!("error: cannot listen on {error}"));
        return Exit::Connect;
    }
    match tls {
        Some(tls) => drop(tokio::spawn(args.tls.clone().follow(tls, hangups))),
        None => drop(tokio::spawn(tls::ignore(hangups))),
    }
    listen::say(&server);

    let shutdown = async move {
        signals.next().await;
        log("draining");
        tokio::spawn(async move {
            signals.next().await;
            log("stopping at once");
            process::exit(0);
        });
    };
    match server.serve_with_shutdown(shutdown).await {
        Ok(()) => Exit::Serving,
        Err(error) => {
            log(format_args!("error: {error}"));
            Exit::Connect
        }
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        poll_fn(|cx| {
            if self.terminate.poll_recv(cx).is_ready() || self.interrupt.poll_recv(cx).is_ready() {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}
