//! The command for people at a terminal, and for their scripts: `check` again and again, `list`, `watch`, `wait`, and the pages about them.
#![cfg(all(feature = "cli", unix))]
#![allow(clippy::unwrap_used)]

#[path = "../support/dir.rs"]
mod dir;
mod lists;
mod pages;
mod pty;
mod query;
mod screen;
#[path = "../support/command.rs"]
mod support;
mod terminal;
mod wait;
mod watch;

use dir::Dir;
use support::Running;

/// `serve` on a Unix socket with these services, and a control socket.
pub(crate) struct Served {
    server: Running,
    /// The address for clients.
    pub(crate) addr: String,
    control: String,
}

impl Served {
    /// The server's sockets have these names in `dir`.
    pub(crate) fn new(dir: &Dir, name: &str, services: &[&str]) -> Self {
        let (path, control) = (dir.path(name), dir.path(&format!("{name}.control")));
        let mut args = vec!["serve", "--unix", &path, "--control", &control];
        for service in services {
            args.extend(["--service", service]);
        }
        let mut server = Running::new(args);
        assert_eq!(server.line(), format!("listening on unix:{path}"));
        Self {
            server,
            addr: format!("unix:{path}"),
            control,
        }
    }

    /// Changes a status with `set` or `clear`.
    pub(crate) fn tell(&self, args: &[&str]) {
        let (name, rest) = args.split_first().unwrap();
        let (code, _, stderr) =
            support::run([&[name, "--control", &self.control][..], rest].concat());
        assert_eq!(code, 0, "{stderr}");
    }

    /// Ends the server at once, as a crash would.
    pub(crate) fn kill(self) {
        self.server.signal("KILL");
    }

    /// The address of the control socket, whose server has no health service.
    pub(crate) fn no_health(&self) -> String {
        format!("unix:{}", self.control)
    }
}
