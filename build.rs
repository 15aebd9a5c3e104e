//! Compiles `proto/` into `OUT_DIR` with prost-build.
//!
//! The descriptor set comes from protox, a protobuf compiler in Rust, so no `protoc` is ever run.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

const ROOT: &str = "proto";
const HEALTH: &[&str] = &["proto/grpc/health/v1/health.proto"];
const REFLECTION: &[&str] = &[
    "proto/grpc/reflection/v1/reflection.proto",
    "proto/grpc/reflection/v1alpha/reflection.proto",
];
/// Included by tests and examples alone, which see the same `OUT_DIR`.
const TEST: &[&str] = &["proto/grpc/testing/test.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={ROOT}");

    let reflection = env::var_os("CARGO_FEATURE_REFLECTION").is_some();
    let mut compiler = protox::Compiler::new([Path::new(ROOT)])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(HEALTH)?;
    if reflection {
        compiler.open_files(REFLECTION)?;
        let out = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
        fs::write(
            Path::new(&out).join("descriptors.bin"),
            compiler.encode_file_descriptor_set(),
        )?;
    }
    prost_build::Config::new()
        // A sorted map, so that List's answer is in order of name and the same every time.
        .btree_map(["."])
        // Reflection's answers hold whole files: clones of them, not copies.
        .bytes([".grpc.reflection"])
        .compile_fds(compiler.file_descriptor_set())?;

    let descriptors = protox::compile(TEST, [Path::new(ROOT)])?;
    prost_build::Config::new()
        .bytes(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
