//! `grpc-health probe` does what grpc_health_probe does: every flag, rule, text and exit code, against real servers. And more.
#![cfg(all(feature = "cli", unix))]
#![allow(clippy::unwrap_used)]

mod better;
#[path = "../support/certs.rs"]
mod certs;
#[path = "../support/dir.rs"]
mod dir;
mod exits;
mod flags;
mod names;
mod secure;
mod servers;
#[path = "../support/command.rs"]
mod support;

use support::run;

/// A probe with these flags, behind `-addr ADDR`: exit code, stdout, stderr.
pub(crate) fn probe(addr: &str, flags: &[&str]) -> (i32, String, String) {
    run([&["probe", "-addr", addr], flags].concat())
}

/// The probe writes nothing but these lines, to stderr, and ends with this code.
#[track_caller]
pub(crate) fn expect(addr: &str, flags: &[&str], code: i32, lines: &[&str]) {
    let (found, stdout, stderr) = probe(addr, flags);
    let found_lines: Vec<_> = stderr.lines().collect();
    assert_eq!((found, stdout.as_str()), (code, ""), "{flags:?}: {stderr}");
    assert_eq!(found_lines, lines, "{flags:?}");
}

pub(crate) const SERVING: &str = "status: SERVING";

/// Replaces each number of milliseconds, microseconds or seconds by N.
pub(crate) fn without_times(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        let end = number.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, after) = number.split_at(end.unwrap_or(number.len()));
        masked.push_str(before);
        let unit = after.split(|c: char| !c.is_alphabetic()).next().unwrap();
        let is_time = matches!(unit, "s" | "ms" | "\u{b5}s" | "ns");
        masked.push_str(if is_time { "N" } else { number });
        rest = after;
    }
    masked.push_str(rest);
    masked
}
