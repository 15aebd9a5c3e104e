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

/// The notes of a subcommand: its examples, and its exit codes.
macro_rules! notes {
    ($examples:literal, $refused:literal) => {
        concat!(
            $examples,
            "\n\nExit codes:\n  0  done\n  1  bad arguments\n  2  no connection to the control socket\n  3  the server refused",
            $refused
        )
    };
}

pub(crate) const SET_NOTES: &str = notes!(
    "\
Examples:
  grpc-health set --control /run/health.sock shop.Cart not-serving --reason 'stock is being counted'
  grpc-health set --control /run/health.sock '' serving       (the server as a whole)",
    ", such as a name whose status a check decides"
);

pub(crate) const CLEAR_NOTES: &str = notes!(
    "\
Examples:
  grpc-health clear --control /run/health.sock shop.Cart
  GRPC_HEALTH_CONTROL=/run/health.sock grpc-health clear shop.Cart",
    ""
);

pub(crate) const BEAT_NOTES: &str = notes!(
    "\
Example, for a server with --lease worker=30s:
  while do_work; do grpc-health beat --control /run/health.sock worker; done",
    ", such as a name without a lease"
);

pub(crate) const SHUTDOWN_NOTES: &str = notes!(
    "\
Example, before a machine is repaired:
  grpc-health shutdown --control /run/health.sock",
    ""
);

pub(crate) const RESUME_NOTES: &str = notes!(
    "\
Example, after the repair:
  grpc-health resume --control /run/health.sock",
    ""
);

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
