//! The live table: what is known of all services, redrawn in place.

use std::{fmt::Write, time::Instant};

use super::pair::{Pair, Seen};
use crate::{
    cells::{cut, fill, width},
    escape::Escaped,
    lasted::Lasted,
    name::Named,
    terminal::{Color, Terminal},
};

/// A line of text in several colors.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Line(Vec<(Color, String)>);

impl Line {
    fn one(color: Color, text: String) -> Self {
        Self(vec![(color, text)])
    }

    fn push(&mut self, color: Color, text: String) {
        self.0.push((color, text));
    }

    /// Adds a cell of a column, and the gap to the next column.
    fn cell(&mut self, color: Color, text: &str, column: usize) {
        let text = cut(text, column);
        let gap = fill(&text, column + 2);
        self.push(color, text);
        self.push(Color::None, gap);
    }

    fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| width(text)).sum()
    }

    /// The line in at most so many columns, without spaces at the end.
    fn clip(mut self, max: usize) -> Self {
        let mut left = max;
        for (_, text) in &mut self.0 {
            *text = cut(text, left);
            left -= width(text);
        }
        while let Some((color, text)) = self.0.pop() {
            let text = text.trim_end();
            if !text.is_empty() {
                self.push(color, text.to_owned());
                break;
            }
        }
        self
    }

    fn draw(&self, terminal: Terminal, to: &mut String) {
        for (color, text) in self.0.iter().filter(|(_, text)| !text.is_empty()) {
            // A String takes every write.
            let _ = write!(to, "{}", terminal.paint(*color, text));
        }
    }
}

/// As wide as `SERVICE_UNKNOWN`.
const STATUS: usize = 15;
const LASTED: usize = 8;
/// As wide as `SERVICE_UNKNOWN, 59m 59s`.
const BEFORE: usize = 24;
const CHANGES: usize = 7;

/// The lines of a table for a terminal of this size. If there are more services than rows, those that are not SERVING come first, and the
/// last line counts the rest. The table leaves the last row and the last column of the terminal free.
pub(super) fn table(pairs: &[&Pair], now: Instant, (columns, rows): (usize, usize)) -> Vec<Line> {
    let max = columns.saturating_sub(1);
    let mut lines = vec![summary(pairs)];
    let room = rows.saturating_sub(3).max(1);
    let fits = pairs.len() <= room;
    let mut shown = pairs.to_vec();
    if !fits {
        shown.sort_by_key(|pair| pair.seen.is_serving());
    }
    let rest = if fits {
        Vec::new()
    } else {
        shown.split_off(room.saturating_sub(1).min(shown.len()))
    };
    let several = pairs
        .windows(2)
        .any(|two| matches!(two, [a, b] if a.addr != b.addr));
    let texts: Vec<(String, String)> = shown
        .iter()
        .map(|pair| {
            let addr = Escaped(&pair.addr).to_string();
            (addr, Named(&pair.service).to_string())
        })
        .collect();
    let widest = |texts: &mut dyn Iterator<Item = &String>, head: &str, most: usize| {
        let longest = texts.map(|text| width(text)).max().unwrap_or(0);
        longest.min(most).max(head.len())
    };
    let addr = widest(&mut texts.iter().map(|(addr, _)| addr), "ADDRESS", max / 4);
    let service = widest(&mut texts.iter().map(|(_, name)| name), "SERVICE", max / 3);

    let mut head = Line::default();
    if several {
        head.cell(Color::Bold, "ADDRESS", addr);
    }
    for (text, column) in [
        ("SERVICE", service),
        ("STATUS", STATUS),
        ("FOR", LASTED),
        ("BEFORE", BEFORE),
        ("CHANGES", CHANGES),
    ] {
        head.cell(Color::Bold, text, column);
    }
    lines.push(head);
    for (pair, (server, name)) in shown.iter().zip(&texts) {
        let mut line = Line::default();
        if several {
            line.cell(Color::None, server, addr);
        }
        line.cell(Color::None, name, service);
        line.cell(pair.seen.color(), &pair.seen.to_string(), STATUS);
        let lasted = now.saturating_duration_since(pair.since);
        line.cell(Color::None, &Lasted(lasted).to_string(), LASTED);
        let before = pair
            .previous
            .as_ref()
            .map(|(before, lasted)| format!("{before}, {}", Lasted(*lasted)));
        line.cell(Color::Dim, &before.unwrap_or_default(), BEFORE);
        line.cell(Color::Dim, &pair.changes.to_string(), CHANGES);
        line.push(Color::None, pair.seen.reason().to_owned());
        lines.push(line);
    }
    if !fits {
        let serving = count(&rest, Seen::is_serving);
        let text = format!("... and {} more, {serving} SERVING", rest.len());
        lines.push(Line::one(Color::Dim, text));
    }
    lines.into_iter().map(|line| line.clip(max)).collect()
}

