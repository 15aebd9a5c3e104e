//! What the generator makes is what is checked in: grpc-health's tests compile it and call it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Compares what is generated from `protos`, all in `dir`, with the `.rs` files of `golden`.
#[track_caller]
fn same(name: &str, protos: &[&str], dir: &str, golden: &[&str]) {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(&out).unwrap();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(dir);
    let descriptors = protox::compile(protos, [&dir]).unwrap();
    prost_build::Config::new()
        .out_dir(&out)
        .service_generator(Box::new(grpc_health_build::Generator::new()))
        .compile_fds(descriptors)
        .unwrap();
    let made: BTreeSet<_> = fs::read_dir(&out)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected: BTreeSet<_> = golden.iter().map(|&file| file.to_owned()).collect();
    assert_eq!(made, expected);
    for file in golden {
        let (made, golden) = (out.join(file), dir.join(file));
        let differ = fs::read(&made).unwrap() != fs::read(&golden).unwrap_or_default();
        let [made, golden] = [made.display(), golden.display()];
        assert!(!differ, "if it is right, cp {made} {golden}");
    }
}

#[test]
fn the_example_is_what_is_generated() {
    same(
        "greeter",
        &["greeter.proto"],
        "examples/greeter",
        &["greet.v1.rs"],
    );
}

#[test]
fn what_is_hard_to_generate_is_what_is_generated() {
    same(
        "odd",
        &["odd.proto", "elsewhere.proto", "parent.proto", "bare.proto"],
        "tests/generated",
        &["_.rs", "odd.elsewhere.rs", "odd.names.v1.rs", "odd.rs"],
    );
}
