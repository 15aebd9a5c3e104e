#![no_main]

#[path = "../bodies/metadata.rs"]
mod metadata;

libfuzzer_sys::fuzz_target!(|data: &[u8]| metadata::run(data));