/// A line below the table. `text` may quote a server.
pub(super) fn notice(text: &str, columns: usize) -> Line {
    Line::one(Color::Yellow, Escaped(text).to_string()).clip(columns.saturating_sub(1))
}

fn count(pairs: &[&Pair], is: impl Fn(&Seen) -> bool) -> usize {
    pairs.iter().filter(|pair| is(&pair.seen)).count()
}

/// The number of services, of those that serve, and of those that do not.
fn summary(pairs: &[&Pair]) -> Line {
    let serving = count(pairs, Seen::is_serving);
    let lost = count(pairs, |seen| matches!(seen, Seen::Lost(..)));
    let waiting = count(pairs, |seen| *seen == Seen::Waiting);
    let other = pairs.len() - serving - lost - waiting;
    let mut line = Line::one(Color::Bold, format!("{} services", pairs.len()));
    if let Some(first) = pairs.first() {
        if pairs.iter().all(|pair| pair.addr == first.addr) {
            line.push(Color::Bold, format!(" of {}", Escaped(&first.addr)));
        }
    }
    line.push(Color::None, ": ".to_owned());
    for (i, (number, what, color)) in [
        (serving, "SERVING", Color::Green),
        (other, "another status", Color::Yellow),
        (lost, "without a status", Color::Red),
        (waiting, "connecting", Color::Dim),
    ]
    .into_iter()
    .filter(|&(number, what, _)| number > 0 || what == "SERVING")
    .enumerate()
    {
        let comma = if i == 0 { "" } else { ", " };
        line.push(Color::None, comma.to_owned());
        line.push(color, format!("{number} {what}"));
    }
    line
}

/// What has been drawn on a terminal.
#[derive(Debug, Default)]
pub(super) struct Screen {
    /// The columns that each line of the last frame takes.
    widths: Vec<usize>,
}

impl Screen {
    /// The text that draws `lines` in place of the last frame. The cursor is in the row below the frame before and after. Long lines do not
    /// wrap while the frame is drawn, in case a character is wider than it seems.
    pub(super) fn frame(&mut self, lines: &[Line], terminal: Terminal, columns: usize) -> String {
        let mut text = "\x1b[?7l\r".to_owned();
        // In a terminal that has become narrower, a line takes several rows.
        let rows = |width: &usize| width.div_ceil(columns.max(1)).max(1);
        let up: usize = self.widths.iter().map(rows).sum();
        if up > 0 {
            let _ = write!(text, "\x1b[{up}A");
        }
        for line in lines {
            line.draw(terminal, &mut text);
            text.push_str("\x1b[K\n");
        }
        text.push_str("\x1b[J\x1b[?7h");
        self.widths = lines.iter().map(Line::width).collect();
        text
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use grpc_health::client::ReportedStatus;

    use super::*;
    use crate::output::Exit;

    const PLAIN: Terminal = Terminal {
        is_terminal: true,
        redraws: true,
        colors: false,
    };

    fn pairs(statuses: &[(&str, &str, Seen)], start: Instant) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for (addr, service, seen) in statuses {
            let mut pair = Pair::new((*addr).to_owned(), (*service).to_owned(), start);
            pair.note(seen.clone(), start);
            pairs.push(pair);
        }
        pairs
    }

    fn texts(pairs: &[Pair], now: Instant, size: (usize, usize)) -> Vec<String> {
        let pairs: Vec<&Pair> = pairs.iter().collect();
        let lines = table(&pairs, now, size);
        lines
            .iter()
            .map(|line| {
                assert!(line.width() < size.0, "{line:?}");
                let mut text = String::new();
                line.draw(PLAIN, &mut text);
                text
            })
            .collect()
    }

