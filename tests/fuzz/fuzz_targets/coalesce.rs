//! Batches of frames, put together and cut again.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vswitch_fuzz::coalesce::run(bytes));
