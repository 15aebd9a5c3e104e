#![no_main]

#[path = "../bodies/registry_ops.rs"]
mod registry_ops;

libfuzzer_sys::fuzz_target!(|data: &[u8]| registry_ops::run(data));
