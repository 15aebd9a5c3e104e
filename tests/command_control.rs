//! The control socket of the built command: what its clients may do, and what nobody else may.
#![cfg(all(feature = "cli", unix))]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/dir.rs"]
mod dir;
#[path = "support/command.rs"]
mod support;

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
        net::{UnixListener, UnixStream},
        process::CommandExt,
    },
    process::Stdio,
};

use dir::Dir;
use grpc_health::{
    Code, Registry, Router, Server, ServingStatus,
    client::Client,
    plane::{ControlClient, ControlService},
    registry::{Group, Limits},
};
use support::{Running, command, line, run, serve};

/// Runs a control command, and says how it ended: exit code, stdout, stderr.
fn control(path: &str, args: &[&str]) -> (i32, String, String) {
    run([&args[..1], &["--control", path], &args[1..]].concat())
}

const DONE: (i32, String, String) = (0, String::new(), String::new());

#[test]
fn statuses_are_set_cleared_shut_down_and_resumed() {
    let dir = Dir::new();
    let path = dir.path("control");
    let (_server, addr) = serve(&["--control", &path, "--service", "pinned", "--pin", "pinned"]);
    let mut watch = Running::new(["watch", "--no-reconnect", &addr, "--service", "shop.Cart"]);
    assert_eq!(watch.line(), "SERVICE_UNKNOWN");
    for (args, shown) in [
        (
            &[
                "set",
                "shop.Cart",
                "not-serving",
                "--reason",
                "stock is being counted",
            ][..],
            "NOT_SERVING",
        ),
        (&["set", "shop.Cart", "serving"], "SERVING"),
        (&["shutdown"], "NOT_SERVING"),
        (&["resume"], "SERVING"),
        (&["set", "shop.Cart", "unknown"], "UNKNOWN"),
        (&["clear", "shop.Cart"], "SERVICE_UNKNOWN"),
    ] {
        assert_eq!(control(&path, args), DONE, "{args:?}");
        assert_eq!(watch.line(), shown, "{args:?}");
    }
    // A name that nobody knows is cleared already.
    assert_eq!(control(&path, &["clear", "no.Such"]), DONE);
    // The empty name is the server as a whole. What is pinned is no part of a shutdown, and what is set meanwhile shows later.
    assert_eq!(control(&path, &["shutdown"]), DONE);
    assert_eq!(control(&path, &["set", "", "unknown"]), DONE);
    assert_eq!(run(["list", &addr]).1, "\tNOT_SERVING\npinned\tSERVING\n");
    assert_eq!(control(&path, &["resume"]), DONE);
    assert_eq!(run(["list", &addr]).1, "\tUNKNOWN\npinned\tSERVING\n");
}

#[test]
fn a_lease_lasts_while_it_is_beaten() {
    let dir = Dir::new();
    let path = dir.path("control");
    let (_server, addr) = serve(&[
        "--control",
        &path,
        "--lease",
        "worker=300ms",
        "--group",
        "=all:worker",
    ]);
    let mut watch = Running::new(["watch", "--no-reconnect", &addr, "--service", "worker"]);
    // Nobody has beaten yet.
    assert_eq!(watch.line(), "NOT_SERVING");
    for _ in 0..2 {
        assert_eq!(control(&path, &["beat", "worker"]), DONE);
        assert_eq!(watch.line(), "SERVING");
        assert_eq!(watch.line(), "NOT_SERVING");
    }
    assert_eq!(run(["check", &addr]).1, "NOT_SERVING\n");
}

#[test]
fn what_is_decided_otherwise_is_not_set() {
    let dir = Dir::new();
    let path = dir.path("control");
    let (_server, addr) = serve(&[
        "--control",
        &path,
        "--check",
        "db=exec:true",
        "--group",
        "all=all:db",
        "--lease",
        "worker=1h",
    ]);
    for (args, why) in [
        (
            &["set", "db", "serving"][..],
            "a check decides the status of \"db\"",
        ),
        (&["clear", "db"], "a check decides the status of \"db\""),
        (
            &["set", "all", "serving"],
            "a group decides the status of \"all\"",
        ),
        (&["clear", "all"], "a group decides the status of \"all\""),
        (
            &["set", "worker", "serving"],
            "a lease decides the status of \"worker\"",
        ),
        (
            &["clear", "worker"],
            "a lease decides the status of \"worker\"",
        ),
    ] {
        let (code, stdout, stderr) = control(&path, args);
        assert_eq!((code, stdout.as_str()), (3, ""), "{args:?}");
        assert_eq!(stderr, format!("error: FAILED_PRECONDITION: {why}\n"));
    }
    for name in ["db", "no.Such"] {
        let (code, _, stderr) = control(&path, &["beat", name]);
        assert_eq!(
            (code, stderr),
            (3, format!("error: NOT_FOUND: no lease of \"{name}\"\n"))
        );
    }
    assert!(run(["list", &addr]).1.contains("worker\tNOT_SERVING\n"));
}

