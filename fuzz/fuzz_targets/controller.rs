//! See `xyloop_fuzz::controller`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| xyloop_fuzz::controller::run(data));
