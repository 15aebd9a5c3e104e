//! What the built command tells systemd, and a fake of systemd's socket reads.
#![cfg(all(feature = "cli", target_os = "linux"))]
#![allow(clippy::unwrap_used)]

#[path = "support/command.rs"]
mod support;

use std::{
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::PathBuf,
    process::{self, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use support::{Running, command, line, run};

const READY: &str = "READY=1\nSTATUS=serving";
const STOPPING: &str = "STOPPING=1\nSTATUS=draining";

fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Relaxed);
    format!("grpc-health-notify-{}-{count}", process::id())
}

/// A socket with an abstract name, and its name as `NOTIFY_SOCKET` has it.
fn abstract_socket() -> (UnixDatagram, String) {
    let name = name();
    let addr = SocketAddr::from_abstract_name(&name).unwrap();
    (UnixDatagram::bind_addr(&addr).unwrap(), format!("@{name}"))
}

fn serve(socket: &str, variables: &[(&str, &str)], args: &[&str]) -> Running {
    let mut command = command([&["serve", "--listen", "127.0.0.1:0"], args].concat());
    command.env("NOTIFY_SOCKET", socket);
    command.envs(variables.iter().copied());
    Running::spawn(command)
}

fn next(socket: &UnixDatagram) -> String {
    // Far longer than it takes; only a failure gets here.
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut buffer = [0; 1024];
    let len = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..len].to_vec()).unwrap()
}

#[test]
fn ready_and_stopping_on_both_kinds_of_sockets() {
    let path: PathBuf = std::env::temp_dir().join(name());
    let socket = UnixDatagram::bind(&path).unwrap();
    for (socket, name) in [
        (socket, path.to_str().unwrap().to_owned()),
        abstract_socket(),
    ] {
        let mut server = serve(&name, &[], &[]);
        assert_eq!(next(&socket), READY);
        let addr = support::listening(&mut server).to_string();
        assert_eq!(run(["check", &addr]).0, 0);
        server.signal("TERM");
        assert_eq!(next(&socket), STOPPING);
        assert_eq!(server.end(), (0, String::new(), "draining\n".to_owned()));
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn the_watchdog_is_fed_until_the_end_of_the_drain() {
    let (socket, name) = abstract_socket();
    let watchdog = [("WATCHDOG_USEC", "20000")];
    let args = [
        "--drain-linger",
        "10m",
        "--service",
        "worker",
        "--watchdog",
        "worker",
    ];
    let mut server = serve(&name, &watchdog, &args);
    support::listening(&mut server);
    assert_eq!(next(&socket), READY);
    for _ in 0..3 {
        assert_eq!(next(&socket), "WATCHDOG=1");
    }
    server.signal("TERM");
    assert_eq!(line(&mut server.stderr), "draining");
    // All that was sent before the drain, and then three signs of life within the drain, in which the service is NOT_SERVING.
    while next(&socket) != STOPPING {}
    for _ in 0..3 {
        assert_eq!(next(&socket), "WATCHDOG=1");
    }
    server.signal("TERM");
    assert_eq!(server.end().0, 0);
}

#[test]
fn a_service_that_is_not_serving_does_not_feed_the_watchdog() {
    let (socket, name) = abstract_socket();
    let watchdog = [("WATCHDOG_USEC", "20000")];
    let args = ["--service", "worker=not-serving", "--watchdog", "worker"];
    let mut server = serve(&name, &watchdog, &args);
    support::listening(&mut server);
    // The first look of the watchdog's task.
    let said = line(&mut server.stderr);
    assert!(
        said.starts_with("the watchdog's service is not SERVING"),
        "{said}"
    );
    server.signal("TERM");
    assert_eq!(next(&socket), READY);
    assert_eq!(next(&socket), STOPPING);
    assert_eq!(server.end().0, 0);
}

#[test]
fn a_watchdog_of_another_process_is_not_fed() {
    let (socket, name) = abstract_socket();
    // Number 1 is not the command.
    let watchdog = [("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")];
    let mut server = serve(
        &name,
        &watchdog,
        &["--service", "a=not-serving", "--watchdog", "a"],
    );
    support::listening(&mut server);
    server.signal("TERM");
    assert_eq!(next(&socket), READY);
    assert_eq!(next(&socket), STOPPING);
    // Nothing is said of the watchdog.
    assert_eq!(server.end().2, "draining\n");
}

#[test]
fn a_socket_that_cannot_be_used_stops_nothing() {
    let gone = name();
    for (socket, why) in [
        (format!("@{gone}"), "error: cannot tell systemd: "),
        ("vsock:2:1".to_owned(), "error: NOTIFY_SOCKET=vsock:2:1: "),
    ] {
        let mut server = serve(&socket, &[], &[]);
        let addr = support::listening(&mut server).to_string();
        assert_eq!(run(["check", &addr]).0, 0);
        let said = line(&mut server.stderr);
        assert!(said.starts_with(why), "{said}");
        server.signal("TERM");
        assert_eq!(server.end().0, 0);
    }
}

#[test]
fn the_commands_of_checks_do_not_get_the_socket() {
    let (socket, name) = abstract_socket();
    let check =
        "env[first=not-serving,period=10ms]=exec:sh -c 'test -z \"$NOTIFY_SOCKET$WATCHDOG_USEC\"'";
    let watchdog = [("WATCHDOG_USEC", "20000")];
    let mut server = serve(&name, &watchdog, &["--check", check, "--watchdog", "env"]);
    support::listening(&mut server);
    assert_eq!(next(&socket), READY);
    // Only a check that has succeeded feeds the watchdog.
    assert_eq!(next(&socket), "WATCHDOG=1");
    server.signal("KILL");
}

#[test]
fn the_watchdogs_service_must_be_one() {
    let output = command(["serve", "--watchdog", "a"])
        .stdout(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "error: --watchdog \"a\": no such --service\n");
}
