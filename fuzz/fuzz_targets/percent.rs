#![no_main]

#[path = "../bodies/percent.rs"]
mod percent;

libfuzzer_sys::fuzz_target!(|data: &[u8]| percent::run(data));
