//! Keeps the end of the input from h2 while calls are being answered.
//!
//! A client may send a request and close its side at once. h2 takes the end of the input for the end of every stream, answered or not. So
//! the wrapper keeps the end from h2 until the connection has nothing left to answer, or until [`TIME`] has passed: the server cannot tell
//! such a client from a client that is gone.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::super::link::Link;

/// How long calls may go on after the peer has closed its side.
const TIME: Duration = Duration::from_secs(1);

/// The end of one connection's input.
#[derive(Debug, Default)]
pub(super) struct End {
    time: Option<Pin<Box<Sleep>>>,
}

impl End {
    /// Completes when h2 may see the end.
    #[cold]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, link: &Link) -> Poll<io::Result<()>> {
        if link.keep_end() {
            let time = self.time.get_or_insert_with(|| Box::pin(sleep(TIME)));
            if time.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            link.let_end_pass();
        }
        Poll::Ready(Ok(()))
    }
}
