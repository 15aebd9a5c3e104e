//! Follows one pair: by Watch on each connection of the endpoint, or by Check where there is no Watch.

use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

use super::backoff::Backoff;
use super::chance::random;
use super::line::{Line, Phase};
use super::pace::Pace;
use super::settings::Settings;
use super::state::{PairId, State, Unreachable};
use super::table::Table;
use crate::client::{Client, ReportedStatus};
use crate::wire::{code::Code, status::Status};

/// How long a pair keeps its state when the server has closed the connection in order.
const GRACE: Duration = Duration::from_secs(1);

/// How many statuses of one Watch are read in a row, before other futures of the task have their turn.
const TURN: usize = 16;

/// The future of one pair.
pub(super) struct Following {
    line: Arc<Line>,
    settings: Arc<Settings>,
    table: Arc<Table>,
    id: PairId,
    service: Arc<str>,
    /// Whether the pair's state is from a connection that is gone.
    stale: AtomicBool,
}

/// How a Watch call ended.
enum Ended {
    /// The server has no Watch.
    Unimplemented,
    /// The server has no service of the name, and says so with an error.
    NotFound,
    Failed(Status),
    /// The server sends statuses too fast.
    Flooded,
}

impl Following {
    pub(super) const fn new(
        line: Arc<Line>,
        settings: Arc<Settings>,
        table: Arc<Table>,
        id: PairId,
        service: Arc<str>,
    ) -> Self {
        Self {
            line,
            settings,
            table,
            id,
            service,
            stale: AtomicBool::new(false),
        }
    }

    /// Follows the pair for as long as the endpoint lives.
    pub(super) async fn run(self) {
        let mut listener = self.line.listen();
        // Until when the pair keeps its state without a connection, and what the pair's state is afterwards.
        let mut grace: Option<(Instant, Unreachable)> = None;
        loop {
            let phase = listener.borrow_and_update().clone();
            if let Phase::Renewing(why) = &phase {
                self.stale.store(true, Ordering::Relaxed);
                grace = Some((Instant::now() + GRACE, why.clone()));
            }
            let work = pin!(async {
                match phase {
                    Phase::Up(client, number) => self.call(client, number).await,
                    Phase::Down(why) => self.tell(State::Unreachable(why)),
                    Phase::Connecting | Phase::Renewing(_) => {}
                }
                pending::<()>().await;
            });
            let patience = pin!(async {
                if let Some((end, why)) = &grace {
                    sleep_until(*end).await;
                    if self.stale.load(Ordering::Relaxed) {
                        self.tell(State::Unreachable(why.clone()));
                    }
                }
                pending::<()>().await;
            });
            if !until_changed(work, patience, &mut listener).await {
                return;
            }
        }
    }

    fn tell(&self, state: State) {
        self.stale.store(false, Ordering::Relaxed);
        self.table.set(self.id, state);
    }

    /// Follows the service on one connection. The caller drops the future when the connection is over.
    async fn call(&self, client: Client, number: u64) {
        let mut backoff = Backoff::new(self.settings.spacing);
        loop {
            let begun = Instant::now();
            let mut answered = false;
            let ended = self.watch(&client, number, &mut answered).await;
            // The endpoint knows best why its connection is over, and tells the pairs.
            if !self.line.is_current(number) {
                return;
            }
            if answered && !matches!(ended, Ended::Flooded) {
                backoff.reset();
            }
            match ended {
                Ended::Unimplemented => return self.poll(&client, number).await,
                Ended::NotFound => {
                    self.tell(State::Reported(ReportedStatus::SERVICE_UNKNOWN));
                }
                Ended::Failed(status) => {
                    if !answered && self.is_silence(&status, begun) {
                        self.line.suspect();
                    }
                    self.tell(State::Unreachable(Unreachable::status(&status)));
                }
                Ended::Flooded => {
                    let status = Status::new(
                        Code::RESOURCE_EXHAUSTED,
                        "the server sends statuses too fast",
                    );
                    self.tell(State::Unreachable(Unreachable::status(&status)));
                }
            }
            wait(begun, backoff.next(random())).await;
        }
    }

    /// Follows the service by one Watch call, until the call ends. Sets `answered` at the first status.
    async fn watch(&self, client: &Client, number: u64, answered: &mut bool) -> Ended {
        let most = client.link.current().send.current_max_send_streams();
        if self.line.watches() >= most {
            let text = format!("the server allows only {most} calls at a time");
            return Ended::Failed(Status::new(Code::RESOURCE_EXHAUSTED, text));
        }
        let _open = self.line.open_watch();
        // Boxed: the steps of a call's beginning take more room than an open call.
        let mut watch = match Box::pin(client.watch(&self.service)).await {
            Ok(watch) => watch,
            Err(status) => return ended(status),
        };
        let mut pace = Pace::new();
        let mut turn = 0;
        loop {
            match watch.next().await {
                Some(Ok(status)) => {
                    *answered = true;
                    self.line.heard(number);
                    if !pace.count() {
                        return Ended::Flooded;
                    }
                    self.tell(State::Reported(status));
                    turn += 1;
                    if turn % TURN == 0 {
                        yield_now().await;
                    }
                }
                Some(Err(status)) => return ended(status),
                None => {
                    let text = "the server has ended the Watch";
                    return Ended::Failed(Status::new(Code::UNAVAILABLE, text));
                }
            }
        }
    }

    /// Whether the client's own limit has ended a call. A server may answer with the same code, and earlier.
    fn is_silence(&self, status: &Status, begun: Instant) -> bool {
        status.code() == Code::DEADLINE_EXCEEDED && begun.elapsed() >= self.settings.first_answer
    }

    /// Follows the service by Check, for as long as the connection lives.
    async fn poll(&self, client: &Client, number: u64) {
        loop {
            let begun = Instant::now();
            let answer = Box::pin(client.check(&self.service)).await;
            if !self.line.is_current(number) {
                return;
            }
            let state = match answer {
                Ok(status) => Ok(status),
                Err(status) if status.code() == Code::NOT_FOUND => {
                    Ok(ReportedStatus::SERVICE_UNKNOWN)
                }
                Err(status) => Err(status),
            };
            match state {
                Ok(status) => {
                    self.line.heard(number);
                    self.tell(State::Reported(status));
                }
                Err(status) => {
                    if self.is_silence(&status, begun) {
                        self.line.suspect();
                    }
                    self.tell(State::Unreachable(Unreachable::status(&status)));
                }
            }
            wait(begun, self.settings.poll_period).await;
        }
    }
}

fn ended(status: Status) -> Ended {
    match status.code() {
        Code::UNIMPLEMENTED => Ended::Unimplemented,
        Code::NOT_FOUND => Ended::NotFound,
        _ => Ended::Failed(status),
    }
}

/// Waits until `time` after `begun`.
async fn wait(begun: Instant, time: Duration) {
    match begun.checked_add(time) {
        Some(end) => sleep_until(end).await,
        None => sleep(Duration::MAX).await,
    }
}

/// Polls `work` and `patience` until the endpoint tells something new. Returns false if the endpoint is gone.
async fn until_changed(
    mut work: Pin<&mut impl Future<Output = ()>>,
    mut patience: Pin<&mut impl Future<Output = ()>>,
    listener: &mut watch::Receiver<Phase>,
) -> bool {
    let mut changed = pin!(listener.changed());
    poll_fn(|cx| {
        // The work first: what has arrived on a connection that is over still counts.
        let _ = work.as_mut().poll(cx);
        let _ = patience.as_mut().poll(cx);
        changed.as_mut().poll(cx).map(|told| told.is_ok())
    })
    .await
}
