//! See `xyloop_fuzz::link`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| xyloop_fuzz::link::run(data));
