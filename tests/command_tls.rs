//! The built command over TLS.
#![cfg(all(feature = "cli", unix))]
#![allow(clippy::unwrap_used)]

#[path = "support/certs.rs"]
mod certs;
#[path = "support/dir.rs"]
mod dir;
#[path = "support/hanging.rs"]
mod hanging;
#[path = "support/command.rs"]
mod support;

use std::{
    fs,
    os::unix::fs::symlink,
    process::Command,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use certs::{Ca, Identity};
use dir::Dir;
use support::{Running, line, listening, run, serve};

fn identity(files: &Dir, name: &str, identity: &Identity) -> (String, String) {
    let cert = files.write(&format!("{name}.crt"), &identity.cert);
    (cert, files.write(&format!("{name}.key"), &identity.key))
}

/// `check` with these arguments: its exit code, stdout and stderr.
fn check(addr: &str, args: &[&str]) -> (i32, String, String) {
    run([&["check", addr], args].concat())
}

const SERVING: &str = "SERVING\n";

#[test]
fn every_question_over_tls() {
    let (files, ca) = (Dir::new(), Ca::new("ca"));
    let (cert, key) = identity(&files, "server", &ca.server());
    let (ca, other) = (
        files.write("ca.crt", ca.pem()),
        files.write("other.crt", Ca::new("other").pem()),
    );
    let (_server, addr) = serve(&["--tls-cert", &cert, "--tls-key", &key]);
    let tls = ["--tls", "--tls-ca", &ca];

    assert_eq!(check(&addr, &tls), (0, SERVING.to_owned(), String::new()));
    let (code, stdout, _) = run([&["list", &addr], &tls[..]].concat());
    assert_eq!((code, stdout.as_str()), (0, "\tSERVING\n"));
    let mut watch = Running::new([&["watch", "--no-reconnect", &addr], &tls[..]].concat());
    assert_eq!(watch.line(), "SERVING");
    // By name, where the address is another.
    let named = |name| check(&addr, &[&tls[..], &["--tls-server-name", name]].concat());
    assert_eq!(named("localhost").0, 0);

    for (refused, why) in [
        (
            named("shop.example"),
            "is not for shop.example, but for localhost, 127.0.0.1, ::1",
        ),
        (
            check(&addr, &["--tls", "--tls-ca-cert", &other]),
            "is signed by no authority that is trusted here",
        ),
    ] {
        let (code, stdout, stderr) = refused;
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains(&format!("failed to connect to {addr}: ")));
        assert!(stderr.contains(why), "{stderr}");
    }
}

#[test]
fn mutual_tls_with_a_plain_listener_beside_it() {
    let (files, ca, clients) = (Dir::new(), Ca::new("ca"), Ca::new("clients"));
    let (cert, key) = identity(&files, "server", &ca.server());
    let client_ca = files.write("clients.crt", clients.pem());
    let ca = files.write("ca.crt", ca.pem());
    let (mut server, addr) = serve(&[
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
        "--tls-client-ca",
        &client_ca,
        "--listen-plain",
        "127.0.0.1:0",
    ]);
    let plain = listening(&mut server).to_string();
    assert_eq!(check(&plain, &[]).0, 0);

    let (cert, key) = identity(&files, "client", &clients.client());
    let tls = ["--tls", "--tls-ca", &ca];
    let with = |cert: &str, key: &str| {
        let identity = ["--tls-client-cert", cert, "--tls-client-key", key];
        check(&addr, &[&tls[..], &identity].concat())
    };
    assert_eq!(with(&cert, &key), (0, SERVING.to_owned(), String::new()));

    let (cert, key) = identity(&files, "stranger", &Ca::new("clients").client());
    for refused in [check(&addr, &tls), with(&cert, &key)] {
        // TLS 1.3 lets a client go on before it hears that it was refused.
        let (code, stdout, stderr) = refused;
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains("client certificate"), "{stderr}");
    }
}

