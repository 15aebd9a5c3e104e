//! `watch --no-reconnect`: one Watch call, from its begin to its end.

use std::time::Duration;

use grpc_health::client::{Connector, Target};

use crate::{
    ask::ask,
    output::{Exit, ended, line, log},
    query::{Failure, Method, connect},
    status::{exit_of, painted},
    terminal::Terminal,
};

/// Prints each status on a line of its own. Ends with the call.
pub(super) fn watch(
    connector: &Connector,
    addr: &Target,
    service: &str,
    first_answer: Duration,
) -> Exit {
    ask(async {
        let failed = |status| Failure::calling(Method::Watch, addr, &status).log();
        let connected = connect(connector, addr).await;
        let client = connected.map_err(|failure| failure.log())?;
        let mut watch = client
            .with_first_answer_timeout(first_answer)
            .watch(service)
            .await
            .map_err(failed)?;
        let terminal = Terminal::stdout();
        while let Some(status) = watch.next().await {
            let status = status.map_err(failed)?;
            let written = line(painted(terminal, status));
            if written.is_err() {
                return Ok(ended(written, exit_of(status)));
            }
        }
        log("error: the server ended the call");
        Err(Exit::Rpc)
    })
}
