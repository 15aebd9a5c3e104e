#![no_main]

#[path = "../bodies/http1.rs"]
mod http1;

libfuzzer_sys::fuzz_target!(|data: &[u8]| http1::run(data));
