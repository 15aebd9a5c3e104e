//! Keeps the connection of one endpoint: connects, waits as gRPC clients do, and connects again.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use h2::Reason;
use tokio::time::{Instant, sleep_until, timeout};

use super::backoff::Backoff;
use super::chance::random;
use super::crowd::Door;
use super::dial::{Dial, Opened};
use super::keepalive::Keepalive;
use super::line::{Line, Phase};
use super::settings::Settings;
use super::state::Unreachable;
use crate::client::error::{going_away, words};

/// How long a connection that the client leaves may take for its last frames.
const PARTING: Duration = Duration::from_secs(1);

/// The longest reply that a monitor accepts, in bytes. A reply of the health service has 2; unknown fields are the rest.
const MAX_MESSAGE_LEN: usize = 4 * 1024;

/// The future of one endpoint.
pub(super) struct Dialling {
    pub(super) line: Arc<Line>,
    pub(super) dial: Box<dyn Dial>,
    pub(super) settings: Arc<Settings>,
    pub(super) door: Arc<Door>,
}

/// How a connection ended.
enum End {
    /// No pair is left.
    Unneeded,
    /// The server has sent a GOAWAY.
    GoAway(Reason),
    /// In words.
    Broken(String),
}

impl Dialling {
    /// Keeps the connection for as long as the endpoint has pairs.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::new(self.settings.spacing);
        let mut keepalive = self.settings.keepalive;
        loop {
            let begun = Instant::now();
            let Some(attempt) = self.line.unless_ended(self.dial.dial()).await else {
                return;
            };
            let end = match attempt {
                Err(error) => Err(Unreachable::connecting(&error)),
                Ok(opened) => Ok(self.keep(opened, keepalive).await),
            };
            if self.line.take_answered() {
                backoff.reset();
            }
            let next = begun.checked_add(backoff.next(random()));
            let phase = match end {
                Ok(End::Unneeded) => return,
                Ok(End::GoAway(reason)) => {
                    let why = Unreachable::disconnected(&going_away(reason));
                    if reason == Reason::ENHANCE_YOUR_CALM {
                        keepalive = keepalive.saturating_mul(2);
                    }
                    // The next attempt begins now, if the connection has lasted.
                    let at_once = next.is_some_and(|next| next <= Instant::now());
                    if reason == Reason::NO_ERROR && at_once {
                        Phase::Renewing(why)
                    } else {
                        Phase::Down(why)
                    }
                }
                Ok(End::Broken(why)) => Phase::Down(Unreachable::disconnected(&why)),
                Err(why) => Phase::Down(why),
            };
            self.line.over(phase);
            let wait = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            if self.line.unless_ended(wait).await.is_none() {
                return;
            }
        }
    }

    /// Does the work of a connection until the connection is over, or unneeded.
    async fn keep(&self, opened: Opened, interval: Duration) -> End {
        let Opened { client, mut driver } = opened;
        let mut client = client.with_first_answer_timeout(self.settings.first_answer);
        client.max_message = MAX_MESSAGE_LEN;
        let processed = client.link.current().processed;
        self.line.up(client);
        let pings = driver.pings.take();
        let patience = self.settings.keepalive_timeout;
        let mut keepalive = Keepalive::new(pings, interval, patience);
        let end = poll_fn(|cx| {
            let unneeded = self.line.poll_ended(cx);
            let over = Pin::new(&mut driver).poll(cx);
            if unneeded {
                return Poll::Ready(End::Unneeded);
            }
            if let Some(reason) = processed.goaway() {
                return Poll::Ready(End::GoAway(reason));
            }
            if let Poll::Ready(result) = over {
                let why = match result {
                    Err(error) => words(&error, None),
                    Ok(()) => "the server closed the connection".to_owned(),
                };
                return Poll::Ready(End::Broken(why));
            }
            let suspected = self.line.take_suspicion();
            let vanished = keepalive.poll(cx, self.line.watches(), suspected);
            vanished.map(|()| End::Broken("the server no longer answers".to_owned()))
        })
        .await;
        // h2 ends the connection in order when the calls are gone, which the pairs drop.
        match end {
            End::Broken(_) => {}
            End::GoAway(_) => {
                self.door.join(Box::pin(async move {
                    let _ = timeout(PARTING, driver).await;
                }));
            }
            End::Unneeded => {
                self.line.over(Phase::Connecting);
                let _ = timeout(PARTING, driver).await;
            }
        }
        end
    }
}
