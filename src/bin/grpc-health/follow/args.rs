//! The arguments of `watch` and `wait`.

use std::time::Duration;

use clap::Args;
use grpc_health::client::{ReportedStatus, Target};

use crate::{place::Place, query::Connecting, values::duration};

#[derive(Debug, Args)]
#[command(after_help = WATCH_NOTES)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(super) targets: Targets,
    /// Watch every service that the servers list, for the targets that name no service. Asks for the list again every so often (--relist)
    /// to find new names.
    #[arg(long, conflicts_with = "service")]
    pub(super) all: bool,
    /// How often to ask each server for its list of services.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration, requires = "all")]
    pub(super) relist: Duration,
    /// How long the first status of a service may take, such as 500ms, 1s or 2m.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Print one line for each change on a terminal, too, in place of the table.
    #[arg(long)]
    pub(super) lines: bool,
    /// Print one JSON object for each change, on one line.
    #[arg(long)]
    pub(super) json: bool,
    /// Open one Watch call, print each status alone on a line, and end with the call. Takes one target.
    #[arg(long, conflicts_with_all = ["all", "lines", "json"])]
    pub(super) no_reconnect: bool,
}

#[derive(Debug, Args)]
#[command(after_help = WAIT_NOTES)]
pub(crate) struct WaitArgs {
    #[command(flatten)]
    pub(super) targets: Targets,
    /// The state to wait for: serving, not-serving, unknown, service-unknown (the server has no such service), or unreachable (there is no
    /// connection to the server).
    #[arg(long, value_name = "STATE", default_value = "serving", value_parser = until)]
    pub(super) until: Until,
    /// How long to wait, such as 500ms, 30s or 2m.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Print nothing but errors.
    #[arg(short, long)]
    pub(super) quiet: bool,
}

/// The servers and services to follow.
#[derive(Debug, Args)]
pub(crate) struct Targets {
    /// The servers, each with a service: ADDR, or ADDR/SERVICE. ADDR is HOST:PORT, :PORT (this machine), unix:PATH, unix-abstract:NAME,
    /// dns:///HOST:PORT, ipv4:IP:PORT or ipv6:[IP]:PORT. Behind unix: no service can stand.
    #[arg(value_name = "ADDR[/SERVICE]", required = true, num_args = 1..)]
    pub(super) places: Vec<Place>,
    /// The service of the targets that name none. [default: the server as a whole]
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) service: String,
    #[command(flatten)]
    pub(super) connecting: Connecting,
}

impl Targets {
    /// The address and the service of each target.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&Target, &String)> {
        self.places.iter().map(|place| {
            let service = place.service.as_ref().unwrap_or(&self.service);
            (&place.addr, service)
        })
    }
}

/// A state to wait for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Until {
    Reported(ReportedStatus),
    Unreachable,
}

fn until(text: &str) -> Result<Until, String> {
    let status = match text {
        "serving" => ReportedStatus::SERVING,
        "not-serving" => ReportedStatus::NOT_SERVING,
        "unknown" => ReportedStatus::UNKNOWN,
        "service-unknown" => ReportedStatus::SERVICE_UNKNOWN,
        "unreachable" => return Ok(Until::Unreachable),
        _ => {
            return Err(format!(
                "'{text}' is none of serving, not-serving, unknown, service-unknown, unreachable"
            ));
        }
    };
    Ok(Until::Reported(status))
}

const WATCH_NOTES: &str = "\
Watches until Ctrl-C, SIGTERM, or until nobody reads stdout. A connection that breaks is made anew, after
a pause that grows from 1 s to 120 s.

On a terminal, --all and several targets are shown as a table that is redrawn in place. Otherwise each
change is a line. If a program reads stdout, the line has seven columns between tabs: the time (UTC), the
address, the service (empty: the server as a whole), the status, the previous status, the seconds that
the previous status lasted, and why there is no status. Beside the statuses of the protocol there are
UNREACHABLE (no connection) and FAILED (the call failed). At most 1,000 lines a second are printed: of a
service that changes faster, the latest status is. The table and the lines have colours on a terminal,
unless NO_COLOR is set or TERM is dumb. Backslashes, and characters that are not visible, are escaped; in the
reason also with --json.

With --all, at most 256 services of each server are watched, the first by name. A service that the list
has no longer is watched no longer, unless a target names the service.

With --no-reconnect, stdout gets nothing but STATUS lines, and the command ends with the call: at the end
of the connection, or if the first status takes longer than the timeout (exit code 3).

Examples:
  grpc-health watch localhost:50051/shop.Cart
  grpc-health watch --all localhost:50051 localhost:50052
  grpc-health watch 10.0.0.7:50051 10.0.0.8:50051 --service shop.Cart --json
  grpc-health watch localhost:50051 | awk -F'\\t' '$5 == \"SERVING\" { print $3, \"went down\" }'

Exit codes, by the last status of every service:
  0  SERVING, all of them
  1  bad arguments
  2  no connection to at least one server, or stdout cannot be written
  3  at least one RPC failed, and there is a connection to every server
  4  at least one status other than SERVING, and no RPC failed";

const WAIT_NOTES: &str = "\
Waits until all targets have the state at the same time. A connection that fails is tried again, after a
pause that grows from 100 ms to 2 s. Each change of a target is a line on stderr, and stdout gets nothing.

Examples:
  grpc-health wait localhost:50051                                   before a test
  grpc-health wait --timeout 2m db:50051/shop.Database cache:50051   in an init container
  grpc-health wait --until unreachable unix:/run/shop.sock           until the old server is gone

Exit codes:
  0  all targets have the state
  1  bad arguments
  After the timeout:
  2  no connection to at least one server that lacks the state
  3  at least one RPC failed, and there is a connection to every server
  4  at least one target has another status, and no RPC failed";
