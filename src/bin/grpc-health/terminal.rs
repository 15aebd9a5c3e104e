//! What stdout is: a terminal, and of what size, or something that a program reads.

use std::{
    env,
    ffi::OsString,
    fmt::{self, Display},
    io::{self, IsTerminal},
};

/// Whether people read stdout, and what may be written for them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Terminal {
    /// Stdout is a terminal.
    pub(crate) is_terminal: bool,
    /// The terminal knows the escape sequences that move the cursor.
    pub(crate) redraws: bool,
    /// The terminal shows colours, and the user wants them.
    pub(crate) colors: bool,
}

impl Terminal {
    /// What is no terminal.
    pub(crate) const PLAIN: Self = Self {
        is_terminal: false,
        redraws: false,
        colors: false,
    };

    pub(crate) fn stdout() -> Self {
        let is_terminal = io::stdout().is_terminal();
        Self::new(is_terminal, env::var_os("TERM"), env::var_os("NO_COLOR"))
    }

    /// `TERM` without a value is a terminal of which nothing is known. `NO_COLOR` with any value means no colours
    /// (<https://no-color.org>).
    fn new(is_terminal: bool, term: Option<OsString>, no_color: Option<OsString>) -> Self {
        let redraws = is_terminal && term.is_some_and(|term| !term.is_empty() && term != "dumb");
        Self {
            is_terminal,
            redraws,
            colors: redraws && no_color.is_none_or(|value| value.is_empty()),
        }
    }

    /// `text` in the color, if the terminal shows colors.
    pub(crate) const fn paint<T>(self, color: Color, text: T) -> Painted<T> {
        let color = if self.colors { color } else { Color::None };
        Painted(color, text)
    }
}

/// The columns and rows of the terminal that stdout is; 80 and 24 if the terminal does not say.
pub(crate) fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => (80, 24),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Color {
    None,
    Bold,
    Dim,
    Green,
    Red,
    Yellow,
}

/// A text in a color of a terminal.
pub(crate) struct Painted<T>(Color, T);

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begin = match self.0 {
            Color::None => return self.1.fmt(f),
            Color::Bold => "1",
            Color::Dim => "2",
            Color::Green => "32",
            Color::Red => "31",
            Color::Yellow => "33",
        };
        write!(f, "\x1b[{begin}m{}\x1b[0m", self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_environment_asks_for() {
        let of = |is_terminal, term: Option<&str>, no_color: Option<&str>| {
            let terminal =
                Terminal::new(is_terminal, term.map(Into::into), no_color.map(Into::into));
            (terminal.redraws, terminal.colors)
        };
        assert_eq!(of(true, Some("xterm"), None), (true, true));
        assert_eq!(of(true, Some("xterm"), Some("")), (true, true));
        assert_eq!(of(true, Some("xterm"), Some("0")), (true, false));
        assert_eq!(of(true, Some("dumb"), None), (false, false));
        assert_eq!(of(true, Some(""), None), (false, false));
        assert_eq!(of(true, None, None), (false, false));
        assert_eq!(of(false, Some("xterm"), None), (false, false));
    }

    #[test]
    fn colors() {
        let mut terminal = Terminal::new(true, Some("xterm".into()), None);
        assert_eq!(
            terminal.paint(Color::Red, "a").to_string(),
            "\x1b[31ma\x1b[0m"
        );
        terminal.colors = false;
        assert_eq!(terminal.paint(Color::Red, "a").to_string(), "a");
    }
}
