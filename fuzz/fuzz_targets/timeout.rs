#![no_main]

#[path = "../bodies/timeout.rs"]
mod timeout;

libfuzzer_sys::fuzz_target!(|data: &[u8]| timeout::run(data));
