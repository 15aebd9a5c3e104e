//! The built command on Unix domain sockets, and on sockets that systemd made.
#![cfg(all(feature = "cli", unix))]
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt, net::UnixListener},
    },
    path::{Path, PathBuf},
    process::{self, Child, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

const BIN: &str = env!("CARGO_BIN_EXE_grpc-health");

/// A directory of the test's own, removed with what is in it.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Relaxed);
        let name = format!("grpc-health-command-{}-{count}", process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(&self.0).unwrap().next().is_none()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs to the end: exit code, stdout, stderr.
fn run(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(BIN).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn assert_serving(addr: &str) {
    let expected = (0, "SERVING\n".to_owned(), String::new());
    assert_eq!(run(&["check", addr]), expected, "{addr}");
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A server, killed when the test fails.
struct Serving {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Serving {
    fn new(args: &[&str]) -> Self {
        let mut command = Command::new(BIN);
        command.arg("serve").args(args).stdin(Stdio::null());
        Self::spawn(command)
    }

    /// A server that the shell's `script` starts, as `"$@"`.
    fn by_shell(script: &str, stdin: Stdio, args: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", BIN, "serve"]).args(args);
        command.stdin(stdin);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    /// What it listens on, of the next such line.
    fn listening(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let addr = line.strip_prefix("listening on ").unwrap();
        addr.strip_suffix('\n').unwrap().to_owned()
    }

    /// Sends a signal, waits for the end, and says whether it was a good one.
    fn end(mut self, signal: &str) -> bool {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(kill.unwrap().success());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        self.child.wait().unwrap().success()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_path_in_place_of_the_default_address() {
    let dir = Dir::new();
    let path = dir.path("a");
    let mut server = Serving::new(&["--unix", &path]);
    assert_eq!(server.listening(), format!("unix:{path}"));
    assert_eq!(mode(&path), 0o600);
    assert_serving(&format!("unix:{path}"));
    assert_serving(&format!("unix://{path}"));
    let (code, stdout, stderr) = run(&["list", &format!("unix:{path}")]);
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (0, "\tSERVING\n", "")
    );
    // No line but that one: nothing else is listened on.
    assert!(server.end("TERM"));
    assert!(dir.is_empty());
}

#[test]
fn several_paths_beside_an_address() {
    let dir = Dir::new();
    let paths = ["a", "b"].map(|name| dir.path(name));
    let [a, b] = &paths;
    let mut server = Serving::new(&["--unix", a, "--listen", "127.0.0.1:0", "--unix", b]);
    assert_serving(&server.listening());
    for path in &paths {
        let addr = server.listening();
        assert_eq!(addr, format!("unix:{path}"));
        assert_serving(&addr);
    }
    assert!(server.end("INT"));
    assert!(dir.is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn an_abstract_name() {
    let name = format!("@grpc-health-command-{}", process::id());
    let mut server = Serving::new(&["--unix", &name]);
    assert_eq!(server.listening(), format!("unix:{name}"));
    assert_serving(&format!("unix:{name}"));
    assert_serving(&name.replacen('@', "unix-abstract:", 1));
    assert!(server.end("TERM"));
}

#[test]
fn the_mode_does_not_depend_on_the_umask() {
    let dir = Dir::new();
    for (umask, flag, expected) in [
        ("000", &[][..], 0o600),
        ("077", &["--unix-mode", "666"], 0o666),
        ("777", &["--unix-mode", "0660"], 0o660),
    ] {
        let path = dir.path(umask);
        let script = format!("umask {umask} && exec \"$@\"");
        let args = [&["--unix", &path], flag].concat();
        let mut server = Serving::by_shell(&script, Stdio::null(), &args);
        server.listening();
        assert_eq!(mode(&path), expected);
        assert!(server.end("TERM"));
    }
}

#[test]
fn a_path_in_use_and_one_left_behind() {
    let dir = Dir::new();
    let path = dir.path("a");
    let mut first = Serving::new(&["--unix", &path]);
    first.listening();
    let (code, stdout, stderr) = run(&["serve", "--unix", &path]);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    let expected = format!(
        "error: cannot listen on unix:{path}: the path belongs to a running server, or may. \
         Stop the program that listens there, or listen at another address.\n"
    );
    assert_eq!(stderr, expected);
    assert_serving(&format!("unix:{path}"));

    assert!(!first.end("KILL"));
    assert!(!dir.is_empty());
    let (code, stdout, stderr) = run(&["check", &format!("unix:{path}")]);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(
        stderr.contains(&format!("failed to connect to unix:{path}: ")),
        "{stderr}"
    );
    let mut second = Serving::new(&["--unix", &path]);
    second.listening();
    assert_serving(&format!("unix:{path}"));
    assert!(second.end("TERM"));
    assert!(dir.is_empty());
}

#[test]
fn bad_arguments() {
    for (args, expected) in [
        (&["serve", "--unix"][..], "a value is required"),
        (&["serve", "--unix-mode", "680"], "expected an octal number"),
        (
            &["serve", "--unix-mode", "1777"],
            "expected an octal number",
        ),
        (&["check", "unix:"], "write unix:PATH or unix-abstract:NAME"),
        (
            &["watch", "unix:@"],
            "write unix:PATH or unix-abstract:NAME",
        ),
    ] {
        let (code, stdout, stderr) = run(args);
        assert_eq!((code, stdout.as_str()), (1, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
}

// --- Sockets from systemd ---

/// As systemd does it: the socket is descriptor 3, and the variables say so to this process alone.
const ACTIVATE: &str =
    "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS; exec \"$@\"";

#[test]
fn a_tcp_socket_from_systemd() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap().to_string();
    let stdin = || OwnedFd::from(socket.try_clone().unwrap()).into();
    let mut server = Serving::by_shell(ACTIVATE, stdin(), &[]);
    assert_eq!(server.listening(), addr);
    assert_serving(&addr);
    assert!(server.end("TERM"));

    // The socket outlives the server, and more can be asked for.
    let mut server = Serving::by_shell(ACTIVATE, stdin(), &["--listen", "127.0.0.1:0"]);
    assert_eq!(server.listening(), addr);
    assert_serving(&server.listening());
    assert_serving(&addr);
    assert!(server.end("TERM"));
}

#[test]
fn a_unix_socket_from_systemd_keeps_its_file() {
    let dir = Dir::new();
    let path = dir.path("a");
    let socket = UnixListener::bind(&path).unwrap();
    let mut server = Serving::by_shell(ACTIVATE, OwnedFd::from(socket).into(), &[]);
    assert_eq!(server.listening(), format!("unix:{path}"));
    assert_serving(&format!("unix:{path}"));
    assert!(server.end("TERM"));
    assert!(!dir.is_empty());
}

#[test]
fn what_systemd_passed_is_no_listening_stream_socket() {
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let file = fs::File::open("/dev/null").unwrap();
    // As a unit with Accept=yes passes sockets: connected, and bound alone.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let unix = std::os::unix::net::UnixStream::pair().unwrap().0;
    for (stdin, why) in [
        (OwnedFd::from(datagrams), "is not a stream socket"),
        (OwnedFd::from(file), "Socket operation on non-socket"),
        (OwnedFd::from(connected), "does not listen"),
        (OwnedFd::from(unix), "does not listen"),
    ] {
        let output = Command::new("sh")
            .args(["-c", ACTIVATE, "sh", BIN, "serve"])
            .stdin(stdin)
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(
            stderr.starts_with("error: cannot listen on systemd's socket 0: "),
            "{stderr}"
        );
        assert!(stderr.contains(why), "{stderr}");
    }
}

/// The command took its own descriptors for sockets, and descriptors that were not open.
#[cfg(target_os = "linux")]
#[test]
fn fewer_sockets_from_systemd_than_said_aborted() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let activate = ACTIVATE.replace("LISTEN_FDS=1;", "LISTEN_FDS=1000;");
    let output = Command::new("sh")
        .args(["-c", &activate, "sh", BIN, "serve"])
        .stdin(OwnedFd::from(socket))
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    let said = "error: cannot listen on systemd's sockets: LISTEN_FDS=1000, but descriptor ";
    assert!(stderr.starts_with(said), "{stderr}");
}
