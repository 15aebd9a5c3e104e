//! The command line.

use std::{ffi::OsString, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use grpc_health::ServingStatus;

use crate::{
    balancers::Balancers,
    control::{self, AllArgs, NameArgs, SetArgs},
    follow::{WaitArgs, WatchArgs},
    pages::{CompletionsArgs, ManArgs},
    query::{CheckArgs, ListArgs},
    sidecar::{self, SidecarArgs},
    tls::ServeTls,
    values::{Listen, duration_or_none, listen, mode, service, threads},
};

const EXAMPLES: &str = "\
Examples:
  grpc-health serve --listen :50051 --service shop.Cart
  grpc-health check localhost:50051/shop.Cart
  grpc-health list localhost:50051
  grpc-health watch --all localhost:50051
  grpc-health wait --timeout 30s localhost:50051 && run-tests
Each subcommand has more of them: grpc-health help SUBCOMMAND.";

const SERVE_EXAMPLES: &str = "\
Examples:
  grpc-health serve --listen :50051 --service shop.Cart --service shop.Database=not-serving
  grpc-health serve --listen :50051 --tls-cert tls.crt --tls-key tls.key --listen-plain 127.0.0.1:50052
  grpc-health serve --unix /run/shop/health.sock --unix-mode 660
  grpc-health serve --listen :50051 --check 'db=tcp:127.0.0.1:5432' --drain-linger 5s";

const EXIT_CODES: &str = "\
Exit codes:
  0  SERVING (serve: drained; list, watch: every service is SERVING; wait: all have the status)
  1  bad arguments (serve: or certificates that cannot be used)
  2  no connection, or certificates that cannot be used, or stdout cannot be written (serve: cannot listen)
  3  the RPC failed
  4  a status other than SERVING (list, watch: of at least one service; wait: another status)";

/// Serve health statuses, and ask servers for health statuses (gRPC Health Checking Protocol).
#[derive(Debug, Parser)]
#[command(name = "grpc-health", version, after_help = notes())]
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
    /// Print one service's status, once or again and again with the latencies.
    Check(CheckArgs),
    /// Check one service as grpc_health_probe does, with its flags, texts and exit codes: see "grpc-health probe -h". A link to this
    /// program, or a copy, of the name grpc_health_probe does the same.
    #[command(disable_help_flag = true)]
    Probe(ProbeArgs),
    /// Print the statuses of services, and every change of a status.
    Watch(WatchArgs),
    /// Wait until services have a status.
    Wait(WaitArgs),
    /// Print all services and their statuses.
    List(ListArgs),
    /// Set a service's status, through a server's control socket.
    #[command(after_help = control::SET_NOTES)]
    Set(SetArgs),
    /// Make a service unknown, through a server's control socket.
    #[command(after_help = control::CLEAR_NOTES)]
    Clear(NameArgs),
    /// Renew a service's lease, through a server's control socket.
    #[command(after_help = control::BEAT_NOTES)]
    Beat(NameArgs),
    /// Show every service as NOT_SERVING, through a server's control socket. The server goes on.
    #[command(after_help = control::SHUTDOWN_NOTES)]
    Shutdown(AllArgs),
    /// Undo "shutdown".
    #[command(after_help = control::RESUME_NOTES)]
    Resume(AllArgs),
    /// Print the script with which a shell completes the arguments.
    Completions(CompletionsArgs),
    /// Print the manual page, or write the pages of all subcommands.
    Man(ManArgs),
}

fn notes() -> String {
    format!("{EXAMPLES}\n\n{EXIT_CODES}")
}

fn serve_notes() -> String {
    format!("{}\n\n{SERVE_EXAMPLES}\n\n{EXIT_CODES}", sidecar::NOTES)
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
    /// Serve metrics for Prometheus at http://ADDR/metrics. ADDR is as in --listen, and of a name the first address that can be used.
    /// Anyone who can connect may read the names of the services. The command prints "metrics on http://IP:PORT/metrics".
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
    /// Give systemd's watchdog (WatchdogSec=) a sign of life only while this service is SERVING, or the server drains. Without the option
    /// the server gives a sign of life as long as the server runs.
    #[arg(long, value_name = "NAME")]
    pub(crate) watchdog: Option<String>,
    /// Serve with N worker threads, at most 1024, instead of the main thread alone.
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) sidecar: SidecarArgs,
}

/// For the help alone: `main` runs a probe before these arguments are looked at.
#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// A flag of grpc_health_probe, such as -addr=localhost:50051.
    #[arg(
        value_name = "FLAG",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) flags: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
