//! The time limits of every binary of tests and of each test, which `.cargo/config.toml` sets and `scripts/time-limit.sh` keeps.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    os::unix::process::ExitStatusExt,
    process::{Command, Output},
};

const SCRIPT: &str = "scripts/time-limit.sh";
/// Set in the process of a test that shall hang.
const HANG: &str = "GRPC_HEALTH_HANG";
const ABORTED: i32 = 6;

/// Runs `program` as cargo does, with these limits for each test and for the binary.
fn limited(each: &str, all: &str, program: &str, args: &[&str]) -> Output {
    Command::new(SCRIPT)
        .arg(program)
        .args(args)
        .env(HANG, "")
        .env("GRPC_HEALTH_ONE_TEST_SECONDS", each)
        .env("GRPC_HEALTH_TEST_SECONDS", all)
        .output()
        .unwrap()
}

fn this() -> String {
    env::current_exe().unwrap().to_str().unwrap().to_owned()
}

/// Does not return in the process of a test that shall hang.
fn hang_if_told() {
    if env::var_os(HANG).is_some() {
        let _ = Command::new("sleep").arg("86400").status();
        unreachable!("the limit has passed");
    }
}

/// The test runs itself, and then waits for a process that does not end. That process has the pipes of the output: while the process lives,
/// the output has no end.
#[test]
fn a_test_that_hangs_is_ended_and_named() {
    hang_if_told();
    let name = "a_test_that_hangs_is_ended_and_named";
    let ended = limited("0", "1", &this(), &["--test-threads", "1", "--exact", name]);
    assert_eq!(ended.status.signal(), Some(ABORTED), "{ended:?}");
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert!(stderr.contains("have not ended within 1 s"), "{stderr}");
    let stdout = String::from_utf8(ended.stdout).unwrap();
    assert!(stdout.ends_with(&format!("test {name} ... ")), "{stdout}");
}

/// The limit of each test is its own: the binary, whose limit is far away, is ended for one test.
#[test]
fn one_test_that_hangs_is_ended_and_named() {
    hang_if_told();
    let name = "one_test_that_hangs_is_ended_and_named";
    let ended = limited("1", "600", &this(), &["--exact", name]);
    assert_eq!(ended.status.signal(), Some(ABORTED), "{ended:?}");
    let stderr = String::from_utf8(ended.stderr).unwrap();
    let why = "a test has not ended within 1 s, the time limit of scripts/time-limit.sh";
    assert_eq!(stderr, format!("error: {why}: {name}\n"));
}

#[test]
fn a_test_that_ends_in_time_is_let_be() {
    let ended = limited(
        "300",
        "600",
        &this(),
        &["--exact", "cargo_runs_every_binary_of_tests_in_the_limit"],
    );
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stderr.is_empty(), "{ended:?}");
}

/// The limit is for tests: a program of `cargo run` and a benchmark may take longer.
#[test]
fn other_programs_have_no_limit() {
    let ended = limited("1", "1", "/bin/sleep", &["1.5"]);
    assert!(ended.status.success(), "{ended:?}");
}

#[test]
fn cargo_runs_every_binary_of_tests_in_the_limit() {
    let config = fs::read_to_string(".cargo/config.toml").unwrap();
    let runner = format!("[target.'cfg(unix)']\nrunner = \"{SCRIPT}\"\n");
    assert!(config.ends_with(&runner), "{config}");
}
