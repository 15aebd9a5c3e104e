//! Replays the corpora of `fuzz/` through the bodies of its targets, without a fuzzer.
// The bodies assert equations: to panic is their way to report.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

type Body = fn(&[u8]);

/// One module and one test for each target, and the list of all of them. Those that need a
/// feature, `__internals` if they reach inside the crate, are there with it only.
macro_rules! targets {
    ($($(#[$feature:meta])? $target:ident: $path:literal,)*) => {
        $(
            $(#[$feature])?
            #[allow(unreachable_pub, reason = "the fuzz target, too, is another crate")]
            #[path = $path]
            mod $target;
        )*

        mod replay {
            $(
                $(#[$feature])?
                #[test]
                fn $target() {
                    super::replay(stringify!($target), super::$target::run);
                }
            )*
        }

        const TARGETS: &[&str] = &[$(stringify!($target)),*];
    };
}

targets! {
    envelope: "../fuzz/bodies/envelope.rs",
    percent: "../fuzz/bodies/percent.rs",
    timeout: "../fuzz/bodies/timeout.rs",
    metadata: "../fuzz/bodies/metadata.rs",
    status: "../fuzz/bodies/status.rs",
    #[cfg(feature = "gzip")]
    inflate: "../fuzz/bodies/inflate.rs",
    registry_ops: "../fuzz/bodies/registry_ops.rs",
    connection: "../fuzz/bodies/connection.rs",
    #[cfg(feature = "http1")]
    http1: "../fuzz/bodies/http1.rs",
    #[cfg(feature = "__internals")]
    check_request: "../fuzz/bodies/check_request.rs",
    #[cfg(feature = "__internals")]
    guard: "../fuzz/bodies/guard.rs",
    #[cfg(feature = "__internals")]
    authority: "../fuzz/bodies/authority.rs",
}

fn fuzz_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn inputs(target: &str) -> Vec<PathBuf> {
    let dir = fuzz_dir().join("corpus").join(target);
    let entries = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn replay(target: &str, run: Body) {
    let inputs = inputs(target);
    assert!(!inputs.is_empty(), "the corpus of {target} is empty");
    for input in inputs {
        // The test's output, shown if it fails: the last line names the input.
        println!("{}", input.display());
        run(&fs::read(&input).unwrap());
    }
}

#[test]
fn every_target_has_a_corpus_and_is_replayed() {
    let manifest = fs::read_to_string(fuzz_dir().join("Cargo.toml")).unwrap();
    let listed: BTreeSet<&str> = manifest
        .split("[[bin]]")
        .skip(1)
        .map(|bin| bin.split('"').nth(1).expect("a target's name comes first"))
        .collect();
    assert_eq!(listed, TARGETS.iter().copied().collect());
    for target in listed {
        assert!(
            !inputs(target).is_empty(),
            "the corpus of {target} is empty"
        );
    }
}
