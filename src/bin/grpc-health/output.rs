//! The command's output: results on stdout, all other text on stderr, the outcome as the exit code.

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use crate::escape::Escaped;

/// The exit codes of grpc-health-probe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Exit {
    Serving = 0,
    Arguments = 1,
    Connect = 2,
    Rpc = 3,
    NotServing = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Writes one line to stdout at once. `println!` would panic if nobody reads stdout.
pub(crate) fn line(text: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// Writes one line to stderr, and ignores errors. `text` is for a terminal already.
pub(crate) fn tell(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes one line to stderr, and ignores errors. Escapes text from peers. stderr has no buffer, so the line is made first.
pub(crate) fn log(text: impl Display) {
    let line = format!("{}\n", Escaped(text));
    let _ = io::stderr().lock().write_all(line.as_bytes());
}
