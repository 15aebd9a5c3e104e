//! An open Watch call.

use super::{
    ReportedStatus,
    limit::Limit,
    messages::{Messages, decode},
};
use crate::{proto::health::HealthCheckResponse, wire::status::Status};

/// The statuses of one service from an open Watch call: the present status, then one status for each change. Dropping the `Watch` cancels
/// the call.
#[derive(Debug)]
#[must_use = "the server ends a watch that is dropped"]
pub struct Watch {
    /// `None` after the call is over.
    messages: Option<Messages>,
    /// The limit of the whole call.
    limit: Limit,
    /// The limit for the first status, until that status has arrived.
    first: Option<Limit>,
}

impl Watch {
    pub(super) const fn new(messages: Messages, limit: Limit, first: Limit) -> Self {
        Self {
            messages: Some(messages),
            limit,
            first: Some(first),
        }
    }

    /// Waits for the next status. Returns `None` after the server has ended the call with OK, and after an error. The [health checking
    /// protocol] has clients call Watch again then, after a pause, unless the error was `UNIMPLEMENTED` (12).
    ///
    /// [health checking protocol]: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
    ///
    /// # Errors
    ///
    /// The status with which the server ended the call, such as `UNAVAILABLE` (14) when the server shuts down, or an error of the client's
    /// as in [`Client::check`](super::Client::check). The call is over after an error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no status.
    pub async fn next(&mut self) -> Option<Result<ReportedStatus, Status>> {
        let messages = self.messages.as_mut()?;
        let limit = self.first.unwrap_or(self.limit);
        let reply = match limit.run(messages.next()).await {
            Ok(Some(message)) => decode::<HealthCheckResponse>(message),
            Ok(None) => {
                self.messages = None;
                return None;
            }
            Err(status) => Err(status),
        };
        self.first = None;
        if reply.is_err() {
            self.messages = None;
        }
        Some(reply.map(|reply| ReportedStatus::new(reply.status)))
    }
}
