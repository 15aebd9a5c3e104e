//! `check`, `watch` and `list`: ask a server.

use std::fmt::{self, Display};

use grpc_health::{
    Code, Status,
    client::{CheckDetails, Client, Connector, ReportedStatus},
};

use crate::{
    args::{CheckArgs, ListArgs, Target, WatchArgs},
    ask::ask,
    escape::Escaped,
    output::{Exit, line, log},
    since::Since,
};

pub(crate) fn check(args: &CheckArgs) -> Exit {
    ask(async {
        let client = connect(&args.target).await?.with_timeout(args.timeout);
        let details = client
            .check_details(&args.service)
            .await
            .map_err(|status| failed(&status))?;
        let _ = if args.reasons {
            print(Reasoned(&details))
        } else {
            print(details.status)
        };
        Ok(exit(details.status))
    })
}

pub(crate) fn watch(args: &WatchArgs) -> Exit {
    ask(async {
        let client = connect(&args.target).await?;
        let mut watch = client
            .with_first_answer_timeout(args.timeout)
            .watch(&args.service)
            .await
            .map_err(|status| failed(&status))?;
        while let Some(status) = watch.next().await {
            let status = status.map_err(|status| failed(&status))?;
            if !print(status) {
                return Ok(exit(status));
            }
        }
        log("error: the server ended the call");
        Err(Exit::Rpc)
    })
}

pub(crate) fn list(args: &ListArgs) -> Exit {
    ask(async {
        let client = connect(&args.target).await?.with_timeout(args.timeout);
        let statuses = client.list().await.map_err(|status| failed(&status))?;
        for (name, status) in &statuses {
            let printed = if args.reasons {
                // The service may have changed or gone since it was listed.
                match client.check_details(name).await {
                    Ok(details) => print(format_args!("{}\t{}", Escaped(name), Reasoned(&details))),
                    Err(error) if error.code() == Code::NOT_FOUND => true,
                    Err(error) => return Err(failed(&error)),
                }
            } else {
                print(format_args!("{}\t{status}", Escaped(name)))
            };
            if !printed {
                break;
            }
        }
        let all = statuses.into_values().all(ReportedStatus::is_serving);
        Ok(if all { Exit::Serving } else { Exit::NotServing })
    })
}

async fn connect(target: &Target) -> Result<Client, Exit> {
    let Target {
        addr,
        connect_timeout,
        tls,
    } = target;
    let connector = Connector::new().timeout(*connect_timeout);
    let connecting = tls.secure(connector, addr)?;
    connecting.connect(addr).await.map_err(|error| {
        log(format_args!("error: failed to connect to {addr}: {error}"));
        Exit::Connect
    })
}

fn exit(status: ReportedStatus) -> Exit {
    if status.is_serving() {
        Exit::Serving
    } else {
        Exit::NotServing
    }
}

fn failed(status: &Status) -> Exit {
    if status.code() == Code::UNIMPLEMENTED {
        log(format_args!(
            "error: the server does not implement this health method: {status}"
        ));
    } else {
        log(format_args!("error: health rpc failed: {status}"));
    }
    Exit::Rpc
}

/// Writes a status, and what the server says of the status, between tabs.
struct Reasoned<'a>(&'a CheckDetails);

impl Display for Reasoned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = self.0;
        write!(f, "{}\t", details.status)?;
        if let Some(since) = details.since {
            write!(f, "{}", Since(since))?;
        }
        let reason = details.reason.as_deref().unwrap_or_default();
        write!(f, "\t{}", Escaped(reason))
    }
}

/// Prints one line. `false` if nobody reads stdout.
fn print(text: impl Display) -> bool {
    line(text).is_ok()
}
