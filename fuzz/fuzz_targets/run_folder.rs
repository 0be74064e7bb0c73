//! See `xyloop_fuzz::run_folder`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| xyloop_fuzz::run_folder::run(data));
