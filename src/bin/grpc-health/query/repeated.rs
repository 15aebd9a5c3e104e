//! `check --count N --interval D`: ask again and again, and tell the latencies.

use std::{num::NonZeroU64, time::Duration};

use clap::Args;
use grpc_health::{
    Code,
    client::{Client, Connector},
};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    connecting::connect,
    failure::Failure,
    latencies::Latencies,
    question::{Answer, Form, Millis, Question},
};
use crate::{
    interrupts::Interrupts,
    json::Object,
    output::{Exit, ended, line, log},
    values::duration_or_none,
};

/// The shortest pause before a connection is made again, so that a server that is gone is not called in a tight loop.
const RECONNECT: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(super) struct Repeating {
    /// Check N times, and print how long the answers took: the shortest time, percentiles and the longest time, each within 1 %.
    #[arg(long, value_name = "N")]
    count: Option<NonZeroU64>,
    /// The time from the start of one check to the start of the next; 0s is no pause. Without --count, checks until Ctrl-C. [default: 1s]
    #[arg(long, value_name = "DURATION", value_parser = duration_or_none)]
    interval: Option<Duration>,
}

impl Repeating {
    /// How often and at which interval to check. `None` for one check.
    pub(super) fn rounds(&self) -> Option<Rounds> {
        (self.count.is_some() || self.interval.is_some()).then(|| Rounds {
            count: self.count.map(NonZeroU64::get),
            interval: self.interval.unwrap_or(Duration::from_secs(1)),
        })
    }
}

#[derive(Clone, Copy)]
pub(super) struct Rounds {
    /// `None`: until a signal.
    count: Option<u64>,
    interval: Duration,
}

/// What has been answered so far.
#[derive(Default)]
struct Tally {
    serving: u64,
    other: u64,
    failed: u64,
    latencies: Latencies,
}

/// Asks until all rounds are over, a signal arrives, or stdout cannot be written.
pub(super) async fn repeat(
    question: &Question<'_>,
    connector: &Connector,
    client: Client,
    rounds: Rounds,
) -> Result<Exit, Exit> {
    let mut interrupts = Interrupts::new().map_err(|error| {
        log(format_args!("error: cannot wait for signals: {error}"));
        Exit::Connect
    })?;
    let mut tally = Tally::default();
    let mut client = Some(client);
    let mut left = rounds.count;
    let mut next = Instant::now();
    while left != Some(0) {
        let round = async {
            sleep_until(next).await;
            let Some(usable) = &client else {
                let connected = connect(connector, question.addr).await?;
                let answer = question.ask(&connected).await;
                client = Some(connected);
                return answer;
            };
            question.ask(usable).await
        };
        let Some(outcome) = interrupts.until(round).await else {
            break;
        };
        // A round that took longer than the interval delays the later rounds: they do not follow one another without a pause.
        next = (next + rounds.interval).max(Instant::now());
        left = left.map(|left| left - 1);
        let written = match &outcome {
            Ok(answer) => question.print(answer, true),
            Err(failure) => question.print_failure(failure),
        };
        tally.add(&outcome);
        if written.is_err() {
            return Ok(ended(written, tally.exit()));
        }
        let lost = |failure: &Failure| failure.code.is_none_or(|code| code == Code::UNAVAILABLE);
        if outcome.is_err_and(|failure| lost(&failure)) {
            client = None;
            if interrupts.until(sleep(RECONNECT)).await.is_none() {
                break;
            }
        }
    }
    let written = match question.form {
        Form::Json => line(tally.object().end()),
        Form::Text { .. } => line(tally.text()),
    };
    Ok(ended(written, tally.exit()))
}

impl Tally {
    fn add(&mut self, outcome: &Result<Answer, Failure>) {
        match outcome {
            Ok(answer) => {
                self.latencies.add(answer.took);
                match answer.exit() {
                    Exit::Serving => self.serving += 1,
                    _ => self.other += 1,
                }
            }
            Err(_) => self.failed += 1,
        }
    }

    const fn exit(&self) -> Exit {
        if self.failed > 0 || self.serving + self.other == 0 {
            Exit::Rpc
        } else if self.other > 0 {
            Exit::NotServing
        } else {
            Exit::Serving
        }
    }

    fn times(&self) -> [(&'static str, Millis); 5] {
        let times = &self.latencies;
        [
            ("min", Millis(times.min())),
            ("p50", Millis(times.percentile(50))),
            ("p90", Millis(times.percentile(90))),
            ("p99", Millis(times.percentile(99))),
            ("max", Millis(times.max())),
        ]
    }

    fn text(&self) -> String {
        let Self {
            serving,
            other,
            failed,
            ..
        } = self;
        let checks = serving + other + failed;
        let mut text =
            format!("{checks} checks: {serving} SERVING, {other} another status, {failed} failed");
        if !self.latencies.is_empty() {
            let times = self.times();
            let times = times.map(|(name, time)| format!("{name} {time} ms"));
            text.push('\n');
            text.push_str(&times.join(", "));
        }
        text
    }

    fn object(&self) -> Object {
        let mut times = Object::new();
        if !self.latencies.is_empty() {
            for (name, time) in self.times() {
                times = times.plain(name, time);
            }
        }
        let summary = Object::new()
            .plain("checks", self.serving + self.other + self.failed)
            .plain("serving", self.serving)
            .plain("other", self.other)
            .plain("failed", self.failed)
            .plain("exit", self.exit() as u8)
            .object("milliseconds", times);
        Object::new().object("summary", summary)
    }
}