    fn serving() -> Seen {
        Seen::Reported(ReportedStatus::SERVING)
    }

    #[test]
    fn a_table_of_two_servers() {
        let start = Instant::now();
        let mut pairs = pairs(
            &[
                ("a:1", "", serving()),
                (
                    "a:1",
                    "shop\x1b[2J",
                    Seen::Reported(ReportedStatus::NOT_SERVING),
                ),
                ("b:1", "", serving()),
            ],
            start,
        );
        let later = start + Duration::from_millis(5_500);
        pairs[2].note(Seen::lost("no route", Exit::Connect), later);
        let expected = [
            "3 services: 1 SERVING, 1 another status, 1 without a status",
            "ADDRESS  SERVICE        STATUS           FOR       BEFORE                    CHANGES",
            "a:1      \"\"             SERVING          6.5 s                               0",
            "a:1      shop\\u{1b}[2J  NOT_SERVING      6.5 s                               0",
            "b:1      \"\"             UNREACHABLE      1.0 s     SERVING, 5.5 s            1        no route",
        ];
        assert_eq!(
            texts(&pairs, later + Duration::from_secs(1), (100, 24)),
            expected
        );
    }

    #[test]
    fn one_server_stands_in_the_summary() {
        let now = Instant::now();
        let pairs = pairs(&[("a:1", "", serving()), ("a:1", "b", Seen::Waiting)], now);
        let texts = texts(&pairs, now, (40, 24));
        assert_eq!(texts[0], "2 services of a:1: 1 SERVING, 1 connec…");
        assert_eq!(texts[1], "SERVICE  STATUS           FOR       BE…");
    }

    /// Whatever the size, the table leaves a row for the cursor, and what is wrong is shown first.
    #[test]
    fn a_table_is_not_larger_than_its_terminal() {
        let now = Instant::now();
        let names: Vec<String> = (0..50).map(|i| format!("{i:02}")).collect();
        let down = Seen::Reported(ReportedStatus::NOT_SERVING);
        let statuses: Vec<_> = names
            .iter()
            .map(|name| {
                let seen = if name == "49" {
                    down.clone()
                } else {
                    serving()
                };
                ("a:1", name.as_str(), seen)
            })
            .collect();
        let pairs = pairs(&statuses, now);
        for rows in [53, 52, 24, 5, 4] {
            let lines = texts(&pairs, now, (80, rows));
            assert!(lines.len() < rows, "{rows}: {lines:?}");
        }
        let lines = texts(&pairs, now, (80, 24));
        assert!(lines[2].starts_with("49 "), "{lines:?}");
        assert!(lines[3].starts_with("00 "), "{lines:?}");
        assert_eq!(lines[22], "... and 30 more, 30 SERVING");
        for size in [(1, 1), (2, 2), (0, 0), (10, 3)] {
            let pairs: Vec<&Pair> = pairs.iter().collect();
            for line in table(&pairs, now, size) {
                assert!(line.width() < size.0.max(1));
            }
        }
    }

    #[test]
    fn a_frame_replaces_the_last_one() {
        let line = |text: &str| Line::one(Color::Red, text.to_owned());
        let mut screen = Screen::default();
        let first = screen.frame(&[line("abcd"), line("e")], PLAIN, 10);
        assert_eq!(first, "\x1b[?7l\rabcd\x1b[K\ne\x1b[K\n\x1b[J\x1b[?7h");
        let second = screen.frame(&[line("f")], PLAIN, 10);
        assert_eq!(second, "\x1b[?7l\r\x1b[2Af\x1b[K\n\x1b[J\x1b[?7h");
        // One row of four columns is two rows of three.
        screen.frame(&[line("abcd"), line("e")], PLAIN, 10);
        assert!(screen.frame(&[], PLAIN, 3).contains("\x1b[3A"));
        let colors = Terminal {
            colors: true,
            ..PLAIN
        };
        let red = Screen::default().frame(&[line("a")], colors, 10);
        assert!(red.contains("\x1b[31ma\x1b[0m\x1b[K\n"), "{red:?}");
    }
}
