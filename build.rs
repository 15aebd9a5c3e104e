//! Compiles `proto/` into `OUT_DIR` with prost-build.
//!
//! The descriptor set comes from protox, a protobuf compiler in Rust, so no `protoc` is ever run.

use std::error::Error;
use std::path::Path;

const ROOT: &str = "proto";
const PROTOS: &[&str] = &["proto/grpc/health/v1/health.proto"];
/// Included by tests and examples alone, which see the same `OUT_DIR`.
const TEST_PROTOS: &[&str] = &["proto/grpc/testing/test.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={ROOT}");

    let descriptors = protox::compile(PROTOS, [Path::new(ROOT)])?;
    prost_build::Config::new()
        // A sorted map, so that List's answer is in order of name and the same every time.
        .btree_map(["."])
        .compile_fds(descriptors)?;

    let descriptors = protox::compile(TEST_PROTOS, [Path::new(ROOT)])?;
    prost_build::Config::new()
        .bytes(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
