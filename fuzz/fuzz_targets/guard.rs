#![no_main]

#[path = "../bodies/guard.rs"]
mod guard;

libfuzzer_sys::fuzz_target!(|data: &[u8]| guard::run(data));
