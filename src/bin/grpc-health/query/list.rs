//! `list`: ask for all services and their statuses.

use std::{collections::BTreeMap, io, time::Duration};

use clap::Args;
use grpc_health::{
    Code,
    client::{CheckDetails, Client, ReportedStatus, Target},
};

use super::{
    connecting::{Connecting, connect},
    failure::Failure,
    hints::Method,
    question::Reasoned,
};
use crate::{
    ask::ask,
    cells::{fill, width},
    escape::Escaped,
    json::Object,
    name::Named,
    output::{Exit, ended, line},
    since::Since,
    status::color_of,
    terminal::{Color, Terminal},
    values::duration,
};

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct ListArgs {
    /// The server's address: HOST:PORT, :PORT (this machine), unix:PATH, unix-abstract:NAME, dns:///HOST:PORT, ipv4:IP:PORT or
    /// ipv6:[IP]:PORT.
    #[arg(value_name = "ADDR")]
    addr: Target,
    #[command(flatten)]
    connecting: Connecting,
    /// How long each call may take, such as 500ms, 1s or 2m.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    timeout: Duration,
    /// Print also since when each service has its status, and the reason. Both are empty if the server does not say. Checks each service
    /// once.
    #[arg(long)]
    reasons: bool,
    /// Print one JSON object on one line.
    #[arg(long)]
    json: bool,
}

const NOTES: &str = "\
On a terminal the columns are aligned, and \"\" is the server as a whole. Elsewhere, for scripts: one line
per service, sorted by name: NAME, a tab, STATUS, and with --reasons a tab, since when, a tab, and the
reason; the server as a whole has the empty name. Backslashes, and characters that are not visible, are
escaped in names and reasons.

Examples:
  grpc-health list localhost:50051
  grpc-health list unix:/run/shop.sock --reasons
  grpc-health list localhost:50051 | awk -F'\\t' '$2 != \"SERVING\"'
  grpc-health list localhost:50051 --json

Exit codes:
  0  every service is SERVING
  1  bad arguments
  2  no connection, or certificates that cannot be used, or stdout cannot be written
  3  an RPC failed
  4  at least one service has a status other than SERVING";

/// A name and its status; with `--reasons` also what Check says.
struct Row {
    name: String,
    status: ReportedStatus,
    details: Option<CheckDetails>,
}

pub(crate) fn list(args: &ListArgs) -> Exit {
    ask(async {
        let terminal = Terminal::stdout();
        let failed = |failure: Failure| {
            if args.json {
                let object = object(args)
                    .plain("exit", failure.exit as u8)
                    .optional("code", failure.code)
                    .text("error", &failure.text);
                // If nobody reads stdout, stderr still says why.
                let _ = line(object.end());
            }
            failure.log()
        };
        let connector = args.connecting.connector(&args.addr)?;
        let client = connect(&connector, &args.addr).await.map_err(failed)?;
        let client = client.with_timeout(args.timeout);
        let calling = |status| failed(Failure::calling(Method::List, &args.addr, &status));
        let statuses = client.list().await.map_err(calling)?;
        // The rows decide, not the list: the status of a row may be newer.
        let exit = if args.json {
            let rows = rows(args, &client, statuses).await.map_err(failed)?;
            let exit = exit_of_all(rows.iter().map(|row| row.status));
            let object = object(args)
                .plain("exit", exit as u8)
                .list("services", rows.iter().map(Row::object));
            ended(line(object.end()), exit)
        } else if terminal.is_terminal {
            let rows = rows(args, &client, statuses).await.map_err(failed)?;
            let exit = exit_of_all(rows.iter().map(|row| row.status));
            ended(print_aligned(terminal, &rows), exit)
        } else {
            let printed = print_tabs(args, &client, statuses).await;
            let (written, shown) = printed.map_err(failed)?;
            ended(written, exit_of_all(shown.into_iter()))
        };
        Ok(exit)
    })
}

fn exit_of_all(mut statuses: impl Iterator<Item = ReportedStatus>) -> Exit {
    if statuses.all(ReportedStatus::is_serving) {
        Exit::Serving
    } else {
        Exit::NotServing
    }
}

