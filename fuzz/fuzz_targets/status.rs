#![no_main]

#[path = "../bodies/status.rs"]
mod status;

libfuzzer_sys::fuzz_target!(|data: &[u8]| status::run(data));
