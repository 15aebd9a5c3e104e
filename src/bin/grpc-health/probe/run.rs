//! Runs a probe: reads the flags, connects, asks, and says what came of it.

use std::{
    ffi::OsString,
    future::Future,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use grpc_health::{
    Code, Status,
    client::{Client, ConnectError, Connector, Target},
    tls::{ClientPem, ClientTls, TlsError},
};
use tokio::{
    runtime::Builder,
    time::{Instant, sleep},
};

use super::{
    durations::GoDuration,
    flags::{Flags, parse, usage},
    outcome::{Failure, Times, json},
    rules::{broken, metadata},
};
use crate::{
    interrupts::Interrupts,
    output::{line, log},
};

/// The pause between two attempts to connect, which doubles up to the longest pause.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

const CANCELLED: &str = "context canceled";

pub(crate) fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    ExitCode::from(exit(args))
}

fn exit(args: impl Iterator<Item = OsString>) -> u8 {
    let args: Vec<_> = match args.map(OsString::into_string).collect() {
        Ok(args) => args,
        Err(arg) => {
            let arg = arg.to_string_lossy();
            log(format_args!("error: the argument \"{arg}\" is not UTF-8"));
            return 1;
        }
    };
    let (flags, rest) = match parse(args) {
        Ok(parsed) => parsed,
        Err(error) => {
            if let Some(error) = error {
                log(error);
            }
            let _ = io::stderr().lock().write_all(usage().as_bytes());
            return 1;
        }
    };
    if flags.version {
        let _ = line(concat!("grpc-health ", env!("CARGO_PKG_VERSION")));
        return 0;
    }
    if let Some(first) = rest.first() {
        log(format_args!(
            "warning: flags end at \"{first}\": this argument, and all behind it, have no effect"
        ));
    }
    let mut times = Times::default();
    let result = probe(&flags, &mut times);
    match &result {
        Ok(()) => log("status: SERVING"),
        Err(failure) => {
            log(failure.text(&flags));
            if let Some(hint) = failure.hint() {
                log(format_args!("hint: {hint}"));
            }
        }
    }
    if flags.json {
        let _ = line(json(&flags, times, &result));
    }
    result.map_or_else(|failure| failure.exit(&flags), |()| 0)
}