fn object(args: &ListArgs) -> Object {
    Object::new().text("address", &args.addr)
}

async fn rows(
    args: &ListArgs,
    client: &Client,
    statuses: BTreeMap<String, ReportedStatus>,
) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for (name, status) in statuses {
        if let Some(row) = row(args, client, name, status).await? {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// `None` if the service has gone since it was listed.
async fn row(
    args: &ListArgs,
    client: &Client,
    name: String,
    status: ReportedStatus,
) -> Result<Option<Row>, Failure> {
    if !args.reasons {
        let details = None;
        return Ok(Some(Row {
            name,
            status,
            details,
        }));
    }
    match client.check_details(&name).await {
        // The status may have changed since it was listed.
        Ok(details) => Ok(Some(Row {
            name,
            status: details.status,
            details: Some(details),
        })),
        Err(error) if error.code() == Code::NOT_FOUND => Ok(None),
        Err(error) => Err(Failure::calling(Method::Check, &args.addr, &error)),
    }
}

/// Prints each row as soon as it is known, until stdout cannot be written. Returns the statuses of the rows, and for rows that are not
/// printed the listed ones.
async fn print_tabs(
    args: &ListArgs,
    client: &Client,
    statuses: BTreeMap<String, ReportedStatus>,
) -> Result<(io::Result<()>, Vec<ReportedStatus>), Failure> {
    let mut statuses = statuses.into_iter();
    let mut shown = Vec::new();
    while let Some((name, status)) = statuses.next() {
        let Some(row) = row(args, client, name, status).await? else {
            continue;
        };
        shown.push(row.status);
        let name = Escaped(&row.name);
        let printed = match &row.details {
            Some(details) => line(format_args!("{name}\t{}", Reasoned(details))),
            None => line(format_args!("{name}\t{}", row.status)),
        };
        if printed.is_err() {
            shown.extend(statuses.map(|(_, status)| status));
            return Ok((printed, shown));
        }
    }
    Ok((Ok(()), shown))
}

/// The widest column of names. A longer name moves the rest of its own line.
const NAMES: usize = 60;
/// As wide as `SERVICE_UNKNOWN`.
const STATUSES: usize = 15;
/// As wide as a moment.
const MOMENTS: usize = 24;

fn print_aligned(terminal: Terminal, rows: &[Row]) -> io::Result<()> {
    let names: Vec<String> = rows
        .iter()
        .map(|row| Named(&row.name).to_string())
        .collect();
    let longest = names.iter().map(|name| width(name)).max().unwrap_or(0);
    let column = longest.clamp("SERVICE".len(), NAMES);
    let reasons = rows.iter().any(|row| row.details.is_some());
    let more = if reasons {
        format!("{}  {:MOMENTS$}  REASON", fill("STATUS", STATUSES), "SINCE")
    } else {
        String::new()
    };
    let head = format!("SERVICE{}  STATUS{more}", fill("SERVICE", column));
    line(terminal.paint(Color::Bold, head))?;
    for (row, name) in rows.iter().zip(&names) {
        let status = row.status.to_string();
        let gap = fill(name, column);
        let begin = format!(
            "{name}{gap}  {}",
            terminal.paint(color_of(row.status), &status)
        );
        match &row.details {
            None => line(begin)?,
            Some(details) => {
                let gap = fill(&status, STATUSES);
                let since = details.since.map(|since| Since(since).to_string());
                let since = since.unwrap_or_default();
                let reason = details.reason.as_deref().unwrap_or_default();
                let text = format!("{begin}{gap}  {since:MOMENTS$}  {}", Escaped(reason));
                line(text.trim_end())?;
            }
        }
    }
    Ok(())
}

impl Row {
    fn object(&self) -> Object {
        let object = Object::new()
            .text("service", &self.name)
            .text("status", self.status);
        match &self.details {
            None => object,
            Some(details) => object
                .optional("since", details.since.map(Since))
                .optional("reason", details.reason.as_ref()),
        }
    }
}
