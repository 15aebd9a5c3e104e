//! Asks a server one question, on a runtime that lasts as long.

use std::future::Future;

use tokio::runtime::Builder;

use crate::output::{Exit, log};

pub(crate) fn ask(question: impl Future<Output = Result<Exit, Exit>>) -> Exit {
    match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(question).unwrap_or_else(|exit| exit);
            // Resolving a name may block a thread for longer than the timeout.
            runtime.shutdown_background();
            exit
        }
        Err(error) => {
            log(format_args!("error: cannot start the runtime: {error}"));
            Exit::Connect
        }
    }
}
