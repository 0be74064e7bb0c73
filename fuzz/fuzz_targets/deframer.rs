//! See `xyloop_fuzz::deframer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| xyloop_fuzz::deframer::run(data));
