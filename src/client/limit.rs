//! The time that a call, or a part of a call, may take.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::wire::{code::Code, status::Status};

/// How long a server may take to answer a call without a time limit, and to send the first status of a Watch.
pub(super) const FIRST_ANSWER: Duration = Duration::from_secs(20);

/// The end of a call's time, and which time ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// `None` if the end is too far away for an `Instant`: no limit.
    end: Option<Instant>,
    /// The time for the first answer; `None` if the whole call is limited.
    first: Option<Duration>,
}

impl Limit {
    /// The limit of a whole call; `None` is no limit.
    pub(super) fn of_call(time: Option<Duration>) -> Self {
        Self {
            end: time.and_then(|time| Instant::now().checked_add(time)),
            first: None,
        }
    }

    pub(super) fn of_first_answer(time: Duration) -> Self {
        Self {
            end: Instant::now().checked_add(time),
            first: Some(time),
        }
    }

    /// The limit that ends first.
    pub(super) fn or_earlier(self, other: Self) -> Self {
        match (self.end, other.end) {
            (Some(end), Some(earlier)) if earlier < end => other,
            (None, Some(_)) => other,
            _ => self,
        }
    }

    /// The time that is left; `None` without a limit of the whole call.
    pub(super) fn left(&self) -> Option<Duration> {
        let end = self.end.filter(|_| self.first.is_none())?;
        Some(end.saturating_duration_since(Instant::now()))
    }

    /// Runs a call, or a part of a call, within the limit.
    pub(super) async fn run<T>(
        self,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        // Pinned once: each move of the future would take its room again.
        let call = pin!(call);
        let Some(end) = self.end else {
            return call.await;
        };
        let Ok(result) = timeout_at(end, call).await else {
            let text = match self.first {
                None => "no answer within the call's timeout".to_owned(),
                Some(time) => format!("the server has not answered within {time:?}"),
            };
            return Err(Status::new(Code::DEADLINE_EXCEEDED, text));
        };
        result
    }
}
