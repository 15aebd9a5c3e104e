//! The command line.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use grpc_health::{ServingStatus, client};

use crate::{
    tls::{ServeTls, TargetTls},
    values::{Listen, duration, duration_or_none, listen, mode, service},
};

const EXIT_CODES: &str = "\
Exit codes:
  0  SERVING (serve: drained; list: every service is SERVING)
  1  bad arguments (serve: or certificates that cannot be used)
  2  no connection, or certificates that cannot be used (serve: cannot listen)
  3  the RPC failed
  4  any other status than SERVING (list: of any service)";

const WATCH_NOTES: &str = "\
Runs until the server ends the call or the connection breaks (exit code 3), or until nobody reads
stdout (exit code 0 or 4, after the last status).";

const LIST_NOTES: &str = "\
One line per service, sorted by name: NAME, a tab, STATUS. The server as a whole has the empty
name. Backslashes, and characters that are not visible, are escaped in names.";

/// The gRPC Health Checking Protocol, both ends of it.
#[derive(Debug, Parser)]
#[command(name = "grpc-health", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve fixed statuses until SIGTERM or SIGINT, then drain; a second signal ends at once.
    Serve(ServeArgs),
    /// Ask for one service's status, and print it.
    #[command(after_help = EXIT_CODES)]
    Check(CheckArgs),
    /// Print one service's status, and each change of it.
    #[command(after_help = WATCH_NOTES)]
    Watch(WatchArgs),
    /// Print all services and their statuses.
    #[command(after_help = LIST_NOTES)]
    List(ListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on: IP:PORT, HOST:PORT (every address of the name), or :PORT (every address
    /// of the machine, IPv6 and IPv4); repeatable. Port 0 takes a free one, printed as "listening on
    /// ADDR". [default: 127.0.0.1:50051] unless there is a Unix socket or one from systemd.
    #[arg(long, value_name = "ADDR", value_parser = listen)]
    pub(crate) listen: Vec<Listen>,
    /// Address to listen on without TLS, beside those that have it; repeatable. Unix sockets never
    /// have it.
    #[arg(long, value_name = "ADDR", requires = "tls_cert", value_parser = listen)]
    pub(crate) listen_plain: Vec<Listen>,
    #[command(flatten)]
    pub(crate) tls: ServeTls,
    /// Unix domain socket to listen on, printed as "listening on unix:PATH"; repeatable. @NAME is
    /// an abstract name of Linux.
    #[arg(long, value_name = "PATH")]
    pub(crate) unix: Vec<PathBuf>,
    /// Permissions of Unix sockets' files, in octal; to connect takes the one to write.
    #[arg(long, value_name = "MODE", default_value = "600", value_parser = mode)]
    pub(crate) unix_mode: u32,
    /// A service and its status: NAME, or NAME=serving, NAME=not-serving, NAME=unknown; repeatable.
    /// The empty name is the server as a whole, SERVING unless set.
    #[arg(long, value_name = "NAME[=STATUS]", value_parser = service)]
    pub(crate) service: Vec<(String, ServingStatus)>,
    /// A service that stays as it is while the server drains, such as one for liveness; repeatable.
    #[arg(long, value_name = "NAME")]
    pub(crate) pin: Vec<String>,
    /// Tell clients what can be called: grpc.reflection.v1 and v1alpha, for grpcurl and its like.
    #[arg(long)]
    pub(crate) reflection: bool,
    /// How long to go on as before once the drain is announced, so that balancers notice.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration_or_none)]
    pub(crate) drain_linger: Duration,
    /// How long calls may take to complete after that.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration_or_none)]
    pub(crate) drain_deadline: Duration,
    /// Serve with N worker threads, in place of the main thread alone.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
}

#[derive(Debug, Args)]
pub(crate) struct Target {
    /// HOST:PORT, or :PORT for this machine; unix:PATH, unix-abstract:NAME, or another of gRPC's names:
    /// dns:///HOST:PORT, ipv4:IP:PORT, ipv6:[IP]:PORT.
    #[arg(value_name = "ADDR")]
    pub(crate) addr: client::Target,
    /// How long connecting may take, such as 500ms, 1s or 2m: until the server shows that it speaks
    /// HTTP/2.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(crate) connect_timeout: Duration,
    #[command(flatten)]
    pub(crate) tls: TargetTls,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The service to ask for; the server as a whole if not given.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) service: String,
    /// How long the call may take.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The service to watch; the server as a whole if not given.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) service: String,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// How long the call may take.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
