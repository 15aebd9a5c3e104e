//! What the command says: results on stdout, everything else on stderr, the outcome as exit code.

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use crate::escape::Escaped;

/// The exit codes of grpc-health-probe.
#[derive(Clone, Copy)]
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

/// Writes one line to stdout at once. `println!` would panic where nobody reads it any more.
pub(crate) fn line(text: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// Writes one line to stderr, if anybody reads it. What a peer has put into it is made harmless here.
pub(crate) fn log(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", Escaped(text));
}
