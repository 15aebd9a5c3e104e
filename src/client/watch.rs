//! An open Watch.

use tokio::time::Instant;

use super::{
    ReportedStatus,
    messages::{Messages, decode, until},
};
use crate::{proto::health::HealthCheckResponse, wire::status::Status};

/// The statuses of one service: the present one, then one for each change. Dropping it cancels the
/// call.
#[derive(Debug)]
#[must_use = "the server ends a watch that is dropped"]
pub struct Watch {
    /// `None` once the call is over.
    messages: Option<Messages>,
    deadline: Option<Instant>,
}

impl Watch {
    pub(super) const fn new(messages: Messages, deadline: Option<Instant>) -> Self {
        Self {
            messages: Some(messages),
            deadline,
        }
    }

    /// Waits for the next status. `None` once the server has ended the call with OK, and after an
    /// error. The [health checking protocol] has clients call again then, after a pause, unless
    /// the error was UNIMPLEMENTED.
    ///
    /// [health checking protocol]: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
    ///
    /// # Errors
    ///
    /// The status with which the server ended the call (UNAVAILABLE when it shuts down), or one of
    /// our own as in [`Client::check`](super::Client::check). The call is over then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next call waits for the same status.
    pub async fn next(&mut self) -> Option<Result<ReportedStatus, Status>> {
        let messages = self.messages.as_mut()?;
        let reply = match until(self.deadline, messages.next()).await {
            Ok(Some(message)) => decode::<HealthCheckResponse>(message),
            Ok(None) => {
                self.messages = None;
                return None;
            }
            Err(status) => Err(status),
        };
        if reply.is_err() {
            self.messages = None;
        }
        Some(reply.map(|reply| ReportedStatus::new(reply.status)))
    }
}