#[test]
fn certificates_that_cannot_be_used() {
    let (files, ca) = (Dir::new(), Ca::new("ca"));
    let (cert, key) = identity(&files, "server", &ca.server());
    let (_, other_key) = identity(&files, "other", &ca.server());
    let empty = files.write("empty", "");
    let absent = files.path("absent");
    let no_client_ca = format!("error: the client CA ({empty}): the text holds no certificate");
    let listen = ["serve", "--listen", "127.0.0.1:0"];
    let table: [(&[&str], &str); 7] = [
        (&["--tls-cert", &cert], "--tls-key"),
        (&["--tls-key", &key], "--tls-cert"),
        (&["--tls-client-ca", &cert], "--tls-cert"),
        (&["--listen-plain", "127.0.0.1:0"], "--tls-cert"),
        (&["--tls-cert", &absent, "--tls-key", &key], &absent),
        (
            &["--tls-cert", &cert, "--tls-key", &other_key],
            "the key is not that of the certificate",
        ),
        (
            &[
                "--tls-cert",
                &cert,
                "--tls-key",
                &key,
                "--tls-client-ca",
                &empty,
            ],
            &no_client_ca,
        ),
    ];
    for (args, expected) in table {
        let (code, stdout, stderr) = run([&listen, args].concat());
        assert_eq!((code, stdout.as_str()), (1, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
    let table: [(&[&str], &str); 3] = [
        (&["--tls-ca", &cert], "--tls"),
        (&["--tls", "--tls-ca", &absent], &absent),
        (
            &["--tls", "--tls-ca", &cert, "--tls-client-cert", &cert],
            "--tls-client-key",
        ),
    ];
    for (args, expected) in table {
        let (code, stdout, stderr) = check("127.0.0.1:1", args);
        assert_eq!((code, stdout.as_str()), (1, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
    let (code, _, stderr) = check("unix:/a", &["--tls", "--tls-ca", &cert]);
    assert_eq!(
        (code, stderr.as_str()),
        (1, "error: --tls cannot be used with unix:/a\n")
    );
}

#[test]
fn a_hangup_has_the_files_read_again() {
    let (files, old, new) = (Dir::new(), Ca::new("old"), Ca::new("new"));
    let (cert, key) = identity(&files, "server", &old.server());
    let old_ca = files.write("old.crt", old.pem());
    let new_ca = files.write("new.crt", new.pem());
    let tls = ["--tls-cert", &cert, "--tls-key", &key, "--tls-reload", "1h"];
    let (mut server, addr) = serve(&tls);
    let trusts = |ca: &str| check(&addr, &["--tls", "--tls-ca", ca]).0;
    let mut watch = Running::new([
        "watch",
        "--no-reconnect",
        &addr,
        "--tls",
        "--tls-ca",
        &old_ca,
    ]);
    assert_eq!(watch.line(), "SERVING");

    server.signal("HUP");
    assert_eq!(line(&mut server.stderr), "certificates unchanged");
    // One of two files: nothing is replaced until they agree.
    let identity = new.server();
    files.write("server.crt", identity.cert);
    server.signal("HUP");
    let said = line(&mut server.stderr);
    assert!(said.starts_with("error: certificates kept: "), "{said}");
    assert_eq!((trusts(&old_ca), trusts(&new_ca)), (0, 2));
    files.write("server.key", identity.key);
    server.signal("HUP");
    assert_eq!(line(&mut server.stderr), "certificates replaced");
    assert_eq!((trusts(&old_ca), trusts(&new_ca)), (2, 0));

    // Who was connected still is.
    server.signal("TERM");
    assert_eq!(watch.line(), "NOT_SERVING");
    assert_eq!(server.end().0, 0);
}

/// A complaint is said once, and said again when its cause has gone and comes back.
#[test]
fn a_complaint_that_comes_back_is_said_again() {
    let (files, ca) = (Dir::new(), Ca::new("ca"));
    let (cert, key) = identity(&files, "server", &ca.server());
    let away = files.path("away");
    let tls = [
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
        "--tls-reload",
        "10ms",
    ];
    let (mut server, _) = serve(&tls);
    // A server that keeps silent is ended, and so is the read of its next line.
    let (done, over) = mpsc::channel::<()>();
    let pid = server.pid();
    let watchdog = thread::spawn(move || {
        if over.recv_timeout(Duration::from_secs(30)) == Err(RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-s", "KILL", &pid]).status();
        }
    });
    fs::rename(&cert, &away).unwrap();
    let first = line(&mut server.stderr);
    assert!(first.starts_with("error: certificates kept: "), "{first}");
    fs::rename(&away, &cert).unwrap();
    server.signal("HUP");
    assert_eq!(line(&mut server.stderr), "certificates unchanged");
    fs::rename(&cert, &away).unwrap();
    assert_eq!(line(&mut server.stderr), first);
    drop(done);
    watchdog.join().unwrap();
    server.signal("TERM");
    let (code, _, stderr) = server.end();
    assert_eq!((code, stderr.as_str()), (0, "draining\n"));
}

/// As the kubelet does it: the files are links into a directory that is a link itself, and only that one changes.
#[test]
fn a_swapped_symlink_is_noticed() {
    let (files, old, new) = (Dir::new(), Ca::new("old"), Ca::new("new"));
    for (dir, ca) in [("..1", &old), ("..2", &new)] {
        fs::create_dir(files.path(dir)).unwrap();
        identity(&files, &format!("{dir}/tls"), &ca.server());
    }
    symlink("..1", files.path("..data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), files.path(name)).unwrap();
    }
    let (cert, key) = (files.path("tls.crt"), files.path("tls.key"));
    let new_ca = files.write("new.crt", new.pem());
    let tls = [
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
        "--tls-reload",
        "10ms",
    ];
    let (mut server, addr) = serve(&tls);

    symlink("..2", files.path("..data_tmp")).unwrap();
    fs::rename(files.path("..data_tmp"), files.path("..data")).unwrap();
    let mut said = line(&mut server.stderr);
    if said.starts_with("error: certificates kept: ") {
        // Looked at between its two files.
        said = line(&mut server.stderr);
    }
    assert_eq!(said, "certificates replaced");
    assert_eq!(check(&addr, &["--tls", "--tls-ca", &new_ca]).0, 0);
    fs::remove_file(files.path("..data")).unwrap();
    let said = line(&mut server.stderr);
    assert!(said.starts_with("error: certificates kept: "), "{said}");
    assert_eq!(check(&addr, &["--tls", "--tls-ca", &new_ca]).0, 0);
    server.signal("TERM");
    let (code, _, stderr) = server.end();
    assert_eq!(code, 0);
    // However often it is looked at, it is said once for each of the files that may be missed first.
    assert!(stderr.lines().count() <= 2, "{stderr}");
}

#[test]
fn a_read_that_hangs_keeps_no_server_from_its_end() {
    let (files, ca) = (Dir::new(), Ca::new("ca"));
    let (cert, key) = identity(&files, "server", &ca.server());
    hanging::ends(
        &files,
        &cert,
        &["--tls-key", &key, "--tls-reload", "1h", "--tls-cert"],
    );
}

/// A file without an end takes neither the memory nor for ever.
#[test]
fn files_are_read_up_to_a_limit() {
    let (files, ca) = (Dir::new(), Ca::new("ca"));
    let (cert, key) = identity(&files, "server", &ca.server());
    let pipe = files.pipe("pipe");
    let limit = 4 << 20;
    let cert = fs::read_to_string(&cert).unwrap();
    let padded = |name: &str, len: usize| {
        files.write(name, format!("{cert}{}", "#".repeat(len - cert.len())))
    };
    let (longest, longer) = (padded("longest", limit), padded("longer", limit + 1));
    let (_server, addr) = serve(&["--tls-cert", &longest, "--tls-key", &key]);
    let ca = files.write("ca.crt", ca.pem());
    assert_eq!(check(&addr, &["--tls", "--tls-ca", &ca]).0, 0);

    let endless = thread::spawn({
        let pipe = pipe.clone();
        move || {
            std::io::copy(
                &mut std::io::repeat(0),
                &mut fs::File::options().write(true).open(pipe).unwrap(),
            )
        }
    });
    for path in [&longer, &pipe, &"/dev/zero".to_owned()] {
        let (code, _, stderr) = run(["serve", "--tls-cert", path, "--tls-key", &key]);
        let expected =
            format!("error: {path}: the file is longer than 4 MiB, the limit for PEM text\n");
        assert_eq!((code, stderr), (1, expected));
    }
    assert!(endless.join().unwrap().is_err(), "nobody reads the pipe");
    let (code, _, stderr) = check(&addr, &["--tls", "--tls-ca", "/dev/zero"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("longer than 4 MiB"), "{stderr}");
}
