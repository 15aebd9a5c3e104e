//! A command's exit code.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{self, Child};

use crate::plane::Probe;
use crate::registry::Reason;

/// The variables with which systemd passes sockets and a watchdog to one process. They are not for the commands of checks.
const NOT_PASSED_ON: &[&str] = &[
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// A [`Probe`] that runs a command, and succeeds if the command exits with code 0.
///
/// The command runs without a shell, in the working directory and with the environment of this process, in a process group of its own. Its
/// standard input is empty, and its output is thrown away. At the timeout of the check the probe kills the whole process group with
/// SIGKILL, and so when the check stops. A command that exits in time may leave processes behind, as in a shell. The probe waits for the
/// command alone: what the command has started is left to the process with number 1, which must wait for orphans.
///
/// The probe needs a tokio runtime with I/O enabled.
#[derive(Clone, Debug)]
pub struct Command {
    program: OsString,
    args: Vec<OsString>,
}

impl Command {
    /// Makes a probe that runs `program`, a path or a name to look for in `PATH`, with `args`.
    pub fn new<A>(program: impl AsRef<OsStr>, args: impl IntoIterator<Item = A>) -> Self
    where
        A: AsRef<OsStr>,
    {
        Self {
            program: program.as_ref().to_owned(),
            args: args
                .into_iter()
                .map(|arg| arg.as_ref().to_owned())
                .collect(),
        }
    }
}

impl Probe for Command {
    async fn probe(&mut self) -> Result<(), Reason> {
        let mut command = process::Command::new(&self.program);
        command
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        for name in NOT_PASSED_ON {
            command.env_remove(name);
        }
        let program = Path::new(&self.program).display();
        let mut group = match command.spawn() {
            Ok(child) => Group(child),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Reason::from(format!("{program}: no such command")));
            }
            Err(error) => return Err(Reason::from(format!("{program}: {error}"))),
        };
        match group.0.wait().await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Reason::from(format!("{program}: {}", words(status)))),
            Err(error) => Err(Reason::from(format!("{program}: {error}"))),
        }
    }
}

fn words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// A running command, whose process group is killed when this is dropped.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // `None` once the command has been waited for: only until then do the number of the process and that of the group stay the
        // command's.
        let pid = self.0.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // An error means that no process of the group is left. The runtime waits for the killed command.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}