#[test]
fn bad_arguments() {
    let dir = Dir::new();
    let path = dir.path("control");
    for (args, why) in [
        (&["set", "--control", "x", "a"][..], "<STATUS>"),
        (
            &["set", "--control", "x", "a", "up"],
            "'up' is none of serving, not-serving, unknown",
        ),
        (&["set", "a", "serving"], "--control <PATH>"),
        (
            &["set", "--control", "@x", "a", "serving"],
            "an abstract name has no permissions",
        ),
        (&["clear", "--control", "x"], "<NAME>"),
        (&["beat", "--control", "x"], "<NAME>"),
        (
            &["shutdown", "--control", "x", "a"],
            "unexpected argument 'a'",
        ),
    ] {
        let (code, stdout, stderr) = run(args);
        assert_eq!((code, stdout.as_str()), (1, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(why), "{args:?}: {stderr}");
    }
    for args in [
        &["set", "a", "serving"][..],
        &["clear", "a"],
        &["beat", "a"],
        &["shutdown"],
        &["resume"],
    ] {
        let (code, stdout, stderr) = control(&path, args);
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}: {stderr}");
        assert!(
            stderr.starts_with(&format!("error: failed to connect to {path}: ")),
            "{stderr}"
        );
    }
    let help = run(["set", "--help"]).1;
    assert!(help.contains("--reason 'stock is being counted'"), "{help}");
}

