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
    write(format!("{text}\n").as_bytes())
}

/// Writes to stdout at once. An error names stdout.
pub(crate) fn write(text: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text);
    written.and_then(|()| stdout.flush()).map_err(|error| {
        let text = format!("cannot write to stdout: {error}");
        io::Error::new(error.kind(), text)
    })
}

/// The exit code of a command whose output is `written`, and which ends with `exit` otherwise. Says what has failed, unless the reader has
/// gone: such a reader, as `head`, has read enough.
pub(crate) fn ended(written: io::Result<()>, exit: Exit) -> Exit {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            log(format_args!("error: {error}"));
            Exit::Connect
        }
        _ => exit,
    }
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
