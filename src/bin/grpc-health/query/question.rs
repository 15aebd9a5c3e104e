//! One question to a server, and its answer on stdout.

use std::{
    fmt::{self, Display},
    io,
    time::Duration,
};

use grpc_health::client::{CheckDetails, Client, Target};
use tokio::time::Instant;

use super::{failure::Failure, hints::Method};
use crate::{
    escape::Escaped,
    json::Object,
    output::{Exit, line},
    since::Since,
    status::{exit_of, painted},
    terminal::Terminal,
};

/// What is asked, and how the answers are printed.
pub(super) struct Question<'a> {
    pub(super) addr: &'a Target,
    pub(super) service: &'a str,
    /// How long a call may take.
    pub(super) timeout: Duration,
    pub(super) form: Form,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Form {
    Text { reasons: bool, terminal: Terminal },
    Json,
}

pub(super) struct Answer {
    details: CheckDetails,
    /// From the call to the end of the answer.
    pub(super) took: Duration,
}

impl Answer {
    pub(super) fn exit(&self) -> Exit {
        exit_of(self.details.status)
    }
}

impl Question<'_> {
    pub(super) async fn ask(&self, client: &Client) -> Result<Answer, Failure> {
        let client = client.clone().with_timeout(self.timeout);
        let begin = Instant::now();
        match client.check_details(self.service).await {
            Ok(details) => Ok(Answer {
                details,
                took: begin.elapsed(),
            }),
            Err(status) => Err(Failure::calling(Method::Check, self.addr, &status)),
        }
    }

    /// Prints one line, with the latency if `timed`.
    pub(super) fn print(&self, answer: &Answer, timed: bool) -> io::Result<()> {
        let Answer { details, took } = answer;
        match self.form {
            Form::Json => line(self.object(Ok(answer)).end()),
            Form::Text { reasons, terminal } => {
                let text = if reasons {
                    Reasoned(details).to_string()
                } else {
                    painted(terminal, details.status).to_string()
                };
                if timed {
                    line(format_args!("{text}\t{}", Millis(*took)))
                } else {
                    line(text)
                }
            }
        }
    }

    /// Logs the failure. With `--json` stdout gets an object, too.
    pub(super) fn print_failure(&self, failure: &Failure) -> io::Result<()> {
        failure.log();
        match self.form {
            Form::Text { .. } => Ok(()),
            Form::Json => line(self.object(Err(failure)).end()),
        }
    }

    /// The same members for every outcome.
    fn object(&self, outcome: Result<&Answer, &Failure>) -> Object {
        let (answer, failure) = (outcome.ok(), outcome.err());
        let details = answer.map(|answer| &answer.details);
        let exit = outcome.map_or_else(|failure| failure.exit, Answer::exit);
        let object = Object::new()
            .text("address", self.addr)
            .text("service", self.service)
            .optional("status", details.map(|details| details.status))
            .plain("exit", exit as u8);
        let object = match answer {
            Some(answer) => object.plain("milliseconds", Millis(answer.took)),
            None => object.optional("milliseconds", None::<&str>),
        };
        object
            .optional(
                "since",
                details.and_then(|details| details.since).map(Since),
            )
            .optional(
                "reason",
                details.and_then(|details| details.reason.as_ref()),
            )
            .optional("code", failure.and_then(|failure| failure.code))
            .optional("error", failure.map(|failure| &failure.text))
    }
}

/// Writes a status, and what the server says of the status, between tabs.
pub(super) struct Reasoned<'a>(pub(super) &'a CheckDetails);

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

/// Writes a time in milliseconds, to the microsecond.
pub(super) struct Millis(pub(super) Duration);

impl Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:03}",
            self.0.as_millis(),
            self.0.as_micros() % 1_000
        )
    }
}