fn probe(flags: &Flags, times: &mut Times) -> Result<(), Failure> {
    if let Some(rule) = broken(flags) {
        return Err(Failure::Arguments(rule));
    }
    let metadata = metadata(flags).map_err(Failure::Arguments)?;
    if flags.verbose {
        log_options(flags);
    }
    if flags.alts {
        let why = "-alts cannot be used: ALTS is not built in (it works on Google Cloud alone)";
        return Err(Failure::Arguments(why.to_owned()));
    }
    if flags.spiffe {
        return Err(Failure::Spiffe);
    }
    let connector = Connector::new()
        .user_agent(&flags.user_agent)
        .map_err(|error| Failure::Arguments(format!("invalid -user-agent: {error}")))?;
    let connector = if flags.tls {
        secure(connector, flags).map_err(|error| Failure::Credentials(error.to_string()))?
    } else {
        connector
    };
    let target: Target = flags
        .addr
        .parse()
        .map_err(|error| Failure::Connect(format!("{error}")))?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::System(format!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(async {
        let mut interrupts = Interrupts::new()
            .map_err(|error| Failure::System(format!("cannot receive signals: {error}")))?;
        let end = Ends::new(flags);
        let client = connect(&connector, &target, flags, end, times, &mut interrupts).await?;
        let client = client.with_metadata(metadata);
        ask(client, flags, end, times, &mut interrupts).await
    });
    // The process ends now. Ending the runtime first would cost time, and would wait for a thread that resolves a name.
    std::mem::forget(runtime);
    result
}

fn secure(connector: Connector, flags: &Flags) -> Result<Connector, TlsError> {
    let mut pem = match (flags.tls_no_verify, flags.tls_ca_cert.as_str()) {
        (true, _) => ClientPem::dangerous_trust_any_server(),
        (false, "") => ClientPem::native_roots(),
        (false, ca) => ClientPem::read(Path::new(ca))?,
    };
    if !flags.tls_client_cert.is_empty() {
        let (cert, key) = (&flags.tls_client_cert, &flags.tls_client_key);
        pem = pem.read_identity(cert.as_ref(), key.as_ref())?;
    }
    let connector = connector.tls(&ClientTls::from_pem(&pem)?);
    Ok(match flags.tls_server_name.as_str() {
        "" => connector,
        name => connector.server_name(name),
    })
}

/// The end of `-timeout`.
#[derive(Clone, Copy)]
struct Ends {
    overall: GoDuration,
    end: Option<Instant>,
}

impl Ends {
    fn new(flags: &Flags) -> Self {
        let overall = flags.timeout;
        let limit = overall.to_std().filter(|limit| !limit.is_zero());
        Self {
            overall,
            end: limit.and_then(|limit| Instant::now().checked_add(limit)),
        }
    }

    /// The time for a part with a limit of its own, and the flag's value that decides.
    fn limit(self, own: GoDuration) -> (Duration, GoDuration) {
        // The rules have refused what is less than nothing.
        let limit = own.to_std().unwrap_or_default();
        let left = self
            .end
            .map(|end| end.saturating_duration_since(Instant::now()));
        match left {
            Some(left) if left < limit => (left, self.overall),
            _ => (limit, own),
        }
    }
}

async fn connect(
    connector: &Connector,
    target: &Target,
    flags: &Flags,
    ends: Ends,
    times: &mut Times,
    interrupts: &mut Interrupts,
) -> Result<Client, Failure> {
    if flags.verbose {
        log("establishing connection");
    }
    let start = Instant::now();
    let (limit, said) = ends.limit(flags.connect_timeout);
    let attempts = attempts(connector, target, limit, flags.connect_retry);
    let client = match unless(interrupts, attempts).await {
        None => return Err(Failure::Connect(CANCELLED.to_owned())),
        Some(Ok(client)) => client,
        Some(Err(error)) if flags.connect_retry => {
            return Err(Failure::ConnectTimeout(said, error.to_string()));
        }
        Some(Err(error)) => return Err(Failure::connect(&error, said)),
    };
    let took = start.elapsed();
    times.connect = Some(took);
    if flags.verbose {
        let took = GoDuration::from(took);
        log(format_args!("connection established (took {took})"));
    }
    Ok(client)
}

/// Connects, once or until the time is over. The error is that of the last attempt.
async fn attempts(
    connector: &Connector,
    target: &Target,
    limit: Duration,
    retry: bool,
) -> Result<Client, ConnectError> {
    let end = Instant::now().checked_add(limit);
    let mut left = limit;
    let mut pause = FIRST_PAUSE;
    loop {
        let attempt = connector.clone().timeout(left).connect(target).await;
        let Err(error) = attempt else {
            return attempt;
        };
        if !retry {
            return Err(error);
        }
        left = end.map_or(limit, |end| end.saturating_duration_since(Instant::now()));
        sleep(pause.min(left)).await;
        if left <= pause {
            return Err(error);
        }
        left -= pause;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

async fn ask(
    client: Client,
    flags: &Flags,
    ends: Ends,
    times: &mut Times,
    interrupts: &mut Interrupts,
) -> Result<(), Failure> {
    let start = Instant::now();
    let (limit, said) = ends.limit(flags.rpc_timeout);
    let client = client.with_timeout(limit);
    let client = if flags.gzip {
        client.with_gzip()
    } else {
        client
    };
    let cancelled = || Err(Status::new(Code::CANCELLED, CANCELLED));
    let asked = unless(interrupts, client.check(&flags.service)).await;
    let status = asked
        .unwrap_or_else(cancelled)
        .map_err(|status| Failure::Rpc(status, said))?;
    let took = start.elapsed();
    times.rpc = Some(took);
    if !status.is_serving() {
        return Err(Failure::Unhealthy(status));
    }
    if flags.verbose {
        let connect = times.connect.unwrap_or_default();
        let (connect, rpc) = (GoDuration::from(connect), GoDuration::from(took));
        log(format_args!("time elapsed: connect={connect} rpc={rpc}"));
    }
    Ok(())
}

/// The work's result; `None` if a signal comes first.
async fn unless<T>(interrupts: &mut Interrupts, work: impl Future<Output = T>) -> Option<T> {
    let done = interrupts.until(work).await;
    if done.is_none() {
        log("cancellation received");
    }
    done
}

/// What `-v` says first. Values of headers may be secrets.
fn log_options(flags: &Flags) {
    log("parsed options:");
    log(format_args!(
        "> addr={} conn_timeout={} rpc_timeout={}",
        flags.addr, flags.connect_timeout, flags.rpc_timeout
    ));
    if !flags.rpc_headers.is_empty() {
        let names: Vec<_> = flags.rpc_headers.iter().map(|(name, _)| &**name).collect();
        log(format_args!("> rpc-headers={}", names.join(",")));
    }
    log(format_args!("> tls={}", flags.tls));
    if flags.tls {
        log(format_args!("  > no-verify={} ", flags.tls_no_verify));
        log(format_args!("  > ca-cert={}", flags.tls_ca_cert));
        log(format_args!("  > client-cert={}", flags.tls_client_cert));
        log(format_args!("  > client-key={}", flags.tls_client_key));
        log(format_args!("  > server-name={}", flags.tls_server_name));
    }
    log(format_args!("> alts={}", flags.alts));
    log(format_args!("> spiffe={}", flags.spiffe));
}
