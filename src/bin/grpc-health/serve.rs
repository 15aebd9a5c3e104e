//! `serve`: a server of fixed statuses.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    process,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use grpc_health::{
    HealthService, Registry, Server, ServingStatus,
    reflection::{Index, Reflection},
    router::Router,
    service::Service,
    tls::ServerTls,
};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    task::spawn_blocking,
};

use crate::{
    args::ServeArgs,
    listen,
    metrics::Metrics,
    output::{Exit, log},
    probers::Probers,
    sidecar::{self, Sidecar, Source, report},
    systemd::Systemd,
    tls,
};

/// How long a client may be silent before the server sends a PING.
const KEEPALIVE: Duration = Duration::from_secs(60);

pub(crate) fn run(args: &ServeArgs) -> Exit {
    if let Some(why) = listen::missing_sockets() {
        log(format_args!("error: cannot listen on {why}"));
        return Exit::Connect;
    }
    let registry = Registry::new();
    if args.reasons {
        registry.record_history(0);
    }
    for (name, status) in &args.service {
        if let Err(error) = registry.set_service_status(name, *status) {
            log(format_args!("error: --service \"{name}\": {error}"));
            return Exit::Arguments;
        }
    }
    let sidecar = Sidecar::new(registry.clone());
    let services = args.service.iter().map(|(name, _)| name.clone());
    let source = Source::new(&args.sidecar, services)
        .needing("--pin", &args.pin)
        .needing("--watchdog", &args.watchdog)
        .needing("--live-service", args.balancers.live_service());
    let source = Arc::new(source);
    let runtime = match runtime(args) {
        Ok(runtime) => runtime,
        Err(error) => {
            log(format_args!("error: cannot start the runtime: {error}"));
            return Exit::Connect;
        }
    };
    let exit = runtime.block_on(async {
        let exit = serve(args, registry, &sidecar, source).await;
        sidecar.stop().await;
        exit
    });
    // The read of a file, or of a name's addresses, or of a check's, may hang for ever: nobody waits for it.
    runtime.shutdown_background();
    exit
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

async fn serve(
    args: &ServeArgs,
    registry: Registry,
    sidecar: &Sidecar,
    source: Arc<Source>,
) -> Exit {
    // Before the first line on stdout, since its reader may send a signal at once. And before any file is read: a SIGHUP says that what
    // was read is old.
    let handlers = || Ok::<_, io::Error>((Signals::new()?, tls::hangups()?, tls::hangups()?));
    let (mut signals, tls_hangups, file_hangups) = match handlers() {
        Ok(handlers) => handlers,
        Err(error) => {
            log(format_args!("error: cannot handle signals: {error}"));
            return Exit::Connect;
        }
    };
    let starting = start_sidecar(args, &registry, sidecar, &source);
    match signals.before(pin!(starting)).await {
        Some(Ok(())) => {}
        Some(Err(exit)) => return exit,
        None => return stopped_early(),
    }
    // Before the server is made, which keeps the recorder's handles.
    let probers = Probers::default();
    let page = match &args.metrics {
        None => {
            probers.note_only();
            None
        }
        Some(addr) => match signals.before(pin!(Metrics::start(addr, &probers))).await {
            Some(Ok(page)) => Some(page),
            Some(Err(error)) => {
                log(format_args!("error: {error}"));
                return Exit::Connect;
            }
            None => return stopped_early(),
        },
    };
    let service = HealthService::new(registry.clone()).reasons(args.reasons);
    let mut router = Router::new(service);
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
    let server = match args.balancers.options() {
        Ok(options) => server.with_listen_options(options),
        Err(error) => {
            log(format_args!("error: {error}"));
            return Exit::Arguments;
        }
    };
    let listening = pin!(start_listening(&server, args));
    let tls = match signals.before(listening).await {
        Some(Ok(tls)) => tls,
        Some(Err(exit)) => return exit,
        None => return stopped_early(),
    };
    let control = match &args.sidecar.control {
        None => None,
        Some(path) => match sidecar::listen(sidecar, path).await {
            Ok(control) => {
                tokio::spawn(control.serve());
                Some(control)
            }
            Err(error) => {
                let path = path.display();
                log(format_args!("error: cannot listen on {path}: {error}"));
                return Exit::Connect;
            }
        },
    };
    let has_files = source.has_files();
    if has_files {
        tokio::spawn(sidecar.clone().follow(source, file_hangups));
    }
    match tls {
        Some(tls) => drop(tokio::spawn(args.tls.clone().follow(tls, tls_hangups))),
        None if has_files => {}
        None => drop(tokio::spawn(tls::ignore(tls_hangups))),
    }
    listen::say(&server);
    if let Some(page) = page {
        page.say();
        tokio::spawn(page.serve());
    }

    let systemd = Systemd::from_env();
    systemd.ready().await;
    tokio::spawn(feed(systemd.clone(), args, registry, sidecar.clone()));

    let stopping = sidecar.clone();
    let warning = args.drain_linger.is_zero().then_some(probers);
    let shutdown = async move {
        signals.next().await;
        log("draining");
        if let Some(warning) = warning.and_then(|probers| probers.warning()) {
            log(warning);
        }
        stopping.drains();
        if let Some(control) = control {
            control.drain_handle().begin();
        }
        tokio::spawn(async move {
            signals.next().await;
            log("stopping at once");
            stopping.stop().await;
            process::exit(0);
        });
        systemd.stopping().await;
    };
    match server.serve_with_shutdown(shutdown).await {
        Ok(()) => Exit::Serving,
        Err(error) => {
            log(format_args!("error: {error}"));
            Exit::Connect
        }
    }
}

/// Tells systemd that the server is alive: the runtime runs, and the service of `--watchdog` is SERVING or the server drains.
fn feed(
    systemd: Systemd,
    args: &ServeArgs,
    registry: Registry,
    sidecar: Sidecar,
) -> impl Future<Output = ()> + use<> {
    let service = args.watchdog.clone();
    async move {
        let is_alive = move || {
            let status = service
                .as_deref()
                .map(|name| registry.get_service_status(name));
            sidecar.is_draining() || status.is_none_or(|status| status == ServingStatus::Serving)
        };
        systemd.feed(is_alive).await;
    }
}

/// Called when a signal comes before the server listens.
fn stopped_early() -> Exit {
    log("stopped before the server listened");
    Exit::Serving
}

/// Reads what the sidecar is to do, runs it, and pins services. The read may take for ever, and may be given up.
async fn start_sidecar(
    args: &ServeArgs,
    registry: &Registry,
    sidecar: &Sidecar,
    source: &Arc<Source>,
) -> Result<(), Exit> {
    if let Err(errors) = sidecar.load(source).await {
        report(&errors);
        return Err(Exit::Arguments);
    }
    for name in &args.pin {
        if let Err(error) = registry.pin(name) {
            log(format_args!("error: --pin \"{name}\": {error}"));
            return Err(Exit::Arguments);
        }
    }
    Ok(())
}

/// Reads the certificates and adds the listeners. Both may take for ever, and may be given up.
async fn start_listening<S: Service>(
    server: &Server<S>,
    args: &ServeArgs,
) -> Result<Option<ServerTls>, Exit> {
    let files = args.tls.clone();
    let read = spawn_blocking(move || files.load()).await;
    let tls = match read {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => {
            log(format_args!("error: {error}"));
            return Err(Exit::Arguments);
        }
        Err(error) => {
            log(format_args!("error: cannot read the certificates: {error}"));
            return Err(Exit::Arguments);
        }
    };
    match listen::all(server, args, tls.as_ref()).await {
        Ok(()) => Ok(tls),
        Err(error) => {
            log(format_args!("error: cannot listen on {error}"));
            Err(Exit::Connect)
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
        poll_fn(|cx| self.poll_next(cx)).await;
    }

    /// Waits for `work`. Returns `None` if a signal comes first.
    async fn before<F: Future + Unpin>(&mut self, mut work: F) -> Option<F::Output> {
        poll_fn(|cx| match self.poll_next(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => Pin::new(&mut work).poll(cx).map(Some),
        })
        .await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.terminate.poll_recv(cx).is_ready() || self.interrupt.poll_recv(cx).is_ready() {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
