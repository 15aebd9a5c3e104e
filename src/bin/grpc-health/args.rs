//! The command line.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use grpc_health::{ServingStatus, client};

use crate::{
    balancers::Balancers,
    control::{self, AllArgs, NameArgs, SetArgs},
    sidecar::{self, SidecarArgs},
    tls::{ServeTls, TargetTls},
    values::{Listen, duration, duration_or_none, listen, mode, service},
};

const EXIT_CODES: &str = "\
Exit codes:
  0  SERVING (serve: drained; list: every service is SERVING)
  1  bad arguments (serve: or certificates that cannot be used)
  2  no connection, or certificates that cannot be used (serve: cannot listen)
  3  the RPC failed
  4  a status other than SERVING (list: of at least one service)";

const WATCH_NOTES: &str = "\
Runs until the server ends the call or the connection breaks, or the first status takes longer than
the timeout (exit code 3), or until nobody reads stdout (exit code 0 or 4, after the last status).";

const LIST_NOTES: &str = "\
One line per service, sorted by name: NAME, a tab, STATUS. With --reasons, two more columns: since
when, and the reason. The server as a whole has the empty name. Backslashes, and characters that
are not visible, are escaped in names and reasons.";

/// Serve health statuses, and ask servers for health statuses (gRPC Health Checking Protocol).
#[derive(Debug, Parser)]
#[command(name = "grpc-health", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve statuses until SIGTERM or SIGINT, then drain. A second signal ends the server at once. The statuses are fixed, or decided by
    /// checks.
    #[command(after_long_help = serve_notes())]
    Serve(Box<ServeArgs>),
    /// Print one service's status.
    #[command(after_help = EXIT_CODES)]
    Check(CheckArgs),
    /// Print one service's status, and every change of the status.
    #[command(after_help = WATCH_NOTES)]
    Watch(WatchArgs),
    /// Print all services and their statuses.
    #[command(after_help = LIST_NOTES)]
    List(ListArgs),
    /// Set a service's status, through a server's control socket.
    #[command(after_help = control::SET_NOTES)]
    Set(SetArgs),
    /// Make a service unknown, through a server's control socket.
    #[command(after_help = control::EXIT_CODES)]
    Clear(NameArgs),
    /// Renew a service's lease, through a server's control socket.
    #[command(after_help = control::BEAT_NOTES)]
    Beat(NameArgs),
    /// Show every service as NOT_SERVING, through a server's control socket. The server goes on.
    #[command(after_help = control::EXIT_CODES)]
    Shutdown(AllArgs),
    /// Undo "shutdown".
    #[command(after_help = control::EXIT_CODES)]
    Resume(AllArgs),
}

fn serve_notes() -> String {
    format!("{}\n\n{EXIT_CODES}", sidecar::NOTES)
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Listen on this TCP address; repeatable. ADDR is IP:PORT, HOST:PORT (every address of the name), or :PORT (every address of the
    /// machine, IPv6 and IPv4). Port 0 takes a free port. The command prints "listening on IP:PORT" for each address.
    /// [default: 127.0.0.1:50051] unless there is a Unix socket or a socket from systemd.
    #[arg(long, value_name = "ADDR", value_parser = listen)]
    pub(crate) listen: Vec<Listen>,
    /// Listen on this TCP address without TLS, next to the TLS listeners; repeatable. Unix sockets never use TLS.
    #[arg(long, value_name = "ADDR", requires = "tls_cert", value_parser = listen)]
    pub(crate) listen_plain: Vec<Listen>,
    #[command(flatten)]
    pub(crate) tls: ServeTls,
    /// Listen on this Unix domain socket; repeatable. @NAME is a name in Linux's abstract namespace. The command prints "listening on
    /// unix:PATH".
    #[arg(long, value_name = "PATH")]
    pub(crate) unix: Vec<PathBuf>,
    /// Permissions of the Unix sockets' files, in octal. A client needs write permission to connect.
    #[arg(long, value_name = "MODE", default_value = "600", value_parser = mode)]
    pub(crate) unix_mode: u32,
    /// Serve this service with this status; repeatable. STATUS is serving (the default), not-serving or unknown. The empty NAME is the
    /// server as a whole, which is SERVING unless set.
    #[arg(long, value_name = "NAME[=STATUS]", value_parser = service)]
    pub(crate) service: Vec<(String, ServingStatus)>,
    /// Keep the status of this service while the server drains, for example for liveness probes; repeatable.
    #[arg(long, value_name = "NAME")]
    pub(crate) pin: Vec<String>,
    /// Say in the trailers of Check why each service has its status, and since when. Every client may read the reasons.
    #[arg(long)]
    pub(crate) reasons: bool,
    #[command(flatten)]
    pub(crate) balancers: Balancers,
    /// Serve metrics for Prometheus at http://ADDR/metrics. ADDR is as in --listen, and of a name the first address that can be used. Anyone
    /// who can connect may read the names of the services. The command prints "metrics on http://IP:PORT/metrics".
    #[arg(long, value_name = "ADDR", value_parser = listen)]
    pub(crate) metrics: Option<Listen>,
    /// Serve reflection (grpc.reflection.v1 and v1alpha), so that tools such as grpcurl can list the methods.
    #[arg(long)]
    pub(crate) reflection: bool,
    /// How long to accept connections and calls after a drain has begun, so that balancers notice NOT_SERVING. Set this time if a balancer
    /// checks the server: the interval of the checks x the unhealthy threshold + 0.5 s, such as 10500ms for a check each 5 s and a
    /// threshold of 2; for Envoy 1 s more. With 0s, requests fail until the balancer's next checks.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration_or_none)]
    pub(crate) drain_linger: Duration,
    /// How long open calls may take to complete after the linger time.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration_or_none)]
    pub(crate) drain_deadline: Duration,
    /// Serve with N worker threads instead of the main thread alone.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) sidecar: SidecarArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The server's address: HOST:PORT, :PORT (this machine), unix:PATH, unix-abstract:NAME, dns:///HOST:PORT, ipv4:IP:PORT or
    /// ipv6:[IP]:PORT.
    #[arg(value_name = "ADDR")]
    pub(crate) addr: client::Target,
    /// How long connecting may take, until the server shows that it speaks HTTP/2; such as 500ms, 1s or 2m.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(crate) connect_timeout: Duration,
    #[command(flatten)]
    pub(crate) tls: TargetTls,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The service to ask for. [default: the server as a whole]
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) service: String,
    /// How long the call may take, such as 500ms, 1s or 2m.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Print STATUS, a tab, since when, a tab, and the reason. The last two are empty if the server does not say.
    #[arg(long)]
    pub(crate) reasons: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The service to watch. [default: the server as a whole]
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) service: String,
    /// How long the first status may take, such as 500ms, 1s or 2m.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// How long each call may take, such as 500ms, 1s or 2m.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Print also since when each service has its status, and the reason, between tabs. Both are empty if the server does not say. Checks
    /// each service once.
    #[arg(long)]
    pub(crate) reasons: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
