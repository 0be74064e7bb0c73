//! See `xyloop_fuzz::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| xyloop_fuzz::config::run(data));
