//! Holds Cargo.lock to the first versions that carry the fixes this server relies on.
//!
//! A version requirement in Cargo.toml binds only direct dependencies; the lock file is what the
//! command is built from, and what the tests ran against.
#![allow(clippy::unwrap_used, clippy::expect_used)]

/// Crate, first acceptable version, the advisory or the reason.
const FLOORS: &[(&str, &str, &str)] = &[
    // 0.3.17/0.4.2, 0.4.4 and 0.4.16 fixed the advisories; 0.4.20 bounds tiny DATA frames by a
    // configurable budget and counts the streams it refuses.
    (
        "h2",
        "0.4.20",
        "RUSTSEC-2023-0034, 2024-0003, 2024-0332, 2026-0258",
    ),
    ("bytes", "1.11.1", "RUSTSEC-2026-0007"),
    ("tokio", "1.44.2", "RUSTSEC-2025-0023"),
    ("slab", "0.4.11", "RUSTSEC-2025-0047"),
    (
        "http",
        "1.5.0",
        "the HeaderMap whose behaviour the tests were written against",
    ),
    // Of feature `tls`.
    ("rustls", "0.23.5", "RUSTSEC-2024-0336"),
    ("rustls-webpki", "0.103.13", "RUSTSEC-2026-0104"),
    ("ring", "0.17.12", "RUSTSEC-2025-0009"),
    // Not in every tree; held as soon as they are.
    ("tonic", "0.12.3", "RUSTSEC-2024-0376"),
    ("pingora-core", "0.6.0", "RUSTSEC-2025-0070"),
];

/// These must be there at all: a renamed or vanished core crate must not pass for a fixed one.
const CORE: &[&str] = &[
    "h2",
    "bytes",
    "tokio",
    "slab",
    "http",
    "prost",
    "rustls",
    "rustls-webpki",
];

/// `(name, version)` of every package of a lock file.
fn packages(lock: &str) -> Vec<(String, String)> {
    let value = |line: &str, key: &str| {
        let rest = line.strip_prefix(key)?.strip_prefix(" = \"")?;
        rest.strip_suffix('"').map(str::to_owned)
    };
    lock.split("[[package]]")
        .skip(1)
        .map(|block| {
            let name = block.lines().find_map(|line| value(line, "name")).unwrap();
            let version = block
                .lines()
                .find_map(|line| value(line, "version"))
                .unwrap();
            (name, version)
        })
        .collect()
}

/// `major.minor.patch` and whether it is a release; a pre-release sorts below it.
fn parse(version: &str) -> (u64, u64, u64, bool) {
    let version = version.split('+').next().unwrap();
    let (numbers, release) = match version.split_once('-') {
        Some((numbers, _)) => (numbers, false),
        None => (version, true),
    };
    let mut parts = numbers.split('.').map(|part| part.parse().unwrap());
    let mut next = || parts.next().unwrap();
    (next(), next(), next(), release)
}

/// One line for each package below its floor.
fn below_floor(packages: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, version) in packages {
        for (crate_name, floor, why) in FLOORS {
            if name == crate_name && parse(version) < parse(floor) {
                found.push(format!("{name} {version} is below {floor} ({why})"));
            }
        }
    }
    found
}

fn lock() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock");
    packages(&std::fs::read_to_string(path).expect("Cargo.lock is part of the repository"))
}

#[test]
fn every_package_is_at_or_above_its_floor() {
    let found = below_floor(&lock());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_core_crates_are_locked() {
    let lock = lock();
    for name in CORE {
        assert!(
            lock.iter().any(|(locked, _)| locked == name),
            "{name} is not in Cargo.lock"
        );
    }
}

#[test]
fn a_version_below_its_floor_is_found() {
    let lock = "[[package]]\nname = \"h2\"\nversion = \"0.4.19\"\n\n\
                [[package]]\nname = \"h2\"\nversion = \"0.4.20\"\n\n\
                [[package]]\nname = \"slab\"\nversion = \"0.4.10\"\n\n\
                [[package]]\nname = \"bytes\"\nversion = \"1.12.0\"\n\n\
                [[package]]\nname = \"rustls-webpki\"\nversion = \"0.103.13-alpha.1\"\n";
    let found = below_floor(&packages(lock));
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("h2 0.4.19 "));
    assert!(found[1].starts_with("slab 0.4.10 "));
    assert!(found[2].starts_with("rustls-webpki 0.103.13-alpha.1 "));
}