#[test]
fn the_socket_may_be_named_by_the_environment() {
    let dir = Dir::new();
    let path = dir.path("control");
    let (_server, addr) = serve(&["--control", &path]);
    let mut set = command(["set", "a", "serving"]);
    assert!(
        set.env("GRPC_HEALTH_CONTROL", &path)
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(run(["check", &addr, "--service", "a"]).1, "SERVING\n");
}

/// Other listeners have no control service, and the control socket has no other service.
#[tokio::test]
async fn no_other_listener_takes_orders() {
    let dir = Dir::new();
    let (path, unix) = (dir.path("control"), dir.path("unix"));
    let (_server, addr) = serve(&["--control", &path, "--unix", &unix, "--reflection"]);
    let health = [
        Client::connect(addr.as_str()).await,
        Client::connect_unix(&unix).await,
    ];
    for client in health {
        let client = client.unwrap();
        let orders = ControlClient::new(client.clone());
        for refused in [
            orders.set("", ServingStatus::NotServing, "").await,
            orders.clear("").await,
            orders.beat("").await,
            orders.shutdown().await,
            orders.resume().await,
        ] {
            assert_eq!(refused.unwrap_err().code(), Code::UNIMPLEMENTED);
        }
        assert!(client.check("").await.unwrap().is_serving());
    }
    let (code, _, stderr) = control(&unix, &["shutdown"]);
    assert_eq!(code, 3);
    assert!(
        stderr.starts_with(&format!(
            "error: {unix} is no control socket: UNIMPLEMENTED"
        )),
        "{stderr}"
    );
    let (code, _, stderr) = run(["check", &format!("unix:{path}")]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("UNIMPLEMENTED"), "{stderr}");
}

/// Whatever the umask is; and nothing is left when the server has ended.
#[test]
fn only_the_servers_user_may_open_the_socket() {
    let dir = Dir::new();
    fs::set_permissions(dir.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = dir.path("control");
    for umask in ["000", "077"] {
        let bin = env!("CARGO_BIN_EXE_grpc-health");
        let script = format!("umask {umask} && exec \"$@\"");
        let mut server = std::process::Command::new("sh")
            .args([
                "-c",
                &script,
                "sh",
                bin,
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--control",
                &path,
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = std::io::BufReader::new(server.stdout.take().unwrap());
        assert!(line(&mut stdout).starts_with("listening on 127.0.0.1:"));
        let found = fs::symlink_metadata(&path).unwrap();
        assert!(found.file_type().is_socket());
        assert_eq!(found.mode() & 0o7777, 0o600);
        // Root can be somebody else.
        if found.uid() == 0 {
            let mut other = command(["shutdown", "--control", &path]);
            let output = other.uid(65_534).gid(65_534).output();
            // A checkout that others may not enter keeps them from the command, too.
            if let Ok(output) = output {
                let stderr = String::from_utf8(output.stderr).unwrap();
                assert_eq!(output.status.code(), Some(2), "{stderr}");
                assert!(stderr.contains("Permission denied"), "{stderr}");
            }
        }
        let pid = server.id().to_string();
        assert!(
            std::process::Command::new("kill")
                .arg(pid)
                .status()
                .unwrap()
                .success()
        );
        assert!(server.wait().unwrap().success());
        assert!(dir.names().is_empty(), "{:?}", dir.names());
    }
}

#[test]
fn a_socket_that_was_left_behind_is_replaced_and_nothing_else_is() {
    let dir = Dir::new();
    let stale = dir.path("stale");
    drop(UnixListener::bind(&stale).unwrap());
    let (server, _) = serve(&["--control", &stale]);
    assert_eq!(control(&stale, &["set", "a", "serving"]), DONE);

    let file = dir.write("file", "kept");
    let link = dir.path("link");
    symlink(&file, &link).unwrap();
    let dangling = dir.path("dangling");
    symlink(dir.path("elsewhere"), &dangling).unwrap();
    let to_socket = dir.path("to-socket");
    symlink(&stale, &to_socket).unwrap();
    for path in [&stale, &file, &link, &dangling, &to_socket] {
        let (code, stdout, stderr) = run(["serve", "--listen", "127.0.0.1:0", "--control", path]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{path}: {stderr}");
        assert!(
            stderr.starts_with(&format!("error: cannot listen on {path}: ")),
            "{stderr}"
        );
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    assert_eq!(
        dir.names(),
        ["dangling", "file", "link", "stale", "to-socket"]
    );
    assert_eq!(control(&stale, &["set", "a", "serving"]), DONE);
    server.signal("TERM");
    assert_eq!(server.end().0, 0);
    assert_eq!(dir.names(), ["dangling", "file", "link", "to-socket"]);
}

/// Nobody can undo a drain from outside, and statuses that are set meanwhile do not show.
#[test]
fn a_drain_cannot_be_resumed() {
    let dir = Dir::new();
    let path = dir.path("control");
    let (mut server, addr) = serve(&["--control", &path, "--drain-linger", "1h"]);
    let mut watch = Running::new(["watch", "--no-reconnect", &addr]);
    assert_eq!(watch.line(), "SERVING");
    server.signal("TERM");
    assert_eq!(line(&mut server.stderr), "draining");
    assert_eq!(watch.line(), "NOT_SERVING");
    let (code, _, stderr) = control(&path, &["resume"]);
    assert!([2, 3].contains(&code), "{code}: {stderr}");
    assert_eq!(run(["check", &addr]).1, "NOT_SERVING\n");
    server.signal("TERM");
    assert_eq!(server.end().0, 0);
}

#[tokio::test]
async fn names_and_messages_over_the_limits() {
    let dir = Dir::new();
    let path = dir.path("control");
    let (_server, addr) = serve(&["--control", &path]);
    let orders = ControlClient::new(Client::connect_unix(&path).await.unwrap());
    let (fits, long) = ("n".repeat(200), "n".repeat(201));
    let up = ServingStatus::Serving;
    orders.set(&fits, up, "").await.unwrap();
    let refused = orders.set(&long, up, "").await.unwrap_err();
    assert_eq!(refused.code(), Code::INVALID_ARGUMENT);
    // A long reason is cut. A request that is longer than any may be is refused before it is read.
    orders.set("a", up, &"r".repeat(3_000)).await.unwrap();
    let refused = orders.set("a", up, &"r".repeat(5_000)).await.unwrap_err();
    assert_eq!(refused.code(), Code::RESOURCE_EXHAUSTED);
    // Nothing of the refused is there.
    let listed = run(["list", &addr]).1;
    assert_eq!(listed, format!("\tSERVING\na\tSERVING\n{fits}\tSERVING\n"));
}

/// Sets the statuses of made-up names, many at a time. Returns how many were refused.
async fn flood(orders: &ControlClient, workers: usize, names: usize) -> usize {
    let mut flood = tokio::task::JoinSet::new();
    for worker in 0..workers {
        let orders = orders.clone();
        flood.spawn(async move {
            let mut full = 0;
            for i in 0..names {
                let name = format!("made.up.{worker}.{i}");
                if let Err(status) = orders.set(&name, ServingStatus::Serving, "").await {
                    assert_eq!(status.code(), Code::RESOURCE_EXHAUSTED, "{status}");
                    full += 1;
                }
            }
            full
        });
    }
    let mut full = 0;
    while let Some(refused) = flood.join_next().await {
        full += refused.unwrap();
    }
    full
}

/// A client that makes up names fills the registry, and no more.
#[tokio::test]
async fn made_up_names_fill_the_registry_and_no_more() {
    let registry = Registry::with_limits(Limits::new().max_services(100));
    registry
        .set_service_status("a", ServingStatus::Serving)
        .unwrap();
    let control = Router::empty().service(ControlService::new(registry.clone()));
    let server = Server::builder().service(control).build();
    let (client, io) = tokio::io::duplex(64 << 10);
    tokio::spawn(server.serve_connection(io));
    let orders = ControlClient::new(Client::handshake(client).await.unwrap());
    // `""` and `a` were there.
    assert_eq!(flood(&orders, 10, 20).await, 200 - 98);
    assert_eq!(registry.services().len(), 100);
    // A name that is there can be set all the same, and a lease is not an application's without leases.
    orders
        .set("a", ServingStatus::NotServing, "why")
        .await
        .unwrap();
    let details = registry.status_of("a");
    assert_eq!(details.status, ServingStatus::NotServing);
    assert_eq!(details.reason.unwrap().as_str(), "why");
    let refused = orders.beat("a").await.unwrap_err();
    assert_eq!(refused.code(), Code::NOT_FOUND);
    registry.group("a", Group::all_of([""])).unwrap();
    let refused = orders.set("a", ServingStatus::Serving, "").await;
    assert_eq!(refused.unwrap_err().code(), Code::FAILED_PRECONDITION);
}

/// A client that keeps connections keeps the others of the socket out, and nobody else.
#[tokio::test]
async fn floods_of_the_control_socket_leave_the_health_service_alone() {
    let dir = Dir::new();
    let path = dir.path("control");
    let (_server, addr) = serve(&["--control", &path, "--service", "a"]);
    let health = Client::connect(addr.as_str()).await.unwrap();
    let orders = ControlClient::new(Client::connect_unix(&path).await.unwrap());
    assert_eq!(flood(&orders, 100, 10).await, 0);
    assert!(health.check("a").await.unwrap().is_serving());
    let kept: Vec<_> = (0..200).map(|_| UnixStream::connect(&path)).collect();
    assert!(kept.iter().all(Result::is_ok));
    assert!(health.check("a").await.unwrap().is_serving());
    let again = Client::connect(addr.as_str()).await.unwrap();
    assert!(again.check("made.up.0.0").await.unwrap().is_serving());
}

/// What a client says that does not keep to the .proto file.
#[tokio::test]
async fn requests_that_are_malformed_set_nothing() {
    let registry = Registry::new();
    let service = ControlService::new(registry.clone());
    let server = Server::builder().service(service).build();
    let (client, io) = tokio::io::duplex(64 << 10);
    tokio::spawn(server.serve_connection(io));
    let (mut client, connection) = h2::client::handshake(client).await.unwrap();
    tokio::spawn(connection);
    let mut call = async |method: &str, message: &[u8]| {
        let len = u32::try_from(message.len()).unwrap().to_be_bytes();
        let request =
            http::Request::post(format!("http://a/grpc_health.control.v1.Control/{method}"))
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .body(())
                .unwrap();
        client = client.clone().ready().await.unwrap();
        let (reply, mut body) = client.send_request(request, false).unwrap();
        body.send_data([&[0], &len[..], message].concat().into(), true)
            .unwrap();
        reply
            .await
            .unwrap()
            .headers()
            .get("grpc-status")
            .map(|status| status.to_str().unwrap().to_owned())
    };
    for (method, message, code) in [
        // No status; a status that does not exist; a name that is no UTF-8; a field that does not end; a method that does not exist.
        ("Set", &b"\x0a\x01a"[..], "3"),
        ("Set", b"\x0a\x01a\x10\x09", "3"),
        ("Set", b"\x0a\x01\xff\x10\x02", "13"),
        ("Set", b"\x0a\x7fa", "13"),
        ("Clear", b"\x0a\x7fa", "13"),
        ("Beat", b"\xff", "13"),
        ("Shutdown", b"\x0a", "13"),
        ("Resume", b"\x0a", "13"),
        ("Stop", b"", "12"),
    ] {
        assert_eq!(
            call(method, message).await.as_deref(),
            Some(code),
            "{method} {message:?}"
        );
    }
    assert_eq!(
        registry.services(),
        [(String::new(), ServingStatus::Serving)]
    );
}
