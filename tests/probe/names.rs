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

#[test]
fn the_help_of_the_command_names_the_probe() {
    let (code, stdout, _) = run(["--help"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("\n  probe  "), "{stdout}");
    let (code, stdout, _) = run(["help", "probe"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("grpc-health probe -h"), "{stdout}");
}
