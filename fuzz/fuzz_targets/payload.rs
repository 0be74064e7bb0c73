//! See `xyloop_fuzz::payload`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| xyloop_fuzz::payload::run(data));
