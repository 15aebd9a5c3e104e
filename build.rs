//! Holds the generated code that is checked in to the `.proto` files, and generates it anew when it is asked to.
//!
//! An ordinary build generates nothing and has no build dependencies. In a checkout it compares the digests of the `.proto` files with
//! those that the generated files begin with, so that nobody forgets to regenerate. A published package is not checked.
//!
//! Feature `regenerate` alone changes nothing: `--all-features` turns it on as well, where the sources cannot be written (docs.rs, a
//! registry's sources) and where another version of prost-build may write the same code differently. Files are written only below the
//! directory that the environment variable `GRPC_HEALTH_REGENERATE` names. `scripts/regenerate.sh` sets both.

use std::path::Path;
use std::{fs, io, process};

const ROOT: &str = "proto";

/// The generated files that are checked in, each with what it is generated from. Their names are prost-build's, after the packages.
const GENERATED: &[(&str, &[&str])] = &[
    (
        "src/proto/grpc.health.v1.rs",
        &["proto/grpc/health/v1/health.proto"],
    ),
    (
        "src/proto/grpc.reflection.v1.rs",
        &["proto/grpc/reflection/v1/reflection.proto"],
    ),
    (
        "src/proto/grpc.reflection.v1alpha.rs",
        &["proto/grpc/reflection/v1alpha/reflection.proto"],
    ),
    (
        "src/proto/grpc_health.control.v1.rs",
        &["proto/grpc_health/control/v1/control.proto"],
    ),
    // Of tests and examples alone.
    (
        "examples/support/grpc.testing.rs",
        &[
            "proto/grpc/testing/empty.proto",
            "proto/grpc/testing/messages.proto",
            "proto/grpc/testing/test.proto",
        ],
    ),
];

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={ROOT}");
    println!("cargo:rerun-if-env-changed=GRPC_HEALTH_REGENERATE");

    #[cfg(feature = "regenerate")]
    if let Some(root) = std::env::var_os("GRPC_HEALTH_REGENERATE") {
        return regenerate::write(Path::new(&root)).map_err(io::Error::other);
    }

    // cargo puts this file into every package that it makes.
    if Path::new("Cargo.toml.orig").exists() {
        return Ok(());
    }
    for (file, protos) in GENERATED {
        println!("cargo:rerun-if-changed={file}");
        let generated = fs::read_to_string(file).unwrap_or_default();
        if !generated.replace('\r', "").starts_with(&header(protos)?) {
            let protos = protos.join(", ");
            eprintln!(
                "{file} was not generated from {protos} as it is now. Run: bash scripts/regenerate.sh"
            );
            process::exit(1);
        }
    }
    Ok(())
}

/// What a generated file begins with: the digests of the `.proto` files.
fn header(protos: &[&str]) -> io::Result<String> {
    let mut header =
        "// Edit the .proto and run scripts/regenerate.sh, not this file. Generated from:\n"
            .to_owned();
    for proto in protos {
        header += &format!("// {proto} {:016x}\n", digest(&fs::read(proto)?));
    }
    Ok(header)
}

/// 64-bit FNV-1a of a text without its carriage returns, which git may add.
fn digest(text: &[u8]) -> u64 {
    let bytes = text.iter().filter(|&&byte| byte != b'\r');
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(feature = "regenerate")]
mod regenerate {
    use std::error::Error;
    use std::path::Path;
    use std::{env, fs, io};

    use super::{GENERATED, ROOT, header};

    const DESCRIPTORS: &str = "src/proto/descriptors.bin";
    /// What the crate serves. `DESCRIPTORS` describes these files.
    const SERVED: &[&str] = &[
        "proto/grpc/health/v1/health.proto",
        "proto/grpc/reflection/v1/reflection.proto",
        "proto/grpc/reflection/v1alpha/reflection.proto",
    ];
    /// What the command serves on its control socket: reflection does not describe this file.
    const CONTROL: &[&str] = &["proto/grpc_health/control/v1/control.proto"];
    const TESTING: &[&str] = &["proto/grpc/testing/test.proto"];

    /// Writes everything below `root`. protox is a protobuf compiler in Rust: no `protoc` is run.
    pub(super) fn write(root: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut compiler = protox::Compiler::new([Path::new(ROOT)])?;
        compiler
            .include_imports(true)
            .include_source_info(true)
            .open_files(SERVED)?;
        prost_build::Config::new()
            // A sorted map, so that List's answer is in order of name and the same every time.
            .btree_map(["."])
            // Reflection's answers hold whole files: clones of them, not copies.
            .bytes([".grpc.reflection"])
            .compile_fds(compiler.file_descriptor_set())?;
        prost_build::Config::new().compile_fds(protox::compile(CONTROL, [Path::new(ROOT)])?)?;
        prost_build::Config::new()
            .bytes(["."])
            .compile_fds(protox::compile(TESTING, [Path::new(ROOT)])?)?;

        let out = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
        for (file, protos) in GENERATED {
            // Written files are newer than this run, so the next run writes them again.
            println!("cargo:rerun-if-changed={file}");
            let file = Path::new(file);
            let made = file.file_name().ok_or("a generated file has a name")?;
            let text = header(protos)? + &fs::read_to_string(Path::new(&out).join(made))?;
            put(&root.join(file), text.as_bytes())?;
        }
        put(
            &root.join(DESCRIPTORS),
            &compiler.encode_file_descriptor_set(),
        )?;
        Ok(())
    }

    fn put(path: &Path, content: &[u8]) -> io::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)
    }
}
