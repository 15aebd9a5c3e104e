//! The names by which the program is a probe.

use std::{
    fs,
    os::unix::fs::symlink,
    process::{Command, Stdio},
};

use crate::{
    dir::Dir,
    support::{run, serve},
};

#[test]
fn a_link_or_a_copy_named_grpc_health_probe() {
    let files = Dir::new();
    let (_server, addr) = serve(&["--service", "a=not-serving"]);
    let built = env!("CARGO_BIN_EXE_grpc-health");
    let links = ["grpc_health_probe", "grpc_health_probe.exe"].map(|name| files.path(name));
    for link in &links {
        symlink(built, link).unwrap();
    }
    fs::create_dir(files.path("copy")).unwrap();
    let copy = files.path("copy/grpc_health_probe");
    fs::copy(built, &copy).unwrap();
    for program in [&links[0], &links[1], &copy] {
        let output = Command::new(program)
            .args(["-addr", &addr, "-service=a"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{program}: {stderr}");
        assert_eq!(
            stderr,
            "service unhealthy (responded with \"NOT_SERVING\")\n"
        );
        assert!(output.stdout.is_empty());
    }
}

/// The small program says what the command says, whatever comes of the probe.
#[test]
fn the_program_that_is_a_probe_alone() {
    let (_server, addr) = serve(&["--service", "a=not-serving"]);
    let addr = addr.as_str();
    for (flags, code) in [
        (&["-addr", addr][..], 0),
        (&["-addr", addr, "-gzip"], 0),
        (&["-addr", addr, "-service=a"], 4),
        (&["-addr", addr, "-service=b"], 3),
        (&["-addr", addr, "-tls", "-tls-no-verify"], 2),
        (&["-addr", addr, "-tls", "-tls-ca-cert=/nowhere"], 1),
        (&["-addr", "127.0.0.1:1"], 2),
        (&["-addr", "127.0.0.1"], 2),
        (&["-bogus"], 1),
        (&["probe", "-addr", addr], 1),
        (&["-version"], 0),
        (&["-h"], 1),
        (&[], 1),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_grpc_health_probe"))
            .args(flags)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let found = (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        );
        assert_eq!(found.0, Some(code), "{flags:?}: {}", found.2);
        let (code, stdout, stderr) = run([&["probe"], flags].concat());
        assert_eq!(found, (Some(code), stdout, stderr), "{flags:?}");
    }
}

#[test]
fn the_help_of_the_command_names_the_probe() {
    let (code, stdout, _) = run(["--help"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("\n  probe  "), "{stdout}");
    let (code, stdout, _) = run(["help", "probe"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("grpc-health probe -h"), "{stdout}");
}
