//! What the generator makes is what is checked in: grpc-health's tests compile it and call it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use grpc_health_build::Generator;

/// Compares what the generator makes of `protos`, all in `dir`, with the `.rs` files of `golden`.
#[track_caller]
fn same(name: &str, generator: Generator, protos: &[&str], dir: &str, golden: &[&str]) {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(&out).unwrap();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(dir);
    let descriptors = protox::compile(protos, [&dir]).unwrap();
    prost_build::Config::new()
        .out_dir(&out)
        .service_generator(Box::new(generator))
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
        Generator::new(),
        &["greeter.proto"],
        "examples/greeter",
        &["greet.v1.rs"],
    );
}

#[test]
fn what_is_hard_to_generate_is_what_is_generated() {
    same(
        "odd",
        Generator::new()
            .codec(".odd.coded", "crate::coded::Wrapped")
            .codec(".odd.coded.Coded.Each", "::grpc_health::router::Compressed")
            // Of another service: its name only begins as this one's.
            .codec(".odd.code", "crate::coded::Nothing"),
        &[
            "odd.proto",
            "coded.proto",
            "elsewhere.proto",
            "parent.proto",
            "bare.proto",
        ],
        "tests/generated",
        &[
            "_.rs",
            "odd.coded.rs",
            "odd.elsewhere.rs",
            "odd.names.v1.rs",
            "odd.rs",
        ],
    );
}

#[test]
#[should_panic(expected = "Json does not begin with crate:: or ::")]
fn a_codec_that_leads_elsewhere_from_the_generated_module_is_refused() {
    let _ = Generator::new().codec(".", "Json");
}

#[test]
#[should_panic(expected = "greet.v1 does not begin with a dot")]
fn a_codec_of_a_path_that_is_not_of_protobuf_is_refused() {
    let _ = Generator::new().codec("greet.v1", "crate::Json");
}
