//! `check`, `watch` and `list`: questions to a server.

use std::{fmt::Display, future::Future};

use grpc_health::{
    Code, Status,
    client::{Client, ReportedStatus},
};
use tokio::{runtime::Builder, time};

use crate::{
    args::{CheckArgs, ListArgs, Target, WatchArgs},
    escape::Escaped,
    output::{Exit, line, log},
    values::Addr,
};

pub(crate) fn check(args: &CheckArgs) -> Exit {
    ask(async {
        let client = connect(&args.target).await?.with_timeout(args.timeout);
        let status = client
            .check(&args.service)
            .await
            .map_err(|status| failed(&status))?;
        let _ = print(status);
        Ok(exit(status))
    })
}

pub(crate) fn watch(args: &WatchArgs) -> Exit {
    ask(async {
        let client = connect(&args.target).await?;
        let mut watch = client
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
            if !print(format_args!("{}\t{status}", Escaped(name))) {
                break;
            }
        }
        let all = statuses.into_values().all(ReportedStatus::is_serving);
        Ok(if all { Exit::Serving } else { Exit::NotServing })
    })
}

fn ask(question: impl Future<Output = Result<Exit, Exit>>) -> Exit {
    match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(question).unwrap_or_else(|exit| exit),
        Err(error) => {
            log(format_args!("error: cannot start the runtime: {error}"));
            Exit::Connect
        }
    }
}

async fn connect(target: &Target) -> Result<Client, Exit> {
    let Target {
        addr,
        connect_timeout,
        tls,
    } = target;
    let secured = tls.load(addr)?;
    let connecting = async {
        match (addr, &secured) {
            (Addr::Tcp(addr), None) => Client::connect(addr).await,
            (Addr::Tcp(addr), Some(secured)) => {
                Client::connect_tls(addr, tls.server_name(addr), secured).await
            }
            (Addr::Unix(path), _) => Client::connect_unix(path).await,
        }
    };
    let client = match time::timeout(*connect_timeout, connecting).await {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => {
            log(format_args!("error: failed to connect to {addr}: {error}"));
            return Err(Exit::Connect);
        }
        Err(_) => {
            log(format_args!(
                "timeout: failed to connect to {addr} within {connect_timeout:?}"
            ));
            return Err(Exit::Connect);
        }
    };
    // The name as given: proxies route by it.
    let authority = match addr {
        Addr::Tcp(addr) => tls.authority(addr).parse().ok(),
        Addr::Unix(_) => None,
    };
    Ok(match authority {
        Some(authority) => client.with_authority(authority),
        None => client,
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

/// Whether anybody reads it.
fn print(text: impl Display) -> bool {
    line(text).is_ok()
}
