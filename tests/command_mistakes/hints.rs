//! What to try next.

use std::{fs, os::unix::net::UnixListener};

use crate::{
    Files,
    certs::Ca,
    refused,
    support::{Running, run, serve},
};

#[test]
fn nobody_listens() {
    let files = Files::new("nobody");
    let path = files.write("gone", "");
    fs::remove_file(&path).unwrap();
    let addr = format!("unix:{path}");
    refused(
        &addr,
        &[],
        ". There is no such socket: is the server running, and is the path right?",
    );
    // A socket file is left behind.
    drop(UnixListener::bind(&path).unwrap());
    refused(
        &addr,
        &[],
        ". Is the server running? Nothing listens on the socket now.",
    );
    // Port 1 belongs to no server of these tests, and nobody but the superuser can take the port.
    refused(
        "127.0.0.1:1",
        &[],
        ". Nothing listens there: is the server running, and is the port right?",
    );
    refused(
        "no..where:1",
        &["--connect-timeout", "1m"],
        ". Is the host name right?",
    );
}

#[test]
fn what_the_server_expects() {
    let (files, ca) = (Files::new("hints"), Ca::new("ca"));
    let (_secure, secure) = files.serve("server", &ca.server());
    refused(&secure, &[], ". Add --tls.");
    let trusted = files.write("ca.crt", ca.pem());
    let other = files.write("other.crt", Ca::new("other").pem());
    let (_plain, plain) = serve(&[]);
    refused(
        &plain,
        &["--tls", "--tls-ca", &trusted],
        ". Leave out --tls.",
    );
    refused(&secure, &["--tls", "--tls-ca", &other], " --tls-ca FILE.");
    let named = [
        "--tls",
        "--tls-ca",
        &trusted,
        "--tls-server-name",
        "shop.example",
    ];
    refused(&secure, &named, "say the name with --tls-server-name NAME.");

    let (cert, key) = files.identity("mutual", &ca.server());
    let tls = [
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
        "--tls-client-ca",
        &trusted,
    ];
    let (_mutual, mutual) = serve(&tls);
    refused(
        &mutual,
        &["--tls", "--tls-ca", &trusted],
        "with --tls-client-cert FILE and --tls-client-key FILE.",
    );
}

/// The call fails with exit code 3, and a hint.
#[track_caller]
fn failed(args: &[&str], expected: &str) {
    let (code, stdout, stderr) = run(args);
    assert_eq!((code, stdout.as_str()), (3, ""), "{args:?}: {stderr}");
    assert!(stderr.contains(expected), "{args:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn what_the_server_lacks() {
    let (_server, addr) = serve(&[]);
    let absent = format!("{addr}/absent");
    failed(
        &["check", &absent],
        &format!(". List the names with \"grpc-health list {addr}\"."),
    );

    // The server of the control socket has no health service.
    let files = Files::new("lacks");
    let (path, control) = (files.write("a", ""), files.write("b", ""));
    fs::remove_file(&path).unwrap();
    fs::remove_file(&control).unwrap();
    let mut server = Running::new(["serve", "--unix", &path, "--control", &control]);
    server.line();
    let addr = format!("unix:{control}");
    let lacks = ". Does the server register the health service (grpc.health.v1.Health)?";
    failed(&["check", &addr], lacks);
    failed(&["list", &addr], lacks);
    failed(&["watch", "--no-reconnect", &addr], lacks);
}
