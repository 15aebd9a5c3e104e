//! `check`: ask for one service's status.

use std::time::Duration;

use clap::Args;

use super::{
    connecting::{Connecting, connect},
    question::{Form, Question},
    repeated::{Repeating, repeat},
};
use crate::{
    ask::ask,
    output::{Exit, ended},
    place::Place,
    terminal::Terminal,
    values::duration,
};

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct CheckArgs {
    /// The server, and the service: ADDR, or ADDR/SERVICE. ADDR is HOST:PORT, :PORT (this machine), unix:PATH, unix-abstract:NAME,
    /// dns:///HOST:PORT, ipv4:IP:PORT or ipv6:[IP]:PORT. Behind unix: no service can stand.
    #[arg(value_name = "ADDR[/SERVICE]")]
    target: Place,
    #[command(flatten)]
    connecting: Connecting,
    /// The service to ask for, if the target names none. [default: the server as a whole]
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    service: String,
    /// How long each call may take, such as 500ms, 1s or 2m.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    timeout: Duration,
    #[command(flatten)]
    repeating: Repeating,
    /// Print STATUS, a tab, since when, a tab, and the reason. The last two are empty if the server does not say.
    #[arg(long, conflicts_with = "json")]
    reasons: bool,
    /// Print a JSON object on one line, for each answer and each failed check.
    #[arg(long)]
    json: bool,
}

const NOTES: &str = "\
With --count or --interval, the checks share a connection, and each answered check prints STATUS, a tab,
and the milliseconds until the answer. At the end, and at Ctrl-C, the latencies follow. A connection
that breaks is made anew for the next check.

Examples:
  grpc-health check localhost:50051                     the server as a whole
  grpc-health check localhost:50051/shop.Cart           one service
  grpc-health check unix:/run/shop.sock --service shop.Cart
  grpc-health check shop.example:443 --tls --json
  grpc-health check localhost:50051 --count 100 --interval 10ms
  grpc-health check localhost:50051 --interval 1s       until Ctrl-C

Exit codes:
  0  SERVING (with --count or --interval: in every check)
  1  bad arguments
  2  no connection, or certificates that cannot be used (with --count or --interval: at the first attempt),
     or stdout cannot be written
  3  the RPC failed (with --count or --interval: at least one, or its connection)
  4  a status other than SERVING (with --count or --interval: at least one, and no check failed)";

pub(crate) fn check(args: &CheckArgs) -> Exit {
    ask(async {
        let question = Question {
            addr: &args.target.addr,
            service: args.target.service.as_ref().unwrap_or(&args.service),
            timeout: args.timeout,
            form: match (args.json, args.reasons) {
                (true, _) => Form::Json,
                (false, reasons) => Form::Text {
                    reasons,
                    terminal: Terminal::stdout(),
                },
            },
        };
        let connector = args.connecting.connector(question.addr)?;
        let client = match connect(&connector, question.addr).await {
            Ok(client) => client,
            Err(failure) => return Ok(ended(question.print_failure(&failure), failure.exit)),
        };
        if let Some(rounds) = args.repeating.rounds() {
            return repeat(&question, &connector, client, rounds).await;
        }
        Ok(match question.ask(&client).await {
            Ok(answer) => ended(question.print(&answer, false), answer.exit()),
            Err(failure) => ended(question.print_failure(&failure), failure.exit),
        })
    })
}
