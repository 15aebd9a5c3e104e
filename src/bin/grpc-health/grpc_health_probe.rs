//! `grpc_health_probe`: `grpc-health probe` alone, for images that need nothing else of the command.
#![forbid(unsafe_code)]
// The modules are those of `grpc-health`, which uses all of them.
#![allow(dead_code)]

mod escape;
mod interrupts;
mod json;
mod output;
mod probe;

use std::process::ExitCode;

fn main() -> ExitCode {
    probe::run(std::env::args_os().skip(1))
}
