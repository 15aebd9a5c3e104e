//! `wait`: wait until all targets have a state.

use std::time::{Duration, SystemTime};

use grpc_health::client::Monitor;
use tokio::time::timeout;

use super::{
    args::{Until, WaitArgs},
    board::Board,
    lines::{Aligned, Columns},
    pair::{Change, Pair, Seen, worst},
};
use crate::{
    ask::ask,
    escape::Escaped,
    name::Named,
    output::{Exit, log, tell},
    query::hint,
    terminal::Terminal,
};

/// The first and the longest pause before a connection is made again. Shorter than a watcher's, since somebody waits; and as long as a
/// server that starts is not disturbed.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);

/// How long a server may take to answer a call before the call is made again.
const ANSWER: Duration = Duration::from_secs(20);

/// The most targets that the last error names.
const NAMED: usize = 5;

pub(crate) fn wait(args: &WaitArgs) -> Exit {
    ask(async {
        let monitor = Monitor::builder()
            .backoff(FIRST, LONGEST)
            .poll_period(LONGEST)
            .first_answer_timeout(args.timeout.min(ANSWER))
            .start();
        let mut board = Board::new(&args.targets, monitor)?;
        for (addr, service) in args.targets.pairs() {
            let Some(server) = board.number(addr) else {
                continue;
            };
            if let Err(why) = board.add(server, service) {
                log(format_args!("error: {why}"));
                return Err(Exit::Arguments);
            }
        }
        let waiting = wait_for(&mut board, args.until, args.quiet);
        if timeout(args.timeout, waiting).await.is_ok() {
            return Ok(Exit::Serving);
        }
        let missing: Vec<&Pair> = board
            .pairs()
            .filter(|pair| !args.until.is(&pair.seen))
            .collect();
        let hint = missing.iter().find_map(|pair| hint(pair.seen.reason()));
        tell(format_args!(
            "error: not {} within {:?}: {}{}{}",
            args.until.words(),
            args.timeout,
            list(&missing),
            if hint.is_some() { ". " } else { "" },
            hint.unwrap_or_default(),
        ));
        Ok(match worst(missing.iter().map(|pair| &pair.seen)) {
            // It was waited for another status than SERVING.
            Exit::Serving => Exit::NotServing,
            exit => exit,
        })
    })
}

/// Returns when every target has the state at the same time.
async fn wait_for(board: &mut Board, until: Until, quiet: bool) {
    let mut changes = board.changes();
    let mut columns = Columns::default();
    for pair in board.pairs() {
        columns.widen(&pair.addr, &pair.service);
    }
    while !board.pairs().all(|pair| until.is(&pair.seen)) {
        let Some(news) = changes.next().await else {
            // The monitor lives as long as the board.
            return;
        };
        let Some(pair) = board.note(&news).filter(|_| !quiet) else {
            continue;
        };
        let at = SystemTime::now();
        tell(Aligned(Change { at, pair }, columns, Terminal::PLAIN));
    }
}

fn list(pairs: &[&Pair]) -> String {
    let mut texts: Vec<String> = pairs
        .iter()
        .take(NAMED)
        .map(|pair| {
            let (addr, name) = (Escaped(&pair.addr), Named(&pair.service));
            match pair.seen.reason() {
                "" => format!("{addr} {name} is {}", pair.seen),
                reason => format!("{addr} {name} is {} ({reason})", pair.seen),
            }
        })
        .collect();
    if pairs.len() > NAMED {
        texts.push(format!("and {} more", pairs.len() - NAMED));
    }
    texts.join(", ")
}

impl Until {
    fn is(self, seen: &Seen) -> bool {
        match self {
            Self::Reported(status) => *seen == Seen::Reported(status),
            Self::Unreachable => matches!(seen, Seen::Lost(_, Exit::Connect)),
        }
    }

    fn words(self) -> String {
        match self {
            Self::Reported(status) => status.to_string(),
            Self::Unreachable => "unreachable".to_owned(),
        }
    }
}
