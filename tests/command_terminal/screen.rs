//! What a terminal shows: as much of a terminal as the command needs.

/// The rows of a terminal that has enough of them.
#[derive(Debug)]
pub(crate) struct Screen {
    columns: usize,
    rows: Vec<String>,
    row: usize,
    column: usize,
    /// An escape sequence whose end is not there yet.
    begun: String,
}

impl Screen {
    pub(crate) fn new(columns: usize) -> Self {
        Self {
            columns,
            rows: vec![String::new()],
            row: 0,
            column: 0,
            begun: String::new(),
        }
    }

    pub(crate) fn write(&mut self, text: &str) {
        for c in text.chars() {
            if !self.begun.is_empty() || c == '\x1b' {
                self.begun.push(c);
                if c.is_ascii_alphabetic() {
                    let sequence = std::mem::take(&mut self.begun);
                    self.control(&sequence);
                }
                continue;
            }
            match c {
                '\r' => self.column = 0,
                '\n' => {
                    self.row += 1;
                    if self.row == self.rows.len() {
                        self.rows.push(String::new());
                    }
                }
                c => {
                    assert!(!c.is_control(), "{c:?}");
                    assert!(self.column < self.columns, "a line is too long");
                    let mut row: Vec<char> = self.rows[self.row].chars().collect();
                    row.resize(row.len().max(self.column + 1), ' ');
                    row[self.column] = c;
                    self.rows[self.row] = row.into_iter().collect();
                    self.column += 1;
                }
            }
        }
    }

    fn control(&mut self, sequence: &str) {
        let inner = sequence.strip_prefix("\x1b[").unwrap();
        let (number, command) = inner.split_at(inner.len() - 1);
        match (number, command) {
            (lines, "A") => self.row -= lines.parse::<usize>().unwrap(),
            ("", "K") => {
                let row = &mut self.rows[self.row];
                *row = row.chars().take(self.column).collect();
            }
            ("", "J") => {
                self.rows.truncate(self.row + 1);
                let row = &mut self.rows[self.row];
                *row = row.chars().take(self.column).collect();
            }
            // Colors, and whether long lines wrap.
            (_, "m") | ("?7", "h" | "l") => {}
            _ => panic!("the terminal does not know {sequence:?}"),
        }
    }

    pub(crate) fn rows(&self) -> &[String] {
        &self.rows
    }

    /// The row that begins so.
    pub(crate) fn row(&self, begin: &str) -> Option<&String> {
        self.rows.iter().find(|row| row.starts_with(begin))
    }
}
