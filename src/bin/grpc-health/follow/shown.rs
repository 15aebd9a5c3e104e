//! What `watch` shows on stdout: lines, or a table that is redrawn.

use std::{
    io,
    time::{Duration, Instant, SystemTime},
};

use tokio::time::sleep;

use super::{
    lines::{Aligned, Columns, Tabs, object},
    pace::Pace,
    pair::{Change, Pair},
    table::{Screen, notice, table},
};
use crate::{
    output::{line, log, write},
    terminal::{Terminal, size},
};

/// The shortest time between two frames of the table, and the longest, in which the durations grow.
const FRAME: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);

/// The most notices below the table.
const NOTICES: usize = 3;

/// What stdout shows, and how.
pub(super) struct Shown {
    form: Form,
    terminal: Terminal,
    pace: Pace,
    columns: Columns,
    screen: Screen,
    /// The board has changed since the last frame.
    dirty: bool,
    drawn: Instant,
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Table,
    Aligned,
    Tabs,
    Json,
}

impl Shown {
    /// `several` says whether there may be several services.
    pub(super) fn new(json: bool, lines: bool, several: bool) -> Self {
        let terminal = Terminal::stdout();
        let form = match terminal.is_terminal {
            _ if json => Form::Json,
            false => Form::Tabs,
            true if several && terminal.redraws && !lines => Form::Table,
            true => Form::Aligned,
        };
        let now = Instant::now();
        Self {
            form,
            terminal,
            pace: Pace::new(now),
            columns: Columns::default(),
            screen: Screen::default(),
            dirty: true,
            drawn: now,
        }
    }

    /// When the next frame is due.
    pub(super) fn next_frame(&self) -> Option<Instant> {
        let pause = if self.dirty { FRAME } else { SECOND };
        (self.form == Form::Table).then(|| self.drawn + pause)
    }

    /// Shows a change, and waits if there were too many.
    pub(super) async fn change(&mut self, pair: Option<&Pair>) -> io::Result<()> {
        self.dirty = true;
        let Some(pair) = pair else {
            return Ok(());
        };
        let change = Change {
            at: SystemTime::now(),
            pair,
        };
        let printed = match self.form {
            Form::Table => return Ok(()),
            Form::Tabs => line(Tabs(change)),
            Form::Json => line(object(&change).end()),
            Form::Aligned => {
                self.columns.widen(&pair.addr, &pair.service);
                line(Aligned(change, self.columns, self.terminal))
            }
        };
        if let Some(pause) = self.pace.take(Instant::now()) {
            sleep(pause).await;
        }
        printed
    }

    /// The next frame shows something new.
    pub(super) const fn changed(&mut self) {
        self.dirty = true;
    }

    /// Logs a notice, unless the table shows the notice.
    pub(super) fn notice(&self, text: &str) {
        if self.form != Form::Table {
            log(text);
        }
    }

    /// Draws the table, and the first notices below the table.
    pub(super) fn frame(&mut self, pairs: &[&Pair], notices: &[&String]) -> io::Result<()> {
        if self.form != Form::Table {
            return Ok(());
        }
        let (columns, rows) = size();
        let now = Instant::now();
        (self.dirty, self.drawn) = (false, now);
        let notices = notices.iter().take(NOTICES);
        let notices: Vec<_> = notices.map(|text| notice(text, columns)).collect();
        let mut lines = table(pairs, now, (columns, rows.saturating_sub(notices.len())));
        lines.extend(notices);
        let text = self.screen.frame(&lines, self.terminal, columns);
        write(text.as_bytes())
    }
}
