//! The command on a pseudo-terminal.

use std::{
    fs::File,
    io::Read,
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
};

use rustix::{
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use crate::{screen::Screen, support::command};

/// Enough for the long paths of the tests' sockets.
const COLUMNS: u16 = 200;

/// A command whose stdout is a terminal, and what the terminal shows.
pub(crate) struct OnTerminal {
    child: Child,
    terminal: File,
    /// All that was written, as it was written.
    pub(crate) raw: String,
    pub(crate) screen: Screen,
}

impl OnTerminal {
    /// Starts the command on a terminal of 200 columns and 24 rows, with these variables beside `TERM=xterm`.
    pub(crate) fn new(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let theirs = ioctl_tiocgptpeer(&ours, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        resize(&ours, COLUMNS, 24);
        let mut command = command(args);
        command
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .envs(variables.iter().copied())
            .stdout(theirs)
            .stderr(Stdio::inherit());
        let child = command.spawn().unwrap();
        Self {
            child,
            terminal: ours.into(),
            raw: String::new(),
            screen: Screen::new(COLUMNS.into()),
        }
    }

    /// Reads until the screen is as `expected` says, or the command has ended.
    pub(crate) fn until(&mut self, expected: impl Fn(&Screen) -> bool) {
        while !expected(&self.screen) {
            assert!(self.read(), "the command has ended: {:#?}", self.screen);
        }
    }

    /// Reads to the end of the command, and returns the exit code.
    pub(crate) fn end(&mut self) -> i32 {
        while self.read() {}
        self.child.wait().unwrap().code().unwrap()
    }

    /// `false` if no process has the terminal open.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 1 << 16];
        // Linux reports the last close as an error.
        let read = self.terminal.read(&mut bytes).unwrap_or(0);
        // The names in the tests are ASCII.
        let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
        self.screen.write(&text);
        self.raw.push_str(&text);
        read > 0
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(kill.unwrap().success());
    }

    /// Changes the number of rows of the terminal, and tells the command. Nobody else does: the terminal is not the command's controlling
    /// terminal.
    pub(crate) fn shrink(&mut self, rows: u16) {
        let fd: OwnedFd = self.terminal.try_clone().unwrap().into();
        resize(&fd, COLUMNS, rows);
        self.signal("WINCH");
    }
}

fn resize(terminal: &OwnedFd, columns: u16, rows: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        // The command may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
