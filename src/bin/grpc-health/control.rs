//! `set`, `clear`, `beat`, `shutdown` and `resume`: change the statuses of a server through its control socket.

use std::{future::Future, path::PathBuf, time::Duration};

use clap::Args;
use grpc_health::{
    Code, ServingStatus, Status,
    client::{Connector, Target},
    plane::ControlClient,
};

use crate::{
    ask::ask,
    output::{Exit, log},
    values::{control_path, duration, status},
};

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  bad arguments
  2  no connection to the control socket
  3  the server refused";

pub(crate) const SET_NOTES: &str = "\
Examples:
  grpc-health set --control /run/health.sock shop.Cart not-serving --reason 'stock is being counted'
  grpc-health set --control /run/health.sock '' serving       (the server as a whole)

Exit codes:
  0  done
  1  bad arguments
  2  no connection to the control socket
  3  the server refused, such as a name whose status a check decides";

pub(crate) const BEAT_NOTES: &str = "\
Example, for a server with --lease worker=30s:
  while do_work; do grpc-health beat --control /run/health.sock worker; done

Exit codes:
  0  done
  1  bad arguments
  2  no connection to the control socket
  3  the server refused, such as a name without a lease";

#[derive(Debug, Args)]
pub(crate) struct Socket {
    /// The Unix domain socket of "serve --control PATH".
    #[arg(long, value_name = "PATH", env = "GRPC_HEALTH_CONTROL", value_parser = control_path)]
    control: PathBuf,
    /// How long connecting may take, and then the call; such as 500ms, 1s or 2m.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    socket: Socket,
    /// The service. The empty NAME is the server as a whole. A new name is registered.
    #[arg(value_name = "NAME")]
    name: String,
    /// serving, not-serving or unknown.
    #[arg(value_name = "STATUS", value_parser = status)]
    status: ServingStatus,
    /// Why, for an operator to read: a few words.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    #[command(flatten)]
    socket: Socket,
    /// The service. The empty NAME is the server as a whole.
    #[arg(value_name = "NAME")]
    name: String,
}

#[derive(Debug, Args)]
pub(crate) struct AllArgs {
    #[command(flatten)]
    socket: Socket,
}

pub(crate) fn set(args: &SetArgs) -> Exit {
    let SetArgs {
        name,
        status,
        reason,
        ..
    } = args;
    call(&args.socket, async |control| {
        control.set(name, *status, reason).await
    })
}

pub(crate) fn clear(args: &NameArgs) -> Exit {
    call(&args.socket, async |control| {
        control.clear(&args.name).await
    })
}

pub(crate) fn beat(args: &NameArgs) -> Exit {
    call(&args.socket, async |control| control.beat(&args.name).await)
}

pub(crate) fn shutdown(args: &AllArgs) -> Exit {
    call(&args.socket, async |control| control.shutdown().await)
}

pub(crate) fn resume(args: &AllArgs) -> Exit {
    call(&args.socket, async |control| control.resume().await)
}

fn call<F>(socket: &Socket, call: impl FnOnce(ControlClient) -> F) -> Exit
where
    F: Future<Output = Result<(), Status>>,
{
    ask(async {
        let path = socket.control.display();
        let connector = Connector::new().timeout(socket.timeout);
        let client = match connector.connect(Target::unix(&socket.control)).await {
            Ok(client) => client.with_timeout(socket.timeout),
            Err(error) => {
                log(format_args!("error: failed to connect to {path}: {error}"));
                return Err(Exit::Connect);
            }
        };
        match call(ControlClient::new(client)).await {
            Ok(()) => Ok(Exit::Serving),
            Err(status) if status.code() == Code::UNIMPLEMENTED => {
                log(format_args!("error: {path} is no control socket: {status}"));
                Err(Exit::Rpc)
            }
            Err(status) => {
                log(format_args!("error: {status}"));
                Err(Exit::Rpc)
            }
        }
    })
}
