#![no_main]

#[path = "../bodies/check_request.rs"]
mod check_request;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check_request::run(data));
